"""Functions on arbitrary points of an interval: the eigenfunctions of a covariance kernel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis, Kernel, Shaped
from fsdiff.spaces.modes import in_floats


@dataclass(frozen=True, kw_only=True)
class GramBasis(Basis):
    """Karhunen–Loève functions of a kernel on given points of [0, 1], shape (..., points).

    Each point x_i stands for the part of [0, 1] that is nearest to it, of length w_i (the midpoint
    rule on cell centres, the trapezoidal rule on equidistant points with both ends), and the inner
    product is Σ_i w_i u_i v_i. The functions φ_k are orthonormal in it and solve Nyström's equation
    Σ_j c(|x_i − x_j|) w_j φ_k(x_j) = λ_k φ_k(x_i), by decreasing λ_k; φ_k changes sign k times,
    like cos(πkx), and counts as the mode of that frequency. There is one level, that of the points;
    between sets of points functions go by ``restrict_to`` and ``evaluate``. A prior with this
    kernel has exactly its covariance between the points.

    Lim et al. (NeurIPS 2023) draw noise for curves on 24 to 288 points from such matrices.
    """

    points: tuple[float, ...]
    covariance: Kernel
    dimension: Literal[1] = 1
    kind: Literal["gram"] = "gram"

    def __post_init__(self) -> None:
        """Refuse points that are not increasing in [0, 1], and priors that are no kernels."""
        if not isinstance(self.covariance, Kernel):
            raise ValueError(
                f"covariance: a {self.covariance.kind} prior is not given by a kernel c(‖x − y‖); "
                "use rbf, matern or exponential"
            )
        x = np.asarray(self.points)
        if len(x) < 2 or x.min() < 0 or x.max() > 1 or (np.diff(x) <= 0).any():
            raise ValueError(
                "points: give two or more, strictly increasing in [0, 1]; scale physical "
                "coordinates, and the kernel's length with them, by the length of the interval"
            )

    @property
    def axes(self) -> tuple[Axis, ...]:
        """One, between walls."""
        return (Axis(kind="neumann", name="x", nodes=len(self.points)),)

    def grid(self, n: int) -> tuple[int, ...]:
        """As many nodes as points."""
        self._check_count(n)
        return (n,)

    def resolution(self, u: Shaped) -> int:
        """The number of points."""
        self._check_count(u.shape[-1])
        return u.shape[-1]

    def finest(self, nodes: int) -> int:
        """The level of the points, if there are not more than that; 0 otherwise."""
        return len(self.points) if len(self.points) <= nodes else 0

    def reference_level(self, n: int) -> int:
        """There is no other level than that of the points."""
        return len(self.points)

    def kernel_spectrum(self, kernel: Kernel, omega_squared: Tensor) -> Tensor:
        """The eigenvalues of the kernel's Gram matrix."""
        return self.spectrum(kernel)

    def axis_nodes(self, n: int) -> tuple[np.ndarray, ...]:
        """The points."""
        return (self.nodes(n),)

    def nodes(self, n: int) -> np.ndarray:
        """The points."""
        self._check_count(n)
        return np.asarray(self.points)

    def weights(self) -> np.ndarray:
        """Lengths w_i of the parts of [0, 1] nearest to each point; their sum is one."""
        x = np.asarray(self.points)
        edges = np.concatenate([[0.0], (x[1:] + x[:-1]) / 2, [1.0]])
        return np.diff(edges)

    def shares(self, n: int) -> Tensor:
        """The same, of which one is the mean."""
        self._check_count(n)
        return n * torch.from_numpy(self.weights())

    def mean(self, values: Tensor) -> Tensor:
        """Σ_i w_i v_i, (...)."""
        return (values * self.shares(values.shape[-1]).to(values)).mean(-1)

    def white_nodes(self, normals: Tensor) -> Tensor:
        """The more at a point, the less of [0, 1] it stands for."""
        return normals / self.shares(normals.shape[-1]).sqrt().to(normals)

    def forward(self, u: Tensor) -> Tensor:
        """Orthonormal coefficients Σ_i w_i φ_k(x_i) u_i, real, (..., k)."""
        self._check_count(u.shape[-1])
        u = in_floats(u)
        weighted = self._functions(u) * torch.from_numpy(self.weights()).to(u)
        return _apply(weighted.T, u)

    def inverse(self, coefficients: Tensor, n: int) -> Tensor:
        """Values Σ_k û_k φ_k(x_i) on the points."""
        self._check_count(n)
        coefficients = in_floats(coefficients)
        return _apply(self._functions(coefficients), coefficients)

    def coefficient_shape(self, n: int) -> tuple[int, ...]:
        """As many as points."""
        self._check_count(n)
        return (n,)

    def axis_modes(self, n: int) -> tuple[np.ndarray, ...]:
        """0 … n − 1."""
        self._check_count(n)
        return (np.arange(n),)

    def multiplicity(self, n: int) -> Tensor:
        """One real function per coefficient."""
        return torch.ones(self.coefficient_shape(n), dtype=torch.float64)

    def resample(self, u: Tensor, n: int) -> Tensor:
        """The function itself, on its own points."""
        self._check_count(n)
        return in_floats(u)

    def constant_modes(self, n: int) -> Tensor:
        """None: the first eigenfunction of a kernel varies too."""
        return torch.zeros(self.coefficient_shape(n), dtype=torch.bool)

    def white_noise(self, normals: np.ndarray, n: int) -> Tensor:
        """One normal per function, in their order."""
        self._check_count(n)
        return torch.from_numpy(normals[..., :n].copy())

    def stencil_symbol(self, n: int) -> Tensor:
        """There is no such stencil on arbitrary points."""
        raise ValueError("symbol = five_point belongs to regular grids; use symbol: continuous")

    def spectrum(self, kernel: Kernel) -> Tensor:
        """Eigenvalues (k,) of a kernel on the points, for a kernel that this basis diagonalises.

        Raises ValueError for others.
        """
        functions, weights = _eigenfunctions(self.points, self.covariance), self.weights()
        weighted = functions * weights
        matrix = weighted @ _gram_matrix(self.points, kernel) @ weighted.T
        values = np.diag(matrix)
        if np.abs(matrix - np.diag(values)).max() > 1e-9 * np.trace(matrix):
            raise ValueError(
                f"{kernel} is not diagonal in a basis made from {self.covariance}; give the basis "
                "and the prior the same kernel"
            )
        return torch.from_numpy(values.clip(min=0))

    def on(self, points: Sequence[float]) -> "GramBasis":
        """The basis of the same kernel on other points, or on some of these."""
        return replace(self, points=tuple(map(float, points)))

    def restrict_to(self, u: Tensor, points: Sequence[float]) -> Tensor:
        """Values (..., points) of functions (..., own points) at some of the own points.

        Noise with the kernel of this basis becomes that of ``on(points)``. Raises ValueError where
        one of the points is none of these.
        """
        self._check_count(u.shape[-1])
        places = {point: place for place, point in enumerate(self.points)}
        if missing := [point for point in points if point not in places]:
            raise ValueError(f"{missing[0]:g} is none of the points; use evaluate for others")
        return u[..., [places[point] for point in points]]

    def evaluate(self, u: Tensor, points: Sequence[float]) -> Tensor:
        """Values (..., points) of functions (..., own points) anywhere in [0, 1].

        By Nyström's extension φ_k(x) = Σ_j c(|x − x_j|) w_j φ_k(x_j)/λ_k: u(x) is the conditional
        mean, given its values on the own points, of the Gaussian with the kernel of the basis.
        Modes that are lost in rounding, λ_k < 10⁻¹² λ_0, are left out.
        """
        x = torch.as_tensor(points, dtype=torch.float64)
        if bool((x < 0).any() or (x > 1).any()):
            raise ValueError("points: give points in [0, 1]")
        own = torch.tensor(self.points, dtype=torch.float64)
        phi = torch.from_numpy(_eigenfunctions(self.points, self.covariance))
        values = self.spectrum(self.covariance)
        inverse = torch.where(values > 1e-12 * values[0], 1 / values.clamp_min(1e-300), 0.0)
        kernel = self.covariance.correlation((own[:, None] - x).abs())
        extended = inverse[:, None] * ((phi * torch.from_numpy(self.weights())) @ kernel)
        return _apply(extended.to(u), self.forward(u))

    def _functions(self, like: Tensor) -> Tensor:
        """φ_k(x_i), (k, i)."""
        return _as_tensor(self.points, self.covariance, like.dtype, like.device)

    def _check_count(self, n: int) -> None:
        if n != len(self.points):
            count = len(self.points)
            raise ValueError(f"these functions live on {count} points, not on {n}: use {count}")


def _apply(matrix: Tensor, rows: Tensor) -> Tensor:
    """``rows`` (..., n) times ``matrix``."""
    # One product per row: folding a batch into one product rounds by the size of the batch.
    return (rows[..., None, :] @ matrix.expand(*rows.shape[:-1], *matrix.shape))[..., 0, :]


def _gram_matrix(points: tuple[float, ...], kernel: Kernel) -> np.ndarray:
    """c(|x_i − x_j|)."""
    x = torch.tensor(points, dtype=torch.float64)
    return kernel.correlation((x[:, None] - x[None, :]).abs()).numpy()


@lru_cache(maxsize=16)
def _eigenfunctions(points: tuple[float, ...], kernel: Kernel) -> np.ndarray:
    """φ_k(x_i), (k, i), positive at the first point; by the symmetric matrix √w_i c_ij √w_j."""
    root = np.sqrt(GramBasis(points=points, covariance=kernel).weights())
    _, vectors = np.linalg.eigh(root[:, None] * _gram_matrix(points, kernel) * root)
    functions = vectors.T[::-1] / root
    return functions * np.where(functions[:, :1] < 0, -1.0, 1.0)


@lru_cache(maxsize=16)
def _as_tensor(
    points: tuple[float, ...], kernel: Kernel, dtype: torch.dtype, device: torch.device
) -> Tensor:
    return torch.from_numpy(_eigenfunctions(points, kernel)).to(device, dtype)
