"""Gaussian priors as Markov chains need them: draws, and the covariance applied to gradients."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import torch
from torch import Tensor

from fsdiff.spaces.basis import Basis
from fsdiff.spaces.leading import inner_products, leading_by_variance
from fsdiff.spaces.modes import apply_along
from fsdiff.spaces.spectrum import MeasuredSpectrum
from fsdiff.spaces.trigonometric import TrigonometricBasis

LEADING, PARAMETERS = 20, 256
"""Coefficients of a field, and parameters of a vector, that convergence is judged by at most."""


class Law(Protocol):
    """Anything that has eigenvalues in a basis, such as the measures of ``fsdiff.measures``."""

    def eigenvalues(self, basis: Basis, n: int) -> Tensor:
        """λ_k over the coefficients at level n, (*coefficients) or (channel, *coefficients)."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """The law with the second moments of data, a mode for each coefficient."""

    measured: MeasuredSpectrum

    def eigenvalues(self, basis: Basis, n: int) -> Tensor:
        """c_k, (channel, *coefficients)."""
        return self.measured.spectrum(n)


class Prior(ABC):
    """N(mean, C) on fields of one shape, all in float64.

    Chains work with deviations q = u − mean, whose law is N(0, C).
    """

    shape: tuple[int, ...]
    """(channels, *grid)."""

    mean: Tensor
    """Like a field, or a number."""

    @property
    @abstractmethod
    def normals(self) -> int:
        """How many N(0, 1) numbers a draw takes."""

    @abstractmethod
    def draw(self, normals: Tensor) -> Tensor:
        """Deviations (..., *shape) from independent N(0, 1) numbers (..., normals)."""

    @abstractmethod
    def covariance(self, gradient: Tensor) -> Tensor:
        """C applied to gradients in the inner product, the mean over nodes, (batch, *shape)."""

    @abstractmethod
    def energy(self, deviation: Tensor) -> Tensor:
        """|q|²_C = ⟨q, C⁻¹ q⟩ of (batch, *shape) in the range of C, (batch,)."""

    @abstractmethod
    def leading(self, fields: Tensor) -> Tensor:
        """Coefficients of fields (..., *shape) that have most variance, (..., count)."""

    @property
    @abstractmethod
    def variance(self) -> Tensor:
        """The variance at each node, (*shape)."""


@dataclass(frozen=True, eq=False)
class GaussianField(Prior):
    """N(``mean``, C) with C diagonal in a basis at level ``n``; channels are independent.

    ``law`` has the eigenvalues: any measure of ``fsdiff.measures``. ``mean`` is a number or a field
    (channels, *grid).
    """

    basis: Basis
    law: Law
    n: int
    channels: int = 1
    mean: Tensor | float = 0.0  # type: ignore[assignment]

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """(channels, *grid)."""
        return (self.channels, *self.basis.grid(self.n))

    @property
    def normals(self) -> int:
        """One for each node and channel."""
        return self.channels * self.basis.size(self.n)

    @cached_property
    def spectrum(self) -> Tensor:
        """λ_k, (channel, *coefficients)."""
        channels = range(self.channels)
        return torch.stack([self._eigenvalues(self.n, channel) for channel in channels])

    def _eigenvalues(self, n: int, channel: int) -> Tensor:
        values = self.law.eigenvalues(self.basis, n).double()
        return values[channel] if values.ndim > self.basis.dimension else values

    def draw(self, normals: Tensor) -> Tensor:
        """Σ_k √λ_k ξ_k e_k."""
        by_channel = normals.unflatten(-1, (self.channels, -1))
        white = self.basis.white_noise(by_channel.numpy(), self.n)
        return self.basis.inverse(white * self.spectrum.sqrt(), self.n)

    def covariance(self, gradient: Tensor) -> Tensor:
        """Σ_k λ_k ⟨g, e_k⟩ e_k."""
        return self.basis.multiply(gradient, self.spectrum)

    def energy(self, deviation: Tensor) -> Tensor:
        """Σ_k q_k²/λ_k over modes that the law has."""
        weight = self.basis.multiplicity(self.n) * torch.where(
            self.spectrum > 0, self.spectrum.reciprocal(), 0.0
        )
        return (weight * self.basis.forward(deviation).abs().square()).flatten(1).sum(1)

    def leading(self, fields: Tensor) -> Tensor:
        """Coefficients of the modes with the largest λ_k, shared between channels."""
        channel_axis = -1 - self.basis.dimension
        found = [
            inner_products(fields.select(channel_axis, channel), functions)
            for channel, functions in enumerate(self._leading)
        ]
        return torch.cat(found, -1)

    @cached_property
    def variance(self) -> Tensor:
        """Σ_k λ_k e_k(x)²."""
        return pointwise_variance(self.basis, self.n, self.spectrum)

    @cached_property
    def _leading(self) -> list[Tensor]:
        """For each channel, the functions of the modes that it has most of."""
        each = -(-LEADING // self.channels)
        laws = [partial(self._eigenvalues, channel=channel) for channel in range(self.channels)]
        pairs = zip(self.basis.by_channel(self.channels), laws, strict=True)
        return [leading_by_variance(basis, self.n, own, each) for basis, own in pairs]


@dataclass(frozen=True, eq=False)
class IndependentNormals(Prior):
    """Independent N(``mean``, ``deviation``²) at the nodes of ``shape``: a vector of parameters."""

    shape: tuple[int, ...]
    mean: Tensor | float = 0.0  # type: ignore[assignment]
    deviation: float = 1.0

    @property
    def normals(self) -> int:
        """One for each parameter."""
        return torch.Size(self.shape).numel()

    def draw(self, normals: Tensor) -> Tensor:
        """Scaled normals."""
        return self.deviation * normals.unflatten(-1, self.shape)

    def covariance(self, gradient: Tensor) -> Tensor:
        """The variance times the derivatives with respect to node values."""
        return self.deviation**2 / torch.Size(self.shape[1:]).numel() * gradient

    def energy(self, deviation: Tensor) -> Tensor:
        """Σ (q/σ)²."""
        return (deviation / self.deviation).square().flatten(1).sum(1)

    def leading(self, fields: Tensor) -> Tensor:
        """The parameters themselves, as all are alike to the prior."""
        return fields.flatten(-len(self.shape))[..., :PARAMETERS]

    @property
    def variance(self) -> Tensor:
        """The same for all."""
        return torch.full(self.shape, self.deviation**2, dtype=torch.float64)


def pointwise_variance(basis: Basis, n: int, spectrum: Tensor) -> Tensor:
    """Σ_k λ_k e_k(x)² on the nodes of level n, (channel, *grid), from λ (channel, *coefficients).

    Squares of products are products of squares, and |e_k|² = 1 along periodic axes; other bases
    apply the covariance to the nodes one by one.
    """
    if not isinstance(basis, TrigonometricBasis):
        return _variance_node_by_node(basis, n, spectrum)
    energy = basis.multiplicity(n) * spectrum
    squares: list[Tensor | None] = []
    for number, (axis, nodes) in enumerate(zip(basis.axes, basis.grid(n), strict=True)):
        if axis.periodic:
            energy = energy.sum(number - basis.dimension, keepdim=True)
        squares.append(None if axis.periodic else axis.functions(nodes, nodes, energy).T.square())
    return apply_along(energy, squares).expand(-1, *basis.grid(n)).clone()


def _variance_node_by_node(basis: Basis, n: int, spectrum: Tensor) -> Tensor:
    size, channels = basis.size(n), len(spectrum)
    nodes = torch.eye(size, dtype=torch.float64).view(size, 1, *basis.grid(n))
    found = []
    for block in nodes.split(max(1, 2**22 // size)):
        columns = basis.multiply(size * block.expand(-1, channels, *block.shape[2:]), spectrum)
        found.append((columns * block).flatten(2).sum(2))
    return torch.cat(found).T.reshape(channels, *basis.grid(n))
