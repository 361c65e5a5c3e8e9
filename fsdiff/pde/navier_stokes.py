"""Incompressible flow in two dimensions: the vorticity equation on a periodic rectangle."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import FiniteFloat, NonNegativeFloat, PositiveInt
from torch import Tensor

from fsdiff.pde.exponential import IMAGINARY_STABILITY, Weights
from fsdiff.pde.integrators import IntegrationError, Tolerance
from fsdiff.pde.rectangle import Length, check_spacing, sides
from fsdiff.pde.spectral_grid import SpectralGrid, grids, transfer
from fsdiff.pde.stepping import SURVEY_INTERVAL, ExponentialStepper, norm
from fsdiff.pde.times import check_times
from fsdiff.threads import single_thread

Forcing = Literal["diagonal", "kolmogorov", "none"]

_EDGE_SHARE = 5
"""Share of the vorticity allowed in the highest modes of a coarser grid, over the tolerance."""

_COURANT = 1.4 * IMAGINARY_STABILITY
"""Bound of step · 2π · cutoff · max(|u| + |v|). That product is far above the frequencies of flows
whose velocity peaks at a few points; where it is not, the error estimate shortens the step."""

_COARSER_SHARE = 0.25
"""A coarser grid is taken once its highest modes are so far below what they are allowed."""

_PATIENCE = 8
"""Steps made on a finer grid before a coarser one is taken again."""


@dataclass(frozen=True)
class NavierStokes:
    """ω_t + u·∇ω = ν Δω + f on a periodic rectangle, u = (ψ_y, −ψ_x), −Δψ = ω.

    ``length`` is the side of a square, or the sides along (y, x) of a rectangle. Forcings, with a
    the ``amplitude``, k the ``wavenumber`` and x and y in units of the shorter side:
    ``diagonal``, f = a (sin 2πk(x + y) + cos 2πk(x + y)), of Li et al. (arXiv 2010.08895, A.3.3);
    ``kolmogorov``, f = −a cos 2πky, the curl of the body force a/(2πk) · (sin 2πky, 0);
    ``none``, f = 0.

    Discretised by the Fourier–Galerkin method: on n nodes along an axis its modes |k| < n/3
    are kept, for which products are free of aliasing. The mean of ω, which moves nothing, is kept
    and grows by the mean of f. All quantities are dimensionless.

    ``tolerance`` is the error allowed to a time step, relative to ω in L². At ν = 1e-3 and the
    published forcing the solution's relative error at t ≤ 50 is about 1e-7 for the default, and
    at most 2e-6 (measured); in turbulent flows it grows like the distance of two nearby ones.

    Good values: ν = 1e-3 with n ≥ 64; ν = 1e-5 with n ≥ 256, where a ``tolerance`` of 1e-5 takes
    a third of the time. The published data sets have k = 1 for ``diagonal``, and k = 4 is common
    for ``kolmogorov``.
    """

    viscosity: NonNegativeFloat = 1e-3
    forcing: Forcing = "diagonal"
    amplitude: FiniteFloat = 0.1
    wavenumber: PositiveInt = 1
    tolerance: Tolerance = 2e-7
    length: Length = 1.0

    @single_thread()
    def solve(
        self, initial: Tensor, times: Sequence[float], forcing: Tensor | None = None
    ) -> Tensor:
        """Vorticity at ``times``, (batch, time, 1, n_y, n_x), of flows from ``initial``.

        ``initial`` is (batch, 1, n_y, n_x). Nodes are j/n of the sides, about as dense along y as
        along x. ``forcing``, of the shape of ``initial`` and constant in time, takes the place of
        the named one. Runs in the precision and on the device of ``initial``; in float32
        ``tolerance`` is at least 2.4e-6, and the relative error a few 1e-6 (measured at ν = 1e-3,
        t ≤ 50). ``times`` increase, from 0 or later; 0 returns the Galerkin projection of the
        initial state.

        Every sample is integrated by itself with its own steps, so that it does not depend on the
        batch it is in, and with as many modes as its spectrum needs at the time. Raises
        ``IntegrationError``, naming the sample's position in the batch, where a solution is not
        finite or its velocity is too large to follow.
        """
        _check(initial, times, forcing)
        check_spacing(initial.shape[2:], self.length)
        if forcing is None:
            forcing = self.forcing_field(*initial.shape[2:]).to(initial).expand_as(initial)
        solution = initial.new_empty((len(initial), len(times), *initial.shape[1:]))
        for position, sample in enumerate(initial):
            try:
                flow = _Flow(self, sample[0], forcing[position, 0], times[-1])
                for frame, time in zip(solution[position], times, strict=True):
                    flow.advance(time)
                    frame[0] = flow.vorticity()
            except IntegrationError as error:
                raise IntegrationError(
                    f"position {position} in the batch of {len(initial)}: {error} after "
                    f"t = {error.time:g}; vorticity and forcing must be finite and of moderate "
                    f"size, these reach {sample.abs().max().item():g} and "
                    f"{forcing[position].abs().max().item():g}",
                    error.time,
                ) from error
        return solution

    def forcing_field(self, n_y: int, n_x: int | None = None) -> Tensor:
        """The named forcing f on n_y × n_x nodes (n_y × n_y if only one is given), float64.

        Raises ValueError where the nodes do not resolve it or it does not fit the sides.
        """
        nodes = (n_y, n_y if n_x is None else n_x)
        if self.forcing == "none":
            return torch.zeros(nodes, dtype=torch.float64)
        if self.forcing == "kolmogorov":
            y = self._phase(0, n_y)
            return -self.amplitude * torch.cos(y)[:, None].expand(nodes)
        y, x = (self._phase(axis, n) for axis, n in enumerate(nodes))
        diagonal = y[:, None] + x[None, :]
        return self.amplitude * (torch.sin(diagonal) + torch.cos(diagonal))

    def speed(self, vorticity: Tensor) -> float:
        """The largest |u| + |v| over the nodes of a field of vorticity (n_y, n_x)."""
        grid = self._grids(vorticity)[0]
        return grid.speed(grid.analyse(vorticity))

    def steps_per_length(self, n_y: int, n_x: int) -> float:
        """How many steps stability needs, at least, while a flow covers a unit of length."""
        grid = self._grids(torch.empty(n_y, n_x, dtype=torch.float64))[0]
        return grid.highest / _COURANT

    def _grids(self, like: Tensor) -> list[SpectralGrid]:
        """The grid of a field (n_y, n_x), and coarser ones."""
        return grids(tuple(like.shape), sides(self.length), like.dtype, like.device)

    @property
    def periods(self) -> tuple[float, float]:
        """Of the named forcing along (y, x)."""
        ends = sides(self.length)
        y, x = (self.wavenumber * (side / min(ends)) for side in ends)
        return y, x

    def _phase(self, axis: int, n: int) -> Tensor:
        """2πk times the coordinates along y (0) or x (1) in units of the shorter side, (n,)."""
        periods = self.periods[axis]
        if periods != round(periods):
            raise ValueError(
                f"forcing {self.forcing} at wavenumber {self.wavenumber} has {periods:g} periods "
                f"along {'yx'[axis]}; use a wavenumber that makes them whole, other sides, or "
                "forcing none"
            )
        if 3 * periods >= n:
            raise ValueError(
                f"forcing at wavenumber {self.wavenumber} is not resolved by {n} nodes; "
                f"use at least {round(3 * periods) + 1}"
            )
        return 2 * math.pi * periods * torch.arange(n, dtype=torch.float64) / n


class _Flow(ExponentialStepper):
    """One flow: its vorticity's coefficients on as coarse a grid as carries them."""

    def __init__(self, system: NavierStokes, initial: Tensor, forcing: Tensor, end: float) -> None:
        self.viscosity = system.viscosity
        self.grids = system._grids(initial)
        self.grid = self.grids[0]
        self.settled = 0
        # Nothing is known about the error yet: start at the decay time of the highest modes.
        rate = self.viscosity * self.grid.highest_squared
        super().__init__(end, system.tolerance, initial.dtype, rate)
        state, self.full_forcing = self.grid.analyse(initial), self.grid.analyse(forcing)
        size = norm(self.full_forcing)
        if not math.isfinite(size) or not math.isfinite(norm(state)):
            raise IntegrationError("the initial vorticity or the forcing is not finite", 0.0)
        # Coarser grids are those that carry the forcing.
        allowed = _EDGE_SHARE * self.tolerance * size
        self.grids = self.grids[:1] + [
            grid for grid in self.grids[1:] if grid.edge(self.full_forcing) <= allowed
        ]
        self.forcing = self.full_forcing
        self.restart(state)

    def vorticity(self) -> Tensor:
        """ω on the nodes of the finest grid."""
        return self.grids[0].synthesise(transfer(self.state, self.grid, self.grids[0]))

    def derivative(self, state: Tensor) -> Tensor:
        """f − u·∇ω."""
        return self.grid.advection(state, self.forcing)

    def weigh(self, step: float) -> Weights:
        """Coefficients of a step on the present grid."""
        return self.grid.weights(self.viscosity, step)

    def carries(self, state: Tensor) -> bool:
        """Whether the highest modes have little of a new state; if not, the grid is made finer."""
        position = self.grids.index(self.grid)
        if position == 0 or self.grid.edge(state) <= self._allowed(state):
            return True
        self._move_to(self.grids[position - 1])
        self.settled = self.accepted + _PATIENCE
        return False

    def survey(self) -> None:
        """Go to a coarser grid where that suffices; choose the longest stable step by u."""
        beyond = self.grids.index(self.grid) + 1
        if beyond < len(self.grids) and self.accepted >= self.settled:
            coarser = self.grids[beyond]
            if self._expected(coarser) <= _COARSER_SHARE * self._allowed(self.state):
                self._move_to(coarser)
        frequency = self.grid.highest * self.grid.speed(self.state)
        self.stable_step = min(_COURANT / frequency, self.end) if frequency > 0 else self.end

    def _allowed(self, state: Tensor) -> float:
        """Norm of the highest modes of a coarser grid at most."""
        return _EDGE_SHARE * self.tolerance * norm(state)

    def _expected(self, coarser: SpectralGrid) -> float:
        """Norm of what the highest modes of a coarser grid have, or will before the next survey.

        A state that has none of them yet, such as one of a few modes, may be about to fill them.
        """
        decay = self.viscosity * coarser.highest**2
        ahead = SURVEY_INTERVAL * min(self.accurate_step, self.stable_step)
        lasting = min(ahead, 1 / decay) if decay > 0 else ahead
        return max(coarser.edge(self.state), lasting * coarser.edge(self.slope))

    def _move_to(self, grid: SpectralGrid) -> None:
        state = transfer(self.state, self.grid, grid)
        self.forcing = transfer(self.full_forcing, self.grids[0], grid)
        self.grid = grid
        self.restart(state)


def _check(initial: Tensor, times: Sequence[float], forcing: Tensor | None) -> None:
    shape = tuple(initial.shape)
    if len(shape) != 4 or shape[1] != 1 or min(shape[2:]) < 4:
        raise ValueError(f"initial states have shape (batch, 1, n_y, n_x), n ≥ 4, not {shape}")
    if initial.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"initial states are float32 or float64 numbers, not {initial.dtype}")
    if forcing is not None and (forcing.shape != initial.shape or forcing.dtype != initial.dtype):
        raise ValueError(
            f"forcing must be like the initial states, {shape} {initial.dtype}, "
            f"not {tuple(forcing.shape)} {forcing.dtype}"
        )
    check_times(times)
