"""Orthonormal bases of L² on the unit box, and the grids that go with them.

A field is a real function on the box [0, 1]^d sampled on n nodes per axis; arrays hold function
values, shape (..., n, …, n) with d trailing grid axes. The inner product is the mean over nodes.
``forward`` takes a field to its coefficients; modes are addressed by arrays of the coefficients'
shape, such as ``omega_squared(n)``, so that any diagonal operator is
``basis.inverse(symbol * basis.forward(u), n)``.

Only the modes that a grid resolves exist on it: k_i < n for the cosine and sine bases, |k_i| < n/2
for the Fourier basis. Grid functions beyond them, the Fourier Nyquist modes (even n) and the sine
modes k_i = n, are set to zero. With this, the spaces V_n are nested, ``restrict`` is the orthogonal
projection onto the coarser space and ``prolong`` its adjoint.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fsdiff.spaces.modes import apply_along, conjugate_pairs, cosine_matrix, ring_order, sine_matrix

Dimension = Literal[1, 2, 3]
Nodes = Annotated[int, Field(ge=1, le=2**14)]
"""Number of nodes per axis; a field on more of them would not fit into memory with its network."""


@dataclass(frozen=True)
class Basis(ABC):
    """A basis of eigenfunctions of the Laplacian on [0, 1]^dimension.

    ``periodic`` says whether opposite faces are identified, ``constants`` whether the constant
    functions belong to the space.
    """

    periodic: ClassVar[bool] = False
    constants: ClassVar[bool] = True

    dimension: Dimension = 2

    def grid(self, n: int) -> tuple[int, ...]:
        """Nodes along each axis at level ``n``, the shape of a field there."""
        return (n,) * self.dimension

    def size(self, n: int) -> int:
        """How many nodes the grid of level ``n`` has."""
        return prod(self.grid(n))

    def resolution(self, u: Tensor) -> int:
        """The level whose grid a field (..., *grid) lives on."""
        return u.shape[-1]

    @abstractmethod
    def nodes(self, n: int) -> np.ndarray:
        """Node coordinates along one axis, shape (n,), in [0, 1]."""

    @abstractmethod
    def forward(self, u: Tensor) -> Tensor:
        """Coefficients of fields ``u`` (..., *grid); their norm is that of the function."""

    @abstractmethod
    def inverse(self, coefficients: Tensor, n: int) -> Tensor:
        """Field values (..., *grid) on n nodes per axis; the inverse of ``forward``."""

    @abstractmethod
    def coefficient_shape(self, n: int) -> tuple[int, ...]:
        """Shape of the coefficients' trailing axes on n nodes."""

    @abstractmethod
    def axis_modes(self, n: int) -> tuple[np.ndarray, ...]:
        """For each axis, the signed integer wavenumbers along the coefficients' axis."""

    @abstractmethod
    def multiplicity(self, n: int) -> Tensor:
        """How many real basis functions a stored coefficient stands for: 0, 1 or 2.

        ``(multiplicity * |û|²).sum()`` is ‖u‖²; 0 marks modes that the grid does not resolve.
        """

    @abstractmethod
    def resample(self, u: Tensor, n: int) -> Tensor:
        """The function ``u`` on n nodes: truncated where n is coarser, exact where it is finer."""

    @abstractmethod
    def white_noise(self, normals: np.ndarray, n: int) -> Tensor:
        """Coefficients of white noise from independent normals.

        ``normals`` has shape (..., n**d) (or more; the first are used). Normals are spent ring by
        ring, |k|_∞ = 0, 1, 2, …, so the coefficients on a coarse grid are those of the fine one.
        """

    @abstractmethod
    def angular_frequency(self) -> float:
        """|ω| of the mode k = 1: 2π for the Fourier basis, π for the others."""

    def restrict(self, u: Tensor, m: int) -> Tensor:
        """Orthogonal projection onto the functions that m nodes resolve, on those nodes."""
        if m > u.shape[-1]:
            raise ValueError(f"restrict goes to coarser grids: {u.shape[-1]} -> {m} nodes")
        return self.resample(u, m)

    def prolong(self, u: Tensor, n: int) -> Tensor:
        """The same function on a finer grid of n nodes."""
        if n < u.shape[-1]:
            raise ValueError(f"prolong goes to finer grids: {u.shape[-1]} -> {n} nodes")
        return self.resample(u, n)

    def multiply(self, u: Tensor, symbol: Tensor) -> Tensor:
        """Apply the operator that is diagonal with the given symbol, an array over modes."""
        return self.inverse(symbol * self.forward(u), u.shape[-1])

    def energy(self, u: Tensor) -> Tensor:
        """Mean square of each mode's contribution to u, shape (..., *coefficients)."""
        coefficients = self.forward(u)
        return self.multiplicity(u.shape[-1]).to(u) * coefficients.abs().square()

    def omega_squared(self, n: int) -> Tensor:
        """|ω_k|², the eigenvalues of −Δ on the unit box, float64."""
        return self.angular_frequency() ** 2 * self.wavenumber(n) ** 2

    def five_point_symbol(self, n: int) -> Tensor:
        """Eigenvalues of the second-order stencil of −Δ (five points in 2-D) on n nodes, float64.

        4n² Σ_i sin²(|ω_{k_i}| / 2n), exact for the grid functions of every basis.
        """
        modes = np.meshgrid(*self.axis_modes(n), indexing="ij", sparse=True)
        half = self.angular_frequency() / (2 * n)
        return torch.from_numpy(4.0 * n**2 * sum(np.sin(half * k) ** 2 for k in modes))

    def wavenumber(self, n: int) -> Tensor:
        """|k|, the Euclidean length of the integer wavenumber, float64."""
        modes = np.meshgrid(*self.axis_modes(n), indexing="ij", sparse=True)
        return torch.from_numpy(np.sqrt(sum(k.astype(float) ** 2 for k in modes)))

    def resolved(self, n: int) -> Tensor:
        """True where n nodes resolve the mode."""
        return self.multiplicity(n) > 0

    def grid_axes(self) -> tuple[int, ...]:
        """The trailing axes that are space."""
        return tuple(range(-self.dimension, 0))


@dataclass(frozen=True)
class _CellCentred(Basis):
    """Real functions on a box with walls, products of one per axis, on cell centres."""

    @abstractmethod
    def functions(self, nodes: int, modes: int, like: Tensor) -> Tensor:
        """Values of the first ``modes`` functions of an axis on ``nodes`` nodes, (modes, nodes).

        Orthonormal where the nodes resolve them, zero where not.
        """

    @abstractmethod
    def resolved_modes(self, n: int) -> int:
        """How many of the functions of an axis n nodes resolve."""

    def angular_frequency(self) -> float:
        """|ω| of the mode k = 1."""
        return float(np.pi)

    def nodes(self, n: int) -> np.ndarray:
        """Cell centres."""
        return (np.arange(n) + 0.5) / n

    def coefficient_shape(self, n: int) -> tuple[int, ...]:
        """Shape of the coefficients' trailing axes on n nodes."""
        return (n,) * self.dimension

    def multiplicity(self, n: int) -> Tensor:
        """One real function per coefficient that n nodes resolve."""
        resolved = torch.zeros(self.coefficient_shape(n), dtype=torch.float64)
        resolved[(slice(self.resolved_modes(n)),) * self.dimension] = 1
        return resolved

    def forward(self, u: Tensor) -> Tensor:
        """Orthonormal coefficients, real, (..., k_1, …, k_d)."""
        n = u.shape[-1]
        return apply_along(u, self.functions(n, n, u) / n, self.dimension)

    def inverse(self, coefficients: Tensor, n: int) -> Tensor:
        """Evaluate the series on n cell centres, n at least the number of coefficients per axis."""
        modes = coefficients.shape[-1]
        if modes > n:
            raise ValueError(f"{n} nodes resolve {n} {self.kind} modes, not {modes}")
        matrix = self.functions(n, modes, coefficients)
        return apply_along(coefficients, matrix.T, self.dimension)

    def resample(self, u: Tensor, n: int) -> Tensor:
        """Keep the modes that both grids resolve and evaluate them on n cell centres."""
        m = u.shape[-1]
        modes = min(m, n)
        analysis, synthesis = self.functions(m, modes, u) / m, self.functions(n, modes, u)
        return apply_along(u, synthesis.T @ analysis, self.dimension)

    def white_noise(self, normals: np.ndarray, n: int) -> Tensor:
        """One normal per function that n nodes resolve, spent ring by ring."""
        modes, lead = self.resolved_modes(n), normals.shape[:-1]
        count = modes**self.dimension
        resolved = np.empty((*lead, count))
        resolved[..., ring_order(modes, self.dimension)] = normals[..., :count]
        coefficients = np.zeros((*lead, *self.coefficient_shape(n)))
        places = (..., *(slice(modes),) * self.dimension)
        coefficients[places] = resolved.reshape(*lead, *(modes,) * self.dimension)
        return torch.from_numpy(coefficients)


@dataclass(frozen=True)
class CosineBasis(_CellCentred):
    """Homogeneous Neumann conditions, cell centres x_j = (j + ½)/n.

    e_0 = 1, e_k = √2 cos(πkx) on each axis, |ω_k|² = π²|k|²; the transform is a DCT-II.
    """

    kind: Literal["cosine"] = "cosine"

    def functions(self, nodes: int, modes: int, like: Tensor) -> Tensor:
        """Values e_k(x_j), k = 0 … modes − 1."""
        return cosine_matrix(nodes, modes, like.dtype, like.device)

    def resolved_modes(self, n: int) -> int:
        """0 … n − 1."""
        return n

    def axis_modes(self, n: int) -> tuple[np.ndarray, ...]:
        """0 … n−1 on every axis."""
        return (np.arange(n),) * self.dimension

    def resample(self, u: Tensor, n: int) -> Tensor:
        """Keep the modes k_i < n and evaluate them on n cell centres."""
        return u if n == u.shape[-1] else super().resample(u, n)


@dataclass(frozen=True)
class SineBasis(_CellCentred):
    """Homogeneous Dirichlet conditions, cell centres x_j = (j + ½)/n.

    e_k = √2 sin(πkx), k = 1 … n, on each axis, |ω_k|² = π²|k|²; the transform is a DST-II. On its
    own grid the last function, √2 (−1)^j, has mean square 2 instead of 1: like a Nyquist mode of
    the Fourier basis it counts as not resolved, and coefficients with k_i = n are zero. Constants
    are no part of the space.
    """

    constants: ClassVar[bool] = False

    kind: Literal["sine"] = "sine"

    def functions(self, nodes: int, modes: int, like: Tensor) -> Tensor:
        """Values e_k(x_j), k = 1 … modes; zero for k >= nodes."""
        return sine_matrix(nodes, modes, like.dtype, like.device)

    def resolved_modes(self, n: int) -> int:
        """1 … n − 1."""
        return n - 1

    def axis_modes(self, n: int) -> tuple[np.ndarray, ...]:
        """1 … n on every axis."""
        return (np.arange(1, n + 1),) * self.dimension


@dataclass(frozen=True)
class FourierBasis(Basis):
    """Periodic functions, nodes x_j = j/n; û_k = FFT(u)_k / n^d, |ω_k|² = (2π)²|k|².

    Coefficients are stored as ``rfftn`` lays them out: the last axis holds k ≥ 0 only.
    """

    periodic: ClassVar[bool] = True

    kind: Literal["fourier"] = "fourier"

    def angular_frequency(self) -> float:
        """|ω| of the mode k = 1."""
        return float(2 * np.pi)

    def nodes(self, n: int) -> np.ndarray:
        """Left points of n equal intervals."""
        return np.arange(n) / n

    def coefficient_shape(self, n: int) -> tuple[int, ...]:
        """Shape of the coefficients' trailing axes on n nodes."""
        return (n,) * (self.dimension - 1) + (n // 2 + 1,)

    def axis_modes(self, n: int) -> tuple[np.ndarray, ...]:
        """Signed wavenumbers; k ≥ 0 on the last axis."""
        signed = np.fft.fftfreq(n, 1 / n).round().astype(int)
        return (signed,) * (self.dimension - 1) + (np.arange(n // 2 + 1),)

    def multiplicity(self, n: int) -> Tensor:
        """2 where the conjugate is not stored, 1 on k_d = 0, 0 on Nyquist modes."""
        modes = np.meshgrid(*self.axis_modes(n), indexing="ij", sparse=True)
        count = np.where(modes[-1] > 0, 2.0, 1.0) * np.ones(self.coefficient_shape(n))
        for k in modes:
            count = np.where(2 * np.abs(k) < n, count, 0.0)
        return torch.from_numpy(count)

    def forward(self, u: Tensor) -> Tensor:
        """Complex coefficients of the resolved modes; Nyquist modes are zero."""
        n = u.shape[-1]
        coefficients = torch.fft.rfftn(u, dim=self.grid_axes(), norm="forward")
        if n % 2 == 0:
            for axis in self.grid_axes():
                coefficients.select(axis, n // 2).zero_()
        return coefficients

    def inverse(self, coefficients: Tensor, n: int) -> Tensor:
        """Evaluate the series stored for n nodes on those nodes."""
        if coefficients.shape[-self.dimension :] != self.coefficient_shape(n):
            shape = tuple(coefficients.shape[-self.dimension :])
            raise ValueError(f"coefficients of shape {shape} do not belong to {n} nodes")
        axes = self.grid_axes()
        return torch.fft.irfftn(coefficients, s=(n,) * self.dimension, dim=axes, norm="forward")

    def resample(self, u: Tensor, n: int) -> Tensor:
        """Keep the modes |k_i| < min(m, n)/2 and evaluate them on n nodes."""
        m = u.shape[-1]
        coefficients = self.forward(u)
        kept = (min(m, n) - 1) // 2
        for axis in self.grid_axes()[:-1]:
            positive = coefficients.narrow(axis, 0, kept + 1)
            negative = coefficients.narrow(axis, m - kept, kept)
            gap = list(coefficients.shape)
            gap[axis] = n - 2 * kept - 1
            coefficients = torch.cat([positive, coefficients.new_zeros(gap), negative], axis)
        coefficients = coefficients[..., : kept + 1]
        padding = (0, n // 2 - kept)
        return self.inverse(torch.nn.functional.pad(coefficients, padding), n)

    def white_noise(self, normals: np.ndarray, n: int) -> Tensor:
        """(a − ib)/√2 for each conjugate pair of modes, one real normal for k = 0."""
        shape, lead = self.coefficient_shape(n), normals.shape[:-1]
        own, mirror = conjugate_pairs(n, self.dimension)
        flat = np.zeros((*lead, int(np.prod(shape))), dtype=complex)
        flat[..., 0] = normals[..., 0]
        pairs = normals[..., 1 : 1 + 2 * len(own)].reshape(*lead, len(own), 2)
        values = (pairs[..., 0] - 1j * pairs[..., 1]) / np.sqrt(2)
        flat[..., own] = values
        stored = mirror >= 0
        flat[..., mirror[stored]] = values[..., stored].conj()
        return torch.from_numpy(flat.reshape(*lead, *shape))
