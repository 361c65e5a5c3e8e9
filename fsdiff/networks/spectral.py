"""Spectral convolutions on channels-last fields, by truncated transforms.

With K of n modes kept per axis, a transform is one thin matrix product per axis; no full FFT is
needed. Matrices hold the values of functions of the domain, so a layer is the same operator on
every grid. All arithmetic is real: a complex number is a pair of real ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fsdiff.networks.axes import AxisBasis, resolved_modes
from fsdiff.spaces.modes import cosine_matrix


class Transform(NamedTuple):
    """A truncated transform of channels-last fields on one grid, one matrix per axis, last first.

    ``analysis`` (coefficients, nodes) takes values to coefficients, ``synthesis`` back.
    """

    analysis: tuple[Tensor, ...]
    synthesis: tuple[Tensor, ...]

    def analyse(self, u: Tensor) -> Tensor:
        """Coefficients (batch, those of all axes, channels) of fields (batch, *grid, channels)."""
        batch, *grid, channels = u.shape
        for axis, matrix in self._by_axis(self.analysis):
            u = _product(matrix, u.reshape(batch * math.prod(grid[:axis]), grid[axis], -1))
        return u.view(batch, -1, channels)

    def synthesise(self, coefficients: Tensor, onto: Tensor) -> Tensor:
        """Add the fields of coefficients (batch, those of all axes, channels), in place."""
        batch, *grid, channels = onto.shape
        u = coefficients
        for axis, matrix in self._by_axis(self.synthesis)[:0:-1]:
            count = batch * math.prod(grid[:axis])
            u = _product(matrix, u.reshape(count, matrix.shape[1], -1))
        matrix, lines = self.synthesis[0], onto.view(-1, grid[-1], channels)
        u = u.reshape(len(lines), -1, channels)
        lines.baddbmm_(matrix.expand(len(lines), -1, -1), u)
        return onto

    def field(self, coefficients: Tensor, grid: Sequence[int]) -> Tensor:
        """The fields (batch, *grid, channels) of coefficients, of a transform on such a grid."""
        batch, _, channels = coefficients.shape
        return self.synthesise(coefficients, coefficients.new_zeros(batch, *grid, channels))

    def adjoint(self) -> "Transform":
        """What is to gradients the other way round."""
        transposed = ([matrix.T for matrix in side] for side in (self.synthesis, self.analysis))
        return Transform(*map(tuple, transposed))

    def _by_axis(self, matrices: tuple[Tensor, ...]) -> list[tuple[int, Tensor]]:
        return list(zip(range(len(matrices) - 1, -1, -1), matrices, strict=True))


def _product(matrix: Tensor, lines: Tensor) -> Tensor:
    """The matrix times each of the lines (lines, nodes, columns)."""
    return torch.bmm(matrix.expand(len(lines), -1, -1), lines)


@dataclass(frozen=True)
class Modes:
    """The modes of a layer: a basis for each axis, and how many are kept, k = 0, 1, …, along it.

    Of Fourier modes k and −k are kept, k = 0 once; of the last Fourier axis k ≥ 0 only, since the
    fields are real. Coefficients of cosine axes are real numbers. Those of the last Fourier axis
    are complex, first all real parts, then all imaginary parts; those of other Fourier axes belong
    to cosines and sines, first all cosines, then all sines.
    """

    bases: tuple[AxisBasis, ...]
    counts: tuple[int, ...]

    @property
    def complex_axis(self) -> int | None:
        """The last Fourier axis."""
        found = [axis for axis, basis in enumerate(self.bases) if basis == "fourier"]
        return found[-1] if found else None

    @property
    def signed_axes(self) -> list[int]:
        """The other Fourier axes, with modes of both signs."""
        return [i for i, basis in enumerate(self.bases[: self.complex_axis]) if basis == "fourier"]

    @property
    def kept(self) -> tuple[int, ...]:
        """How many modes are mixed along each axis."""
        signed = self.signed_axes
        return tuple(2 * k - 1 if i in signed else k for i, k in enumerate(self.counts))

    def transform(self, grid: Sequence[int], like: Tensor) -> Transform:
        """To these modes' coefficients and back, on a grid.

        Raises ValueError where the grid does not resolve them.
        """
        for basis, count, nodes in zip(self.bases, self.counts, grid, strict=True):
            check_modes(count, nodes, resolved_modes(basis, nodes))
        return _transform(self, tuple(grid), like.dtype, like.device)


class SpectralConvolution(nn.Module):
    """Mixing of channels mode by mode (Li et al., arXiv 2010.08895), for some modes of a box.

    Where there are Fourier axes, ``weight`` (mode, width, 2·width) holds the real parts of the
    modes' complex matrices beside the imaginary parts; else it is (mode, width, width). Along
    Fourier axes but the last, k is 0, 1, … then −1, −2, ….
    """

    def __init__(self, width: int, modes: Modes) -> None:
        super().__init__()
        self.modes = modes
        columns = width if modes.complex_axis is None else 2 * width
        weight = torch.randn(math.prod(modes.kept), width, columns)
        self.weight = nn.Parameter(weight.div_(math.sqrt(columns)))

    def mix(self, coefficients: Tensor) -> Tensor:
        """Coefficients (batch, those of all axes, width), each mode's times its matrix."""
        if self.modes.complex_axis is None:
            return torch.bmm(coefficients.transpose(0, 1), self.weight).transpose(0, 1)
        return _ComplexMixing.apply(coefficients, self.weight, self.modes)

    def forward(self, u: Tensor) -> Tensor:
        """(batch, *grid, width) → the same."""
        transform = self.modes.transform(u.shape[1:-1], u)
        return transform.field(self.mix(transform.analyse(u)), u.shape[1:-1])


class _ComplexMixing(torch.autograd.Function):
    """Between the coefficients of a transform, with what a step needs to be differentiated."""

    @staticmethod
    def forward(ctx: Any, c: Tensor, weight: Tensor, modes: Modes) -> Tensor:
        ctx.modes = modes
        c = _waves(c, modes)
        ctx.save_for_backward(c, weight)
        products = torch.bmm(_by_mode(c), weight)
        products = products.view(len(weight), len(c), 2, 2, -1).transpose(0, 1)
        mixed = torch.empty_like(c)
        torch.sub(products[:, :, 0, 0], products[:, :, 1, 1], out=mixed[:, 0])
        torch.add(products[:, :, 0, 1], products[:, :, 1, 0], out=mixed[:, 1])
        return _cosines_and_sines(mixed, modes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
        c, weight = ctx.saved_tensors
        g = _waves(g, ctx.modes)
        g_products = c.new_empty(len(weight), len(c), 2, 2, c.shape[-1])
        real, imaginary = g.transpose(1, 2).transpose(0, 1).unbind(2)
        g_products[:, :, 0, 0], g_products[:, :, 0, 1] = real, imaginary
        g_products[:, :, 1, 0] = imaginary
        torch.neg(real, out=g_products[:, :, 1, 1])
        g_products = g_products.view(len(weight), 2 * len(c), -1)
        g_weight = torch.bmm(_by_mode(c).mT, g_products)
        g_c = torch.bmm(g_products, weight.mT).view(len(weight), len(c), 2, -1).permute(1, 2, 0, 3)
        return _cosines_and_sines(g_c, ctx.modes), g_weight, None


def _by_mode(c: Tensor) -> Tensor:
    """(batch, part, mode, width) → (mode, batch and part, width)."""
    return c.flatten(0, 1).transpose(0, 1)


def _waves(c: Tensor, modes: Modes) -> Tensor:
    """Complex coefficients (batch, part, mode, width), part real or imaginary, of signed modes."""
    sizes: list[int] = []
    at = 1
    for axis, (basis, count) in enumerate(zip(modes.bases, modes.counts, strict=True)):
        if axis == modes.complex_axis:
            at = 1 + len(sizes)
        sizes += [2, count] if basis == "fourier" else [count]
    waves = c.reshape(len(c), *sizes, c.shape[-1]).movedim(at, 1)
    for axis in modes.signed_axes:
        waves = _signed(waves, 2 + axis)
    return waves.reshape(len(c), 2, -1, c.shape[-1])


def _signed(c: Tensor, at: int) -> Tensor:
    """û_{±k} = P_k ∓ i Q_k of e^{±2πikx} from those of cosines, P, and sines, Q, along two axes.

    Fields (batch, part, …) with cosines or sines along axis ``at`` and k along the next; these
    become one of all k, then all −k.
    """
    cosine, sine = c.unbind(at)
    count = cosine.shape[at]
    result = c.new_empty(*cosine.shape[:at], 2 * count - 1, *cosine.shape[at + 1 :])
    (plus, plus_i), (minus, minus_i) = (
        half.unbind(1) for half in result.split((count, count - 1), at)
    )
    (p, p_i), (q, q_i) = cosine.unbind(1), sine.unbind(1)
    torch.add(p, q_i, out=plus)
    torch.sub(p_i, q, out=plus_i)
    p, p_i, q, q_i = (part.narrow(at - 1, 1, count - 1) for part in (p, p_i, q, q_i))
    torch.sub(p, q_i, out=minus)
    torch.add(p_i, q, out=minus_i)
    return result


def _cosines_and_sines(c: Tensor, modes: Modes) -> Tensor:
    """The adjoint of ``_waves``, which is also the way back."""
    assert modes.complex_axis is not None  # else coefficients are mixed as they are
    at = 1 + modes.complex_axis
    result = c.view(*c.shape[:2], *modes.kept, c.shape[-1])
    for axis in reversed(modes.signed_axes):
        at += 1
        result = _unsigned(result, 2 + axis, at)
    return result.movedim(1, at).reshape(len(c), -1, c.shape[-1])


def _unsigned(c: Tensor, at: int, parts_at: int) -> Tensor:
    """The adjoint, P_k = û_k + û_{−k} and Q_k = i(û_k − û_{−k}), of ``_signed``.

    In memory the parts, axis 1, are axis ``parts_at`` of the result, where they are wanted last.
    """
    count = (c.shape[at] + 1) // 2
    shape = [*c.shape[:at], 2, count, *c.shape[at + 1 :]]
    shape.insert(parts_at, shape.pop(1))
    result = c.new_empty(shape).movedim(parts_at, 1)
    cosine, sine = result.unbind(at)
    zero = c.select(at, 0)
    cosine.select(at, 0).copy_(zero)
    torch.neg(zero[:, 1], out=sine.select(at, 0)[:, 0])
    sine.select(at, 0)[:, 1].copy_(zero[:, 0])
    plus, minus = c.narrow(at, 1, count - 1), c.narrow(at, count, count - 1)
    cosine, sine = (half.narrow(at, 1, count - 1) for half in (cosine, sine))
    torch.add(plus, minus, out=cosine)
    torch.sub(minus[:, 1], plus[:, 1], out=sine[:, 0])
    torch.sub(plus[:, 0], minus[:, 0], out=sine[:, 1])
    return result


def check_modes(modes: int, n: int, resolved: int) -> int:
    """Refuse grids that do not resolve a layer's modes."""
    if modes > resolved:
        raise ValueError(
            f"a spectral layer with {modes} modes needs a finer grid than {n} nodes, which resolve "
            f"{resolved}; use modes <= {resolved} or a higher coarsest resolution"
        )
    return modes


@lru_cache(maxsize=128)
def _transform(
    modes: Modes, grid: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> Transform:
    analysis, synthesis = [], []
    for axis, (basis, count, n) in enumerate(zip(modes.bases, modes.counts, grid, strict=True)):
        if basis == "cosine":
            values = cosine_matrix(n, count, dtype, device)
            sides = values / n, values.T
        else:
            sides = _fourier_matrices(n, count, complex_axis=axis == modes.complex_axis)
        analysis.append(sides[0].to(device, dtype))
        synthesis.append(sides[1].to(device, dtype))
    return Transform(tuple(analysis[::-1]), tuple(synthesis[::-1]))


def _fourier_matrices(n: int, modes: int, *, complex_axis: bool) -> tuple[Tensor, Tensor]:
    """Analysis and synthesis along an axis, in double precision."""
    phase = 2 * math.pi / n * (torch.outer(torch.arange(modes), torch.arange(n)) % n).double()
    if not complex_axis:
        values = torch.cat([phase.cos(), phase.sin()])
        return values / n, values.T
    values = torch.cat([phase.cos(), -phase.sin()])
    # Modes k > 0 of a real field count with their conjugates, which are not stored.
    weights = torch.full((modes,), 2.0, dtype=torch.float64)
    weights[0] = 1
    return values / n, values.T * weights.repeat(2)
