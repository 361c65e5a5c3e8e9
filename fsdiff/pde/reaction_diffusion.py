"""The two-species reaction–diffusion system of PDEBench (Takamoto et al. 2022, appendix D.9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from pydantic import FiniteFloat, PositiveFloat
from torch import Tensor

from fsdiff.pde.fused import Loops, fused
from fsdiff.pde.integrators import (
    Equations,
    IntegrationError,
    Tolerance,
    fewest_steps,
    integrate,
)
from fsdiff.pde.rectangle import Length, check_spacing, sides
from fsdiff.pde.times import check_times
from fsdiff.threads import single_thread


@dataclass(frozen=True)
class ReactionDiffusion:
    """FitzHugh–Nagumo kinetics with diffusion on a rectangle, no flux across its walls.

    u_t = D_u Δu + u − u³ − k − v,  v_t = D_v Δv + u − v,

    discretised in space by finite volumes on equal cells with the 5-point Laplacian. This
    semi-discretisation is what ``solve`` integrates in time. All quantities are dimensionless.
    ``length`` is the side of a square, or the sides along (y, x) of a rectangle.

    ``tolerance`` is the error allowed to a time step, as estimated by a formula of order three and
    relative to the state in L²; the step itself is of order four. The relative error of the
    solution is about proportional to ``tolerance``, and below 1e-5 for the default at t ≤ 5 and
    for initial states of order one, rough or smooth (measured: 5e-6).

    Good values: the defaults, which are PDEBench's. Fronts are √(2 D_u) ≈ 0.045 wide, three cells
    of the published 128 × 128 grid.
    """

    diffusivity_u: PositiveFloat = 1e-3
    diffusivity_v: PositiveFloat = 5e-3
    k: FiniteFloat = 5e-3
    length: Length = 2.0
    tolerance: Tolerance = 1e-4

    @single_thread()
    def solve(self, initial: Tensor, times: Sequence[float]) -> Tensor:
        """States at ``times``, (batch, time, 2, n_y, n_x), from ``initial`` (batch, 2, n_y, n_x).

        Cells are squares or nearly so. Runs in the precision and on the device of ``initial``;
        float32 adds a relative error of a few 1e-6 (measured on up to 128 × 128 cells, t ≤ 5).
        ``times`` increase, from 0 or later; 0 returns the initial state. Every sample is integrated
        by itself with its own steps, so that it does not depend on the batch it is in. Raises
        ``IntegrationError``, naming the sample's position in the batch, where a solution stops
        being finite.
        """
        _check(initial, times)
        check_spacing(initial.shape[2:], self.length)
        batch = len(initial)
        solution = initial.new_empty((batch, len(times), *initial.shape[1:]))
        for position, sample in enumerate(initial):
            try:
                self._solve_one(sample, times, solution[position])
            except IntegrationError as error:
                raise IntegrationError(
                    f"position {position} in the batch of {batch}: {error} after "
                    f"t = {error.time:g}; initial values must be finite and of moderate size, "
                    f"these reach {sample.abs().max().item():g}",
                    error.time,
                ) from error
        return solution

    def fewest_steps(self, grid: tuple[int, int], time: float) -> float:
        """How many time steps diffusion needs at least, each of some 60 evaluations."""
        equations = _CellEquations(self, grid, torch.empty((), dtype=torch.float64))
        return fewest_steps(equations.diffusion, time)

    def _solve_one(self, sample: Tensor, times: Sequence[float], solution: Tensor) -> None:
        n_y, n_x = sample.shape[1:]
        padded = torch.nn.functional.pad(sample[None], (1, 1, 1, 1), mode="replicate")[0]
        equations = _CellEquations(self, (n_y, n_x), sample)
        if sample.device.type == "cpu":
            equations.loops = _loops(self, (n_y, n_x), sample.dtype)
        states = integrate(equations, padded.flatten(1), times, tolerance=self.tolerance)
        for frame, state in zip(solution, states, strict=True):
            frame.copy_(state.view(2, n_y + 2, n_x + 2)[:, 1:-1, 1:-1])


class _CellEquations(Equations):
    """The equations on states with a ring of ghost cells, stored as (2, (n_y + 2)(n_x + 2)).

    Ghost cells repeat the cells inside the wall, which makes the flux across it zero. As rows
    follow each other in memory, a neighbour is a shift of the flat array. A derivative takes as few
    passes over memory as possible, because these are what it costs: one with ``loops``.
    """

    def __init__(self, system: ReactionDiffusion, grid: tuple[int, int], like: Tensor) -> None:
        self.grid = grid
        height, width = (side / n for side, n in zip(sides(system.length), grid, strict=True))
        self.exchange_u = system.diffusivity_u / width**2
        self.exchange_v = system.diffusivity_v / width**2
        self.ratio = (width / height) ** 2
        """Exchange along y over that along x."""
        self.neighbours = 2 * (1 + self.ratio)
        # Tensors, so that a constant is added in the pass that multiplies.
        self.minus_k = like.new_tensor(-system.k)
        self.minus_growth = like.new_tensor(self.neighbours * self.exchange_u - 1)
        cells = (grid[0] + 2) * (grid[1] + 2)
        self.scratch = like.new_empty(cells)
        self.pairs = _Views(like.new_empty((2, cells)), grid)
        self.views: dict[int, _Views] = {}
        self.loops: Loops | None = None

    def stage(
        self,
        before: Tensor,
        state: Tensor,
        weight: float,
        change: float,
        slope: Tensor,
        out: Tensor,
    ) -> None:
        """Write before + weight (state − before) + change (u_t, v_t) into ``out``."""
        if self.loops is None:
            super().stage(before, state, weight, change, slope, out)
        else:
            self.loops.stage(before, state, weight, change, out)

    def combine(self, terms: Sequence[Tensor], weights: Sequence[float], out: Tensor) -> None:
        """Write Σ weights · terms into ``out``, which is none of the terms; first come first."""
        if self.loops is None or len(terms) > self.loops.most_terms:
            super().combine(terms, weights, out)
        else:
            self.loops.combine(terms, weights, out)

    def derivative(self, state: Tensor, out: Tensor) -> None:
        """Write (u_t, v_t) into ``out``, ghost cells included."""
        if self.loops is not None:
            self.loops.derivative(state, out)
            return
        here, there = self._views(state), self._views(out)
        self._add_neighbours(here, there)
        # u_t = e (Σ neighbours) − k − (u (u² − 1 + 4 e) + v), with e = D / cell area.
        torch.addcmul(self.minus_growth, here.u, here.u, out=self.scratch)
        torch.addcmul(here.v, here.u, self.scratch, out=self.scratch)
        torch.add(self.minus_k, there.u, alpha=self.exchange_u, out=there.u).sub_(self.scratch)
        # v_t = e (Σ neighbours) + u − v (1 + 4 e).
        torch.add(here.u, here.v, alpha=-1 - self.neighbours * self.exchange_v, out=self.scratch)
        torch.add(self.scratch, there.v, alpha=self.exchange_v, out=there.v)
        there.ghost_columns.copy_(there.wall_columns)
        there.ghost_rows.copy_(there.wall_rows)

    def _add_neighbours(self, here: "_Views", there: "_Views") -> None:
        """Write the sum of the four neighbours, those along y times ``ratio``, into ``there``."""
        if self.ratio == 1:
            # The cells south and west of one and those north and east of it are pairs of one kind.
            torch.add(here.first, here.second, out=self.pairs.first)
            torch.add(self.pairs.west, self.pairs.south, out=there.inside)
            return
        torch.add(here.south, here.north, out=there.inside)
        torch.add(here.west, there.inside, alpha=self.ratio, out=there.inside).add_(here.east)

    def spectral_radius(self, state: Tensor) -> float:
        """Gershgorin's bound: diffusion 8 D / cell area, reaction |1 − 3u²|, coupling 1."""
        low, high = torch.aminmax(self._views(state).u)
        largest = max(-low.item(), high.item())
        reaction = max(1.0, 3 * largest**2 - 1)
        most = 2 * self.neighbours
        return max(most * self.exchange_u + reaction, most * self.exchange_v + 1) + 1

    @property
    def diffusion(self) -> float:
        """The part of that bound that no state changes."""
        return 2 * self.neighbours * max(self.exchange_u, self.exchange_v)

    def _views(self, state: Tensor) -> "_Views":
        """The views of a state, made once for each of the few tensors that an integration uses."""
        key = state.data_ptr()
        if key not in self.views:
            self.views[key] = _Views(state, self.grid)
        return self.views[key]


@lru_cache(maxsize=8)
def _loops(system: ReactionDiffusion, grid: tuple[int, int], dtype: torch.dtype) -> Loops | None:
    """Compiled loops, where there are any for such cells."""
    cells = _CellEquations(system, grid, torch.empty((), dtype=dtype))
    return fused(cells, cells) if cells.ratio == 1 else None


class _Views:
    """Parts of one state: species, cells and their neighbours, walls.

    Cells ``second`` are north-east of cells ``first``: of the west neighbour it is the north one,
    of the south neighbour the east one.
    """

    def __init__(self, state: Tensor, grid: tuple[int, int]) -> None:
        n_y, n_x = grid
        row = n_x + 2
        length = state.shape[1] - 2 * (row + 1)
        parts = [state.narrow(1, row + 1 + shift, length) for shift in (0, -1, -row, 1, row)]
        self.inside, self.west, self.south, self.east, self.north = parts
        pairs = [state.narrow(1, 1 + shift, length + row - 1) for shift in (0, row + 1)]
        self.first, self.second = pairs
        self.u, self.v = state.unbind(0)
        cells = state.view(2, n_y + 2, row)
        self.ghost_rows = cells[:, :: n_y + 1]
        self.wall_rows = cells[:, 1 : n_y + 1 : max(n_y - 1, 1)]
        columns = cells[:, 1:-1]
        self.ghost_columns = columns[:, :, :: n_x + 1]
        self.wall_columns = columns[:, :, 1 : n_x + 1 : max(n_x - 1, 1)]


def _check(initial: Tensor, times: Sequence[float]) -> None:
    shape = tuple(initial.shape)
    if len(shape) != 4 or shape[1] != 2 or min(shape[2:]) < 2:
        raise ValueError(f"initial states have shape (batch, 2, n_y, n_x), n ≥ 2, not {shape}")
    if not initial.is_floating_point():
        raise ValueError(f"initial states are floating-point numbers, not {initial.dtype}")
    check_times(times)
