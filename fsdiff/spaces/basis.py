"""What every basis of a function space has: its grids, modes, transforms and norms.

Arrays hold function values, shape (..., *grid) with one trailing axis for each axis of the domain.
A level is named by one number ``n``, the nodes along the longest axis that is refined; ``grid(n)``
is the shape of a field there. The inner product is the mean over nodes. ``forward`` takes a field
to its coefficients; modes are addressed by arrays of the coefficients' shape, such as
``omega_squared(n)``, so that any diagonal operator is
``basis.inverse(symbol * basis.forward(u), n)``.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from fsdiff.spaces.axes import Axis, AxisKind

Dimension = Literal[1, 2, 3]


class Shaped(Protocol):
    """A tensor, an array or anything else that has a shape."""

    @property
    def shape(self) -> Sequence[int]:
        """Its lengths."""


class Kernel(ABC):
    """A covariance function c(‖x − y‖), stationary and isotropic."""

    @abstractmethod
    def correlation(self, distance: Tensor) -> Tensor:
        """c at distances ≥ 0 in the unit of the sides of the box, with c(0) = 1."""

    @abstractmethod
    def spectral_density(self, omega_squared: Tensor, dimension: int) -> Tensor:
        """∫ c(‖h‖) exp(−iω·h) dh over ℝ^dimension, a function of |ω|²."""


class Basis(ABC):
    """An orthonormal basis of eigenfunctions of the Laplacian; a frozen dataclass with a ``kind``.

    ``axes`` are those of the domain, in the order of a field's trailing axes; ``dimension`` is how
    many there are.
    """

    kind: str

    if TYPE_CHECKING:  # subclasses have these as fields, where a property would be in the way

        @property
        @abstractmethod
        def axes(self) -> tuple[Axis, ...]:
            """The axes of the domain."""

        @property
        @abstractmethod
        def dimension(self) -> int:
            """How many axes there are."""

    @property
    def periodic(self) -> bool:
        """Whether all axes are periodic."""
        return all(axis.periodic for axis in self.axes)

    @property
    def axis_kinds(self) -> tuple[AxisKind, ...]:
        """What is at the ends of each axis."""
        return tuple(axis.kind for axis in self.axes)

    @property
    def constants(self) -> bool:
        """Whether the constant functions belong to the space."""
        return all(axis.kind != "dirichlet" for axis in self.axes)

    @abstractmethod
    def grid(self, n: int) -> tuple[int, ...]:
        """Nodes along each axis at level ``n``, the shape of a field there."""

    @abstractmethod
    def resolution(self, u: Shaped) -> int:
        """The level whose grid a field (..., *grid) lives on; ValueError if it is of no level."""

    @abstractmethod
    def forward(self, u: Tensor) -> Tensor:
        """Coefficients of fields ``u`` (..., *grid); their norm is that of the function."""

    @abstractmethod
    def inverse(self, coefficients: Tensor, n: int) -> Tensor:
        """Field values (..., *grid) at level n; the inverse of ``forward``."""

    @abstractmethod
    def coefficient_shape(self, n: int) -> tuple[int, ...]:
        """Shape of the coefficients' trailing axes at level n."""

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
        """The function ``u`` at level n: truncated where n is coarser, exact where it is finer."""

    @abstractmethod
    def white_noise(self, normals: np.ndarray, n: int) -> Tensor:
        """Coefficients of white noise from independent normals.

        ``normals`` has shape (..., size(n)) (or more; the first are used). They are spent level by
        level, so that the coefficients on a coarse grid are those of the fine one.
        """

    def size(self, n: int) -> int:
        """How many nodes the grid of level ``n`` has."""
        return prod(self.grid(n))

    def finest(self, nodes: int) -> int:
        """The finest level whose grid has at most ``nodes`` nodes; 0 if none has."""
        return bisect_right(range(1, nodes + 1), nodes, key=self.size)

    def reference_level(self, n: int) -> int:
        """The level on which what is to be the same at all levels is measured, n if it exists."""
        return n

    def kernel_spectrum(self, kernel: Kernel, omega_squared: Tensor) -> Tensor:
        """Eigenvalues of the covariance c(‖x − y‖) over modes of given |ω|².

        The kernel's spectral density over the volume of the box, which in a periodic box is that
        of the kernel made periodic and between walls that of its images in the walls.
        """
        volume = prod(axis.side for axis in self.axes)
        return kernel.spectral_density(omega_squared, self.dimension) / volume

    def by_channel(self, channels: int) -> "tuple[Basis, ...]":
        """The basis of each channel of fields (..., channel, *grid): one for all."""
        return (self,) * channels

    def repeated(self, times: int) -> "Basis":
        """The basis of series of fields, whose frames are channels, time by time."""
        return self

    def select(self, channels: Sequence[int]) -> "Basis":
        """The basis of fields that have but some of the channels."""
        return self

    def symbol(self, function: Callable[["Basis"], Tensor]) -> Tensor:
        """An array over the modes of a basis; with a first axis for channels that differ in it."""
        return function(self)

    def axis_nodes(self, n: int) -> tuple[np.ndarray, ...]:
        """Coordinates of the nodes along each axis at level ``n``, in the unit of the sides."""
        grid = zip(self.axes, self.grid(n), strict=True)
        return tuple(axis.side * axis.positions(nodes) for axis, nodes in grid)

    def spacings(self, n: int) -> tuple[float, ...]:
        """Distance between neighbouring nodes along each axis at level ``n``."""
        return tuple(axis.side / m for axis, m in zip(self.axes, self.grid(n), strict=True))

    def shares(self, n: int) -> Tensor:
        """How much of the domain each node of level ``n`` stands for, (*grid), one on average."""
        return torch.ones(self.grid(n), dtype=torch.float64)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the domain of values at nodes (..., *grid), (...)."""
        return values.mean(self.grid_axes())

    def white_nodes(self, normals: Tensor) -> Tensor:
        """White noise at nodes, over the root of their number, from N(0, 1) ones (..., *grid).

        Its coefficients are independent, with variances of one over the number of nodes.
        """
        return normals

    def restrict(self, u: Tensor, m: int) -> Tensor:
        """Orthogonal projection onto the functions that level m resolves, on its nodes."""
        n = self.resolution(u)
        if m > n:
            raise ValueError(f"restrict goes to coarser grids: {n} -> {m} nodes")
        return self.resample(u, m)

    def prolong(self, u: Tensor, n: int) -> Tensor:
        """The same function on the finer grid of level n."""
        m = self.resolution(u)
        if n < m:
            raise ValueError(f"prolong goes to finer grids: {m} -> {n} nodes")
        return self.resample(u, n)

    def multiply(self, u: Tensor, symbol: Tensor) -> Tensor:
        """Apply the operator that is diagonal with the given symbol, an array over modes."""
        return self.inverse(symbol * self.forward(u), self.resolution(u))

    def energy(self, u: Tensor) -> Tensor:
        """Mean square of each mode's contribution to u, shape (..., *coefficients)."""
        coefficients = self.forward(u)
        return self.multiplicity(self.resolution(u)).to(u) * coefficients.abs().square()

    def angular_frequency(self) -> float:
        """The lowest |ω| of a mode k = 1 along an axis that is refined, the unit of wavenumbers.

        2π/L for a periodic axis of side L, π/L for one between walls.
        """
        return min(axis.frequency for axis in self.refined_axes)

    def omega_squared(self, n: int) -> Tensor:
        """|ω_k|² = Σ_i (frequency_i · k_i)², the eigenvalues of −Δ, float64."""
        length = self._length(n, self.axes)
        return self.angular_frequency() ** 2 * length**2

    def wavenumber(self, n: int) -> Tensor:
        """|ω_k| along the axes that are refined, over ``angular_frequency``; float64.

        On a square with axes of one kind, the Euclidean length |k| of the integer wavenumber.
        Held axes have no part in it: spectra of series are those over space, of all times.
        """
        return self._length(n, self.refined_axes)

    def stencil_symbol(self, n: int) -> Tensor:
        """Eigenvalues of the second-order stencil of −Δ on the grid of level n, float64.

        Σ_i 4/h_i² sin²(|ω_{k_i}| h_i/2) with the spacings h_i (five points in two dimensions),
        exact for the grid functions of every axis.
        """
        per_length = [
            nodes / axis.side for axis, nodes in zip(self.axes, self.grid(n), strict=True)
        ]
        total = sum(
            (density / per_length[-1]) ** 2 * np.sin(axis.frequency / (2 * density) * k) ** 2
            for axis, density, k in zip(self.axes, per_length, self._sparse_modes(n), strict=True)
        )
        return torch.from_numpy(4.0 * per_length[-1] ** 2 * total)

    def resolved(self, n: int) -> Tensor:
        """True where level n resolves the mode."""
        return self.multiplicity(n) > 0

    def constant_modes(self, n: int) -> Tensor:
        """True on the mode of the constants, if there is one."""
        return (self.omega_squared(n) == 0) & self.resolved(n)

    def grid_axes(self) -> tuple[int, ...]:
        """The trailing axes of a field that belong to the domain."""
        return tuple(range(-self.dimension, 0))

    @property
    def refined_axes(self) -> tuple[Axis, ...]:
        """The axes that have more nodes on finer levels."""
        return tuple(axis for axis in self.axes if not axis.held)

    @property
    def half_axis(self) -> int | None:
        """The axis along which coefficients with k ≥ 0 only are stored; None if they are real."""
        periodic = [number for number, axis in enumerate(self.axes) if axis.periodic]
        return periodic[-1] if periodic else None

    def _length(self, n: int, axes: tuple[Axis, ...]) -> Tensor:
        """√Σ (frequency_i · k_i)² of these axes over the unit of wavenumbers, (*coefficients)."""
        unit = self.angular_frequency()
        squares = (
            (axis.frequency / unit * k.astype(float)) ** 2 if axis in axes else 0.0 * k
            for axis, k in zip(self.axes, self._sparse_modes(n), strict=True)
        )
        return torch.from_numpy(np.sqrt(sum(squares)))

    def _sparse_modes(self, n: int) -> tuple[np.ndarray, ...]:
        return np.meshgrid(*self.axis_modes(n), indexing="ij", sparse=True)
