"""The two-species reaction–diffusion system of PDEBench (Takamoto et al. 2022, appendix D.9)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from pydantic import FiniteFloat, PositiveFloat
from torch import Tensor

from fsdiff.pde.integrators import IntegrationError, integrate
from fsdiff.threads import single_thread

_TOLERANCE = 1e-4
"""Error estimate allowed to a step; the solution's relative error is then below 5e-6 (measured)."""


@dataclass(frozen=True)
class ReactionDiffusion:
    """FitzHugh–Nagumo kinetics with diffusion on a square of side ``length``, no flux across walls.

    u_t = D_u Δu + u − u³ − k − v,  v_t = D_v Δv + u − v,

    discretised in space by finite volumes on n × n equal cells with the 5-point Laplacian. This
    semi-discretisation is what ``solve`` integrates in time; the relative error of that in the L²
    norm is below 1e-5 at t ≤ 5 for initial states of order one, rough or smooth. All quantities are
    dimensionless.

    Good values: the defaults, which are PDEBench's. Fronts are √(2 D_u) ≈ 0.045 wide, three cells
    of the published 128 × 128 grid.
    """

    diffusivity_u: PositiveFloat = 1e-3
    diffusivity_v: PositiveFloat = 5e-3
    k: FiniteFloat = 5e-3
    length: PositiveFloat = 2.0

    @single_thread()
    def solve(self, initial: Tensor, times: Sequence[float]) -> Tensor:
        """States at ``times``, shape (batch, time, 2, n, n), from ``initial`` (batch, 2, n, n).

        Runs in the precision and on the device of ``initial``. ``times`` increase, from 0 or later;
        0 returns the initial state. Every sample is integrated by itself with its own steps, so
        that it does not depend on the batch it is in. Raises ``IntegrationError``, naming the
        sample's position in the batch, where a solution stops being finite.
        """
        _check(initial, times)
        batch, species, n, _ = initial.shape
        solution = initial.new_empty((batch, len(times), species, n, n))
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

    def _solve_one(self, sample: Tensor, times: Sequence[float], solution: Tensor) -> None:
        n = sample.shape[-1]
        padded = torch.nn.functional.pad(sample[None], (1, 1, 1, 1), mode="replicate")[0]
        equations = _CellEquations(self, n, sample)
        states = integrate(equations, padded.flatten(1), times, tolerance=_TOLERANCE)
        for frame, state in zip(solution, states, strict=True):
            frame.copy_(state.view(2, n + 2, n + 2)[:, 1:-1, 1:-1])


class _CellEquations:
    """The equations on states with a ring of ghost cells, stored as (2, (n + 2)²).

    Ghost cells repeat the cells inside the wall, which makes the flux across it zero. As rows
    follow each other in memory, a neighbour is a shift of the flat array.
    """

    def __init__(self, system: ReactionDiffusion, n: int, like: Tensor) -> None:
        self.n, self.k = n, system.k
        cell_area = (system.length / n) ** 2
        self.exchange_u = system.diffusivity_u / cell_area
        self.exchange_v = system.diffusivity_v / cell_area
        self.scratch = like.new_empty((n + 2) ** 2)
        self.views: dict[int, _Views] = {}

    def derivative(self, state: Tensor, out: Tensor) -> None:
        """Write (u_t, v_t) into ``out``, ghost cells included."""
        here, there = self._views(state), self._views(out)
        torch.add(here.west, here.east, out=there.inside)
        there.inside.add_(here.south).add_(here.north)
        # u_t = e (Σ neighbours) − (u (u² − 1 + 4 e) + v) − k, with e = D / cell area.
        torch.mul(here.u, here.u, out=self.scratch).sub_(1 - 4 * self.exchange_u)
        torch.addcmul(here.v, here.u, self.scratch, out=self.scratch).add_(self.k)
        torch.sub(there.u.mul_(self.exchange_u), self.scratch, out=there.u)
        torch.add(here.u, here.v, alpha=-1 - 4 * self.exchange_v, out=self.scratch)
        torch.add(self.scratch, there.v, alpha=self.exchange_v, out=there.v)
        there.ghost_columns.copy_(there.wall_columns)
        there.ghost_rows.copy_(there.wall_rows)

    def spectral_radius(self, state: Tensor) -> float:
        """Gershgorin's bound: diffusion 8 D / cell area, reaction |1 − 3u²|, coupling 1."""
        low, high = torch.aminmax(self._views(state).u)
        largest = max(-low.item(), high.item())
        reaction = max(1.0, 3 * largest**2 - 1)
        return max(8 * self.exchange_u + reaction, 8 * self.exchange_v + 1) + 1

    def _views(self, state: Tensor) -> "_Views":
        """The views of a state, made once for each of the few tensors that an integration uses."""
        key = state.data_ptr()
        if key not in self.views:
            self.views[key] = _Views(state, self.n)
        return self.views[key]


class _Views:
    """Parts of one state: species, shifted neighbours, walls."""

    def __init__(self, state: Tensor, n: int) -> None:
        row = n + 2
        length = state.shape[1] - 2 * (row + 1)
        shifts = (0, -1, 1, -row, row)
        parts = [state.narrow(1, row + 1 + shift, length) for shift in shifts]
        self.inside, self.west, self.east, self.south, self.north = parts
        self.u, self.v = state.unbind(0)
        grid = state.view(2, row, row)
        self.ghost_rows, self.wall_rows = grid[:, :: n + 1], grid[:, 1 : n + 1 : max(n - 1, 1)]
        columns = grid[:, 1:-1]
        self.ghost_columns = columns[:, :, :: n + 1]
        self.wall_columns = columns[:, :, 1 : n + 1 : max(n - 1, 1)]


def _check(initial: Tensor, times: Sequence[float]) -> None:
    shape = tuple(initial.shape)
    if len(shape) != 4 or shape[1] != 2 or shape[2] != shape[3] or shape[2] < 2:
        raise ValueError(f"initial states have shape (batch, 2, n, n) with n ≥ 2, not {shape}")
    if not initial.is_floating_point():
        raise ValueError(f"initial states are floating-point numbers, not {initial.dtype}")
    increasing = all(a < b for a, b in pairwise(times))
    if not times or not increasing or times[0] < 0 or not math.isfinite(times[-1]):
        raise ValueError(f"times must be finite and increasing, from 0 or later: {list(times)}")
