"""Spectral convolutions on channels-last fields, by truncated transforms.

With K of n modes kept per axis, a transform is one thin matrix product per axis; no full FFT is
needed. Matrices hold the values of functions of the domain, so a layer is the same operator on
every grid. All arithmetic is real: a complex number is a pair of real ones.
"""

import math
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fsdiff.spaces.modes import cosine_matrix


class Transform(NamedTuple):
    """A truncated transform of channels-last fields on one grid, one matrix per axis, last first.

    ``analysis`` (coefficients, nodes) takes values to coefficients, ``synthesis`` back.
    """

    analysis: tuple[Tensor, ...]
    synthesis: tuple[Tensor, ...]

    def analyse(self, u: Tensor) -> Tensor:
        """Coefficients (batch, those of all axes, channels) of fields (batch, *grid, channels)."""
        batch, n, channels = len(u), u.shape[1], u.shape[-1]
        for axis, matrix in self._by_axis(self.analysis):
            u = _product(matrix, u.reshape(batch * n**axis, n, -1))
        return u.view(batch, -1, channels)

    def synthesise(self, coefficients: Tensor, onto: Tensor) -> Tensor:
        """Add the fields of coefficients (batch, those of all axes, channels), in place."""
        batch, n, channels = len(onto), onto.shape[1], onto.shape[-1]
        u = coefficients
        for axis, matrix in self._by_axis(self.synthesis)[:0:-1]:
            u = _product(matrix, u.reshape(batch * n**axis, matrix.shape[1], -1))
        matrix, lines = self.synthesis[0], onto.view(-1, n, channels)
        u = u.reshape(len(lines), -1, channels)
        lines.baddbmm_(matrix.expand(len(lines), -1, -1), u)
        return onto

    def adjoint(self) -> "Transform":
        """What is to gradients the other way round."""
        transposed = ([matrix.T for matrix in side] for side in (self.synthesis, self.analysis))
        return Transform(*map(tuple, transposed))

    def _by_axis(self, matrices: tuple[Tensor, ...]) -> list[tuple[int, Tensor]]:
        return list(zip(range(len(matrices) - 1, -1, -1), matrices, strict=True))


def _product(matrix: Tensor, lines: Tensor) -> Tensor:
    """The matrix times each of the lines (lines, nodes, columns)."""
    return torch.bmm(matrix.expand(len(lines), -1, -1), lines)


class SpectralConvolution(nn.Module, ABC):
    """Mixing of channels mode by mode, for the lowest modes of a basis in one or two dimensions."""

    def __init__(self, modes: int, dimension: int, weight: Tensor) -> None:
        super().__init__()
        self.modes, self.dimension = modes, dimension
        self.weight = nn.Parameter(weight)

    @abstractmethod
    def transform(self, n: int, like: Tensor) -> Transform:
        """To the coefficients that are mixed and back, on n nodes per axis."""

    @abstractmethod
    def mix(self, coefficients: Tensor) -> Tensor:
        """Coefficients (batch, those of all axes, width) → the same."""

    def forward(self, u: Tensor) -> Tensor:
        """(batch, *grid, width) → the same."""
        transform = self.transform(u.shape[1], u)
        return transform.synthesise(self.mix(transform.analyse(u)), torch.zeros_like(u))


class CosineConvolution(SpectralConvolution):
    """Mixing of the cosine modes k_i < modes; for homogeneous Neumann data.

    ``weight`` has shape (modes**dimension, width, width).
    """

    def __init__(self, width: int, modes: int, dimension: int = 2) -> None:
        weight = torch.randn(modes**dimension, width, width) / math.sqrt(width)
        super().__init__(modes, dimension, weight)

    def transform(self, n: int, like: Tensor) -> Transform:
        """To cosine coefficients and back, on n nodes per axis."""
        modes = check_modes(self.modes, n, n)
        values = cosine_matrix(n, modes, like.dtype, like.device)
        return Transform((values / n,) * self.dimension, (values.T,) * self.dimension)

    def mix(self, coefficients: Tensor) -> Tensor:
        """Each mode's channels times its matrix."""
        return torch.bmm(coefficients.transpose(0, 1), self.weight).transpose(0, 1)


class FourierConvolution(SpectralConvolution):
    """Mixing of the Fourier modes |k_i| < modes, 0 <= k_d < modes (Li et al., arXiv 2010.08895).

    ``weight`` (mode, width, 2·width) holds the real parts of the modes' complex matrices beside the
    imaginary parts. In two dimensions k_1 is 0, 1, … then −1, −2, …, each with k_2 = 0, 1, ….
    """

    def __init__(self, width: int, modes: int, dimension: int = 2) -> None:
        kept = modes * (2 * modes - 1) ** (dimension - 1)
        weight = torch.randn(kept, width, 2 * width) / math.sqrt(2 * width)
        super().__init__(modes, dimension, weight)

    def transform(self, n: int, like: Tensor) -> Transform:
        """To coefficients that are complex on the last axis and of cosines and sines on the other.

        Of the last axis come the real parts for all modes, then the imaginary parts; of the other
        the coefficients of all cosines, then of all sines.
        """
        modes = check_modes(self.modes, n, (n - 1) // 2 + 1)
        return _fourier_transform(n, modes, self.dimension, like.dtype, like.device)

    def mix(self, coefficients: Tensor) -> Tensor:
        """Each mode's channels times its complex matrix."""
        return _ComplexMixing.apply(coefficients, self.weight, self.modes, self.dimension)


class _ComplexMixing(torch.autograd.Function):
    """Between the coefficients of a transform, with what a step needs to be differentiated."""

    @staticmethod
    def forward(ctx: Any, c: Tensor, weight: Tensor, modes: int, dimension: int) -> Tensor:
        ctx.shape = (modes, dimension)
        c = _waves(c, *ctx.shape)
        ctx.save_for_backward(c, weight)
        products = torch.bmm(_by_mode(c), weight)
        products = products.view(len(weight), len(c), 2, 2, -1).transpose(0, 1)
        mixed = torch.empty_like(c)
        torch.sub(products[:, :, 0, 0], products[:, :, 1, 1], out=mixed[:, 0])
        torch.add(products[:, :, 0, 1], products[:, :, 1, 0], out=mixed[:, 1])
        return _cosines_and_sines(mixed, *ctx.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None, None]:
        c, weight = ctx.saved_tensors
        g = _waves(g, *ctx.shape)
        g_products = c.new_empty(len(weight), len(c), 2, 2, c.shape[-1])
        real, imaginary = g.transpose(1, 2).transpose(0, 1).unbind(2)
        g_products[:, :, 0, 0], g_products[:, :, 0, 1] = real, imaginary
        g_products[:, :, 1, 0] = imaginary
        torch.neg(real, out=g_products[:, :, 1, 1])
        g_products = g_products.view(len(weight), 2 * len(c), -1)
        g_weight = torch.bmm(_by_mode(c).mT, g_products)
        g_c = torch.bmm(g_products, weight.mT).view(len(weight), len(c), 2, -1).permute(1, 2, 0, 3)
        return _cosines_and_sines(g_c, *ctx.shape), g_weight, None, None


def _by_mode(c: Tensor) -> Tensor:
    """(batch, part, mode, width) → (mode, batch and part, width)."""
    return c.flatten(0, 1).transpose(0, 1)


def _waves(c: Tensor, modes: int, dimension: int) -> Tensor:
    """Complex coefficients (batch, part, mode, width), part real or imaginary.

    In two dimensions û_{±k} = P_k ∓ i Q_k of e^{±2πiky} from those of cosines, P, and sines, Q.
    """
    batch, width = len(c), c.shape[-1]
    if dimension == 1:
        return c.reshape(batch, 2, modes, width)
    cosine, sine = c.reshape(batch, 2, modes, 2, modes, width).unbind(1)
    (p_real, p_imaginary), (q_real, q_imaginary) = cosine.unbind(2), sine.unbind(2)
    result = c.new_empty(batch, 2, 2 * modes - 1, modes, width)
    plus, minus = result[:, :, :modes].unbind(1), result[:, :, modes:].unbind(1)
    torch.add(p_real, q_imaginary, out=plus[0])
    torch.sub(p_imaginary, q_real, out=plus[1])
    torch.sub(p_real[:, 1:], q_imaginary[:, 1:], out=minus[0])
    torch.add(p_imaginary[:, 1:], q_real[:, 1:], out=minus[1])
    return result.view(batch, 2, -1, width)


def _cosines_and_sines(c: Tensor, modes: int, dimension: int) -> Tensor:
    """The adjoint, P_k = û_k + û_{−k} and Q_k = i(û_k − û_{−k}), which is also the way back."""
    batch, width = len(c), c.shape[-1]
    if dimension == 1:
        return c.flatten(1, 2)
    c = c.reshape(batch, 2, 2 * modes - 1, modes, width)
    plus, minus = c[:, :, 1:modes].unbind(1), c[:, :, modes:].unbind(1)
    result = c.new_empty(batch, 2, modes, 2, modes, width)
    cosine, sine = result[:, 0, 1:].unbind(2), result[:, 1, 1:].unbind(2)
    for part in (0, 1):
        torch.add(plus[part], minus[part], out=cosine[part])
    torch.sub(minus[1], plus[1], out=sine[0])
    torch.sub(plus[0], minus[0], out=sine[1])
    result[:, 0, 0] = c[:, :, 0]
    result[:, 1, 0, 0] = -c[:, 1, 0]
    result[:, 1, 0, 1] = c[:, 0, 0]
    return result.view(batch, -1, width)


def check_modes(modes: int, n: int, resolved: int) -> int:
    """Refuse grids that do not resolve a layer's modes."""
    if modes > resolved:
        raise ValueError(
            f"a spectral layer with {modes} modes needs a finer grid than {n} nodes, which resolve "
            f"{resolved}; use modes <= {resolved} or a higher coarsest resolution"
        )
    return modes


@lru_cache(maxsize=64)
def _fourier_transform(
    n: int, modes: int, dimension: int, dtype: torch.dtype, device: torch.device
) -> Transform:
    phase = 2 * math.pi / n * (torch.outer(torch.arange(modes), torch.arange(n)) % n).double()
    last = torch.cat([phase.cos(), -phase.sin()])
    other = torch.cat([phase.cos(), phase.sin()])
    # Modes k > 0 of a real field count with their conjugates, which are not stored.
    count = torch.full((modes,), 2.0, dtype=torch.float64)
    count[0] = 1
    analysis = [last / n] + [other / n] * (dimension - 1)
    synthesis = [last.T * count.repeat(2)] + [other.T] * (dimension - 1)
    return Transform(
        *(tuple(matrix.to(device, dtype) for matrix in side) for side in (analysis, synthesis))
    )


CONVOLUTIONS = {"fourier": FourierConvolution, "cosine": CosineConvolution}
