"""Darcy's equations of a batch of media, kept for the derivative of the pressure.

The discrete operator A(a) is symmetric, so one more solve gives a derivative in either direction:
A ṗ = −Ȧ p forwards, A λ = w and −λᵀ (∂A/∂a) p backwards. No iteration is recorded.
"""

from typing import Literal

import numpy as np
import torch
from scipy.linalg import lapack
from torch import Tensor
from torch.nn.functional import pad

from fsdiff.pde.darcy import TOLERANCE, ConvergenceError, finite_volumes
from fsdiff.pde.elliptic import solve
from fsdiff.pde.multigrid import Multigrid, Stencil
from fsdiff.threads import single_thread

Solver = Literal["auto", "multigrid", "banded"]
"""How equations are solved: ``auto`` factorises where that is faster, up to ``BANDED`` cells."""

BANDED = 48
"""Cells per axis up to which a banded Cholesky factorisation is faster than multigrid on a CPU."""

BANDED_OF_MANY = 160
"""The same for hundreds of right-hand sides."""


class Equations:
    """A(a) p = f for permeabilities ``a`` (batch, n, n), float64, on the unit square.

    Right-hand sides and solutions are fields (batch, n, n); A is the operator of
    ``fsdiff.pde.darcy.finite_volumes``, whose right-hand side is the source times the cell's area.
    For a single permeability there may be any number of right-hand sides; that there will be
    ``many`` is worth a factorisation.
    """

    def __init__(
        self,
        a: Tensor,
        tolerance: float = TOLERANCE,
        solver: Solver = "auto",
        *,
        many: bool = False,
    ) -> None:
        self.a, self.tolerance = a, tolerance
        # In units of a power of two near the largest permeability, single precision suffices.
        largest = a.amax((1, 2), keepdim=True)
        self.unit = largest / torch.frexp(largest).mantissa
        self.operator = finite_volumes(a / self.unit)
        most = BANDED_OF_MANY if many else BANDED
        banded = solver == "banded" or (solver == "auto" and a.shape[-1] <= most)
        self.factors = _factors(self.operator) if banded and a.device.type == "cpu" else None
        self.preconditioner = Multigrid(self.operator) if self.factors is None else None

    @single_thread()
    def solve(self, f: Tensor) -> Tensor:
        """A⁻¹ f; ConvergenceError where float64 does not suffice."""
        if self.factors is not None:
            return _solve_banded(self.factors, f) / self.unit
        if len(f) != len(self.a):
            return torch.cat([self.solve(one[None]) for one in f])
        width = f.shape[-1] + 2
        flat = pad(f, (1, 1, 1, 1)).flatten(1)
        solution = solve(
            self.operator, flat, tolerance=self.tolerance, preconditioner=self.preconditioner
        )
        if not solution.converged.all():
            position = int((~solution.converged).nonzero()[0])
            residual = float(solution.residual[position])
            raise ConvergenceError(
                f"position {position} in the batch of {len(f)}: relative residual {residual:.1e} "
                f"instead of {self.tolerance:.0e}; contrasts of permeability up to 1e6 can be "
                "solved",
                position,
                residual,
            )
        return solution.u.unflatten(-1, (width, width))[:, 1:-1, 1:-1] / self.unit

    def change(self, direction: Tensor, p: Tensor) -> Tensor:
        """(∂A/∂a · direction) p, a field, for a change of permeability (batch, n, n)."""
        share = direction / (2 * self.a.square())
        image = torch.zeros_like(direction * p)
        for axis in (-2, -1):
            one, other = _sides(share, axis)
            flux = self._squared_conductance(axis) * (one + other) * -torch.diff(p, dim=axis)
            before, after = _sides(image, axis)
            before += flux
            after -= flux
            for wall in (0, -1):
                image.select(axis, wall).add_(2 * (direction * p).select(axis, wall))
        return image

    def sensitivity(self, adjoint: Tensor, p: Tensor) -> Tensor:
        """The gradient of adjointᵀ A p with respect to a, a field: the transpose of ``change``."""
        gradient = torch.zeros_like(adjoint * p)
        for axis in (-2, -1):
            dissipation = torch.diff(adjoint, dim=axis) * torch.diff(p, dim=axis)
            dissipation *= self._squared_conductance(axis)
            before, after = _sides(gradient, axis)
            before += dissipation
            after += dissipation
        gradient /= 2 * self.a.square()
        for axis in (-2, -1):
            for wall in (0, -1):
                gradient.select(axis, wall).add_(2 * (adjoint * p).select(axis, wall))
        return gradient

    def _squared_conductance(self, axis: int) -> Tensor:
        """T² of the faces across an axis; T = 2ab/(a + b) has the derivative T²/(2a²) in a."""
        one, other = _sides(self.a, axis)
        return (2 * one * other / (one + other)).square()


def _sides(u: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Views of the cells before and after each face across an axis."""
    faces = u.shape[axis] - 1
    return u.narrow(axis, 0, faces), u.narrow(axis, 1, faces)


def _factors(operator: Stencil) -> list[np.ndarray]:
    """Lower banded Cholesky factors, one for each sample."""
    inside = (..., slice(1, -1), slice(1, -1))
    diagonal, east, south = (
        operator.halves[offset][inside].flatten(1).numpy() for offset in ((0, 0), (0, 1), (1, 0))
    )
    n = operator.n
    factors = []
    for number in range(len(diagonal)):
        bands = np.zeros((n + 1, n * n), order="F")
        bands[0], bands[n] = diagonal[number], south[number]
        bands[1] += east[number]
        factor, failed = lapack.dpbtrf(bands, lower=1, overwrite_ab=1)
        if failed:
            raise ConvergenceError(
                f"position {number} in the batch of {len(diagonal)}: the discrete equations are "
                "singular to double precision; contrasts of permeability up to 1e6 can be solved",
                number,
                float("nan"),
            )
        factors.append(factor)
    return factors


def _solve_banded(factors: list[np.ndarray], f: Tensor) -> Tensor:
    flat = f.flatten(1).numpy()
    if len(factors) == 1:
        return torch.from_numpy(lapack.dpbtrs(factors[0], flat.T, lower=1)[0].T.copy()).view_as(f)
    rows = [
        lapack.dpbtrs(factor, row, lower=1)[0] for factor, row in zip(factors, flat, strict=True)
    ]
    return torch.from_numpy(np.stack(rows)).view_as(f)
