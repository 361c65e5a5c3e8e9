"""Steady flow through a porous medium: Darcy's law on the unit square."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, FiniteFloat, PositiveFloat
from torch import Tensor
from torch.nn.functional import pad

from fsdiff.pde.elliptic import Solution, solve
from fsdiff.pde.multigrid import Stencil
from fsdiff.threads import single_thread

TOLERANCE = 1e-10
"""Relative residual of the discrete equations, ‖f − A u‖ / ‖f‖, unless another is asked for."""

_CELLS = {"cpu": 2**17, "cuda": 2**24}
"""Cells solved for at once: few enough for a processor's cache, many enough to fill a GPU."""


class ConvergenceError(ArithmeticError):
    """The discrete equations could not be solved; ``position`` in the batch, relative residual."""

    def __init__(self, message: str, position: int, residual: float) -> None:
        super().__init__(message)
        self.position, self.residual = position, residual


@dataclass(frozen=True)
class Darcy:
    """−∇·(a ∇u) = f on a square of side ``length``, u = 0 on its boundary.

    Finite volumes on n × n equal cells: flux through a face takes the harmonic mean of the cells'
    permeabilities, exact for a medium in layers along the face; walls are half a cell away from the
    centres beside them. Second order where a is smooth.

    The relative residual ‖f − A u‖ / ‖f‖ is at most ``tolerance``, unless rounding u to double
    precision leaves more, as it does where very permeable islands lie in a medium of low
    permeability; a sparse factorisation leaves as much (1e-8 to 1e-6 at a contrast of 1e6 on
    256 × 256 cells).

    Good values: f = 1 with a = 12 and 3 are those of the published data sets.
    """

    forcing: FiniteFloat = 1.0
    length: PositiveFloat = 1.0
    tolerance: Annotated[float, Field(gt=0, le=1e-2)] = TOLERANCE

    @single_thread()
    def solve(self, permeability: Tensor) -> Tensor:
        """Pressure u, shape (batch, 1, n, n), from ``permeability`` of the same shape.

        In the precision and on the device of ``permeability``. The equations are solved in float64
        all the same, because rounding u to float32 leaves a residual of n² times its error, which
        no iteration could reduce; so a float32 pressure has no error but that rounding (6e-8). The
        preconditioner, most of the work, runs in float32 in either case.

        A sample's solution does not depend on the batch it is in. Raises ``ValueError`` where a
        permeability is not positive and finite, ``ConvergenceError`` where float64 does not suffice
        to solve the equations; both name the sample's position in the batch.
        """
        _check(permeability)
        a = permeability[:, 0].double()
        group = max(1, _CELLS.get(a.device.type, _CELLS["cpu"]) // a[0].numel()) if len(a) else 1
        # In units of a power of two near the largest permeability, single precision suffices.
        largest = a.amax((1, 2), keepdim=True)
        unit = largest / torch.frexp(largest).mantissa
        pressure = torch.empty_like(a)
        for first in range(0, len(a), group):
            part = slice(first, first + group)
            solution = solve_unit(a[part] / unit[part], self.tolerance)
            self._check_convergence(solution, a[part], first, len(a))
            width = a.shape[-1] + 2
            pressure[part] = solution.u.unflatten(-1, (width, width))[:, 1:-1, 1:-1]
        pressure *= self.forcing * self.length**2 / unit
        return pressure[:, None].to(permeability.dtype)

    def _check_convergence(self, solution: Solution, a: Tensor, first: int, batch: int) -> None:
        if solution.converged.all():
            return
        sample = int((~solution.converged).nonzero()[0])
        residual, contrast = solution.residual[sample].item(), a[sample].max() / a[sample].min()
        raise ConvergenceError(
            f"position {first + sample} in the batch of {batch}: relative residual {residual:.1e} "
            f"instead of {self.tolerance:.0e}; permeabilities differ by a factor of "
            f"{contrast.item():.1e}; contrasts up to 1e6 can be solved",
            first + sample,
            residual,
        )


def solve_unit(a: Tensor, tolerance: float = TOLERANCE) -> Solution:
    """Solve all at once for permeabilities (batch, n, n), with f = 1 on the unit square."""
    f = pad(torch.full_like(a, a.shape[-1] ** -2.0), (1, 1, 1, 1)).flatten(1)
    return solve(finite_volumes(a), f, tolerance=tolerance)


def finite_volumes(a: Tensor) -> Stencil:
    """The discrete −∇·(a ∇) times the cell's area: net flux out of cells; a is (batch, n, n)."""
    resistance = a.reciprocal()
    east = 2 / (resistance[:, :, :-1] + resistance[:, :, 1:])
    south = 2 / (resistance[:, :-1] + resistance[:, 1:])
    # Each wall is half a cell away, so it conducts 2 a.
    wide = torch.cat([2 * a[:, :, :1], east, 2 * a[:, :, -1:]], 2)
    high = torch.cat([2 * a[:, :1], south, 2 * a[:, -1:]], 1)
    diagonal = (wide[:, :, :-1] + wide[:, :, 1:]) + (high[:, :-1] + high[:, 1:])
    return Stencil(
        {
            (0, 0): pad(diagonal, (1, 1, 1, 1), value=1.0),
            (0, 1): pad(-east, (1, 2, 1, 1)),
            (1, 0): pad(-south, (1, 1, 1, 2)),
        }
    )


def _check(permeability: Tensor) -> None:
    shape = tuple(permeability.shape)
    if len(shape) != 4 or shape[1] != 1 or shape[2] != shape[3] or shape[2] < 1:
        raise ValueError(f"permeability has shape (batch, 1, n, n), not {shape}")
    if not permeability.is_floating_point():
        raise ValueError(f"permeability is a floating-point number, not {permeability.dtype}")
    bad = ~(torch.isfinite(permeability) & (permeability > 0)).flatten(1).all(1)
    if bad.any():
        position = int(bad.nonzero()[0])
        values = permeability[position]
        raise ValueError(
            f"position {position} in the batch of {shape[0]}: permeability must be positive and "
            f"finite everywhere, this one is between {values.min():g} and {values.max():g}"
        )
