"""The stiffness of a membrane in 64 blocks from its deflection: a published benchmark.

Aristoff and Bangerth, "A benchmark for the Bayesian inversion of coefficients in partial
differential equations", SIAM Review (2023), arXiv 2102.07263.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import lapack
from torch import Tensor

from fsdiff.inverse.forward.base import (
    ForwardMap,
    ImpossibleFieldError,
    Linearisation,
    check_unit_square,
    nodes,
)
from fsdiff.inverse.forward.membrane_data import MEASUREMENTS
from fsdiff.spaces.basis import Basis

BLOCKS, CELLS = 8, 32
"""Per side: blocks of one stiffness, and cells of the model."""

POINTS = 13
"""Measured points per side, at i/14."""

LOAD = 10.0
NOISE = 0.05
"""Standard deviation of a measurement."""

PRIOR_MEAN, PRIOR_DEVIATION = 4.0, 2.0
"""Of ln θ. The published prior is log-normal as a density in θ, exp(−(ln θ)²/(2·2²)) dθ; the
Jacobian makes it N(2², 2²) in ln θ, with median e⁴ ≈ 55 and not 1."""

_STIFFNESS = np.array([[4, -1, -2, -1], [-1, 4, -1, -2], [-2, -1, 4, -1], [-1, -2, -1, 4]]) / 6
"""Of bilinear elements on a square with a = 1, corners in cyclic order."""


@dataclass(frozen=True)
class Membrane(ForwardMap):
    """ln θ on 8 × 8 blocks ↦ deflection at 13 × 13 points, (batch, 169).

    −∇·(θ ∇u) = 10 on the unit square, u = 0 on its boundary, bilinear elements on 32 × 32 cells.
    Fields x = ln θ are (batch, 1, 8, 8), block (y, x) being θ_{8y + x} as published; observation
    13 i + j is u at x = (i + 1)/14, y = (j + 1)/14. Derivatives take one more solve.
    """

    kind: Literal["membrane"] = "membrane"

    @property
    def size(self) -> int:
        """169."""
        return POINTS**2

    @property
    def places(self) -> np.ndarray:  # type: ignore[override]
        """The measured points, (y, x) like the blocks; as published, y runs fastest."""
        x, y = np.divmod(np.arange(POINTS**2), POINTS)
        return (np.stack([y, x], -1) + 1) / (POINTS + 1)

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse fields that are not of one channel on the unit square."""
        check_unit_square(self.kind, basis, channels)

    def evaluate(self, u: Tensor) -> Tensor:
        """The deflections, in the precision of the field."""
        measured = _measurement()
        return _like(u, np.stack([measured @ _solved(x)[1] for x in _stiffness(u)]))

    def linearise(self, u: Tensor) -> Linearisation:
        """Deflections, and their derivative with respect to ln θ."""
        measured, thetas = _measurement(), _stiffness(u)
        solved = [_solved(theta) for theta in thetas]

        def jvp(direction: Tensor) -> Tensor:
            slopes = thetas * direction.detach().double().cpu().flatten(1).numpy()
            rows = [
                -(measured @ _substitute(factor, _loads(deflection) @ slope))
                for (factor, deflection), slope in zip(solved, slopes, strict=True)
            ]
            return _like(u, np.stack(rows))

        def vjp(weights: Tensor) -> Tensor:
            given = weights.detach().double().cpu().numpy()
            rows = [
                -theta * (_loads(deflection).T @ _substitute(factor, measured.T @ weight))
                for theta, (factor, deflection), weight in zip(thetas, solved, given, strict=True)
            ]
            return nodes(u) * _like(u, np.stack(rows)).view_as(u)

        return Linearisation(_like(u, np.stack([measured @ d for _, d in solved])), jvp, vjp)

    def jacobian(self, u: Tensor) -> Tensor:
        """The derivative of each deflection, (batch, 169, 1, 8, 8), from 64 solutions at once."""
        rows = []
        for theta in _stiffness(u):
            factor, deflection = _solved(theta)
            changes = -_substitute(factor, _loads(deflection) * theta)
            rows.append(nodes(u) * (_measurement() @ changes))
        return _like(u, np.stack(rows)).view(len(u), self.size, *u.shape[1:])


def exact_stiffness() -> np.ndarray:
    """θ that the data were made with, (64,): 1, but 0.1 and 10 on two squares of 2 × 2 blocks."""
    theta = np.ones((BLOCKS, BLOCKS))
    theta[1:3, 1:3], theta[5:7, 5:7] = 0.1, 10.0
    return theta.ravel()


@cache
def measurements() -> Tensor:
    """The 169 published measurements, which have no noise; float64."""
    return torch.tensor(MEASUREMENTS, dtype=torch.float64).flatten()


def log_likelihood(theta: np.ndarray) -> float:
    """−‖z − ẑ‖²/(2·0.05²) as published, for one θ (64,)."""
    x = torch.from_numpy(np.log(np.asarray(theta, dtype=float))).view(1, 1, BLOCKS, BLOCKS)
    misfit = Membrane().evaluate(x)[0] - measurements()
    return float(-misfit.square().sum() / (2 * NOISE**2))


def log_prior(theta: np.ndarray) -> float:
    """−Σ (ln θ_k)²/(2·2²) as published: the logarithm of a density in θ, up to a constant."""
    return float(-np.square(np.log(theta)).sum() / (2 * PRIOR_DEVIATION**2))


def _stiffness(x: Tensor) -> np.ndarray:
    if tuple(x.shape[1:]) != (1, BLOCKS, BLOCKS):
        raise ValueError(f"fields have shape (batch, 1, 8, 8), not {tuple(x.shape)}")
    with np.errstate(over="ignore"):  # what is infinite is refused below
        return np.exp(x.detach().double().cpu().flatten(1).numpy())


def _solved(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The banded Cholesky factor and the deflection at interior vertices, row by row."""
    size = CELLS - 1
    bands = (_bands() @ theta).reshape(size + 2, size**2)
    factor, failed = lapack.dpbtrf(bands, lower=1)
    if failed or not np.isfinite(theta).all():
        raise ImpossibleFieldError(
            f"the stiffness matrix is singular to double precision: θ is between "
            f"{theta.min():g} and {theta.max():g}"
        )
    return factor, _substitute(factor, _load())


def _substitute(factor: np.ndarray, load: np.ndarray) -> np.ndarray:
    return lapack.dpbtrs(factor, load, lower=1)[0]


def _loads(deflection: np.ndarray) -> np.ndarray:
    """(∂A/∂θ) u as a matrix, (vertices, 64)."""
    products = _stacked() @ deflection
    return products.reshape(BLOCKS**2, -1).T


def _like(u: Tensor, values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).to(u)


def _elements() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and entries of all elements between interior vertices, and their blocks.

    Vertex (i, j) is at x = i/32, y = j/32; interior ones are counted row by row, x first.
    """
    j, i = np.meshgrid(np.arange(CELLS), np.arange(CELLS), indexing="ij")
    corners: np.ndarray = np.stack([(i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)])
    inside = np.all((corners > 0) & (corners < CELLS), axis=1)
    number = (corners[:, 1] - 1) * (CELLS - 1) + corners[:, 0] - 1
    block = np.broadcast_to(j * BLOCKS // CELLS * BLOCKS + i * BLOCKS // CELLS, (4, 4, *i.shape))
    kept = inside[:, None] & inside[None]
    rows = np.broadcast_to(number[:, None], kept.shape)[kept]
    columns = np.broadcast_to(number[None], kept.shape)[kept]
    entries = np.broadcast_to(_STIFFNESS[..., None, None], kept.shape)[kept]
    return rows, columns, entries, block[kept]


@cache
def _bands() -> sparse.csr_array:
    """From θ to the lower bands of the stiffness matrix, (33 · 31², 64)."""
    rows, columns, entries, block = _elements()
    lower, size = rows >= columns, (CELLS - 1) ** 2
    places = (rows - columns)[lower] * size + columns[lower]
    return sparse.csr_array(
        (entries[lower], (places, block[lower])), shape=((CELLS + 1) * size, BLOCKS**2)
    )


@cache
def _stacked() -> sparse.csr_array:
    """∂A/∂θ_k for all k, one below the other, (64 · 31², 31²)."""
    rows, columns, entries, block = _elements()
    size = (CELLS - 1) ** 2
    return sparse.csr_array(
        (entries, (block * size + rows, columns)), shape=(BLOCKS**2 * size, size)
    )


def _load() -> np.ndarray:
    return np.full((CELLS - 1) ** 2, LOAD / CELLS**2)


@cache
def _measurement() -> sparse.csr_array:
    """Bilinear interpolation from interior vertices to the points, (169, 31²)."""
    places = np.arange(1, POINTS + 1) / (POINTS + 1) * CELLS
    lower = np.floor(places).astype(int)
    along = np.zeros((POINTS, CELLS + 1))
    along[np.arange(POINTS), lower] = 1 - (places - lower)
    along[np.arange(POINTS), lower + 1] = places - lower
    inner = sparse.csr_array(along[:, 1:-1])
    # Of the product, row 13 j + i is point (i, j), which comes as 13 i + j.
    order = np.arange(POINTS**2).reshape(POINTS, POINTS).T.ravel()
    return sparse.csr_array(sparse.kron(inner, inner))[order]
