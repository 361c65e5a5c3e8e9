"""The viscous Burgers equation on a periodic interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.pde.exponential import IMAGINARY_STABILITY, Weights
from fsdiff.pde.integrators import IntegrationError, Tolerance, attainable
from fsdiff.pde.stepping import SURVEY_INTERVAL, ExponentialStepper, norm
from fsdiff.pde.times import check_times
from fsdiff.threads import single_thread

_SIZES = sorted(base * 2**power for base in (2, 3) for power in range(2, 16))
"""Nodes of the grids that a solution is computed on."""

STEEPEST = 3e4
"""The largest height of a front times ``length`` over ν, which the finest grid resolves: it takes
about three nodes for each unit (measured)."""

_EDGE = 0.7
"""Modes beyond this share of the cutoff are the highest."""

_COARSER_SHARE = 0.25
"""A coarser grid is taken once its highest modes are so far below what they are allowed."""

_PATIENCE = 8
"""Steps made on a grid before a coarser one is taken."""


@dataclass(frozen=True)
class Burgers:
    """u_t + u u_x = ν u_xx on a periodic interval of the given ``length``.

    Discretised by the Fourier–Galerkin method, whose products are free of aliasing. The number of
    modes follows the spectrum, down and up, so that the solution is that of the equation and not
    of a grid: modes that are left out carry a share of about ``tolerance`` of u in L². The mean of
    u is kept exactly. All quantities are dimensionless.

    ``tolerance`` is the error allowed to a time step, relative to u in L². The relative error of
    the solution is below 1e-6 for the default, with shocks as well (measured: ν from 0.1 to 1e-3,
    t ≤ 1, initial states of order one).

    Good values: ν = 0.1 is that of Li et al. (arXiv 2010.08895); fronts are about 4ν over their
    height wide, so that ν = 1e-3 takes some 4096 nodes while there is a shock, and is about the
    least that can be solved for states of order one.
    """

    viscosity: PositiveFloat = 0.1
    length: PositiveFloat = 1.0
    tolerance: Tolerance = 1e-7

    @single_thread()
    def solve(self, initial: Tensor, times: Sequence[float]) -> Tensor:
        """u at ``times``, shape (batch, time, 1, n), from ``initial`` (batch, 1, n).

        Nodes are j/n of the length; states are given and returned by the modes |k| < n/2 that these
        resolve, whatever the number that the solution itself needs. Runs in the precision and on
        the device of ``initial``. ``times`` increase, from 0 or later.

        Every sample is integrated by itself with its own steps, so that it does not depend on the
        batch it is in. Raises ``IntegrationError``, naming the sample's position in the batch,
        where a solution is not finite or its fronts are too steep to follow.
        """
        _check(initial, times)
        solution = initial.new_empty((len(initial), len(times), *initial.shape[1:]))
        for position, sample in enumerate(initial):
            try:
                wave = _Wave(self, sample[0], times[-1])
                for frame, time in zip(solution[position], times, strict=True):
                    wave.advance(time)
                    frame[0] = wave.values(sample.shape[-1])
            except IntegrationError as error:
                raise IntegrationError(
                    f"position {position} in the batch of {len(initial)}: {error} after "
                    f"t = {error.time:g}; initial values must be finite and of moderate size, "
                    f"these reach {sample.abs().max().item():g}",
                    error.time,
                ) from error
        return solution


class _Grid:
    """The modes 0 ≤ k ≤ cutoff < n/3 on n nodes, and the operators on them.

    Coefficients are those of ``rfft`` up to the cutoff, seen as real numbers: (cutoff + 1, 2).
    """

    def __init__(self, n: int, length: float, dtype: torch.dtype, device: torch.device) -> None:
        self.n, self.cutoff = n, (n - 1) // 3
        omega = 2 * math.pi / length * torch.arange(n // 2 + 1, dtype=torch.float64)
        self.squared, self.highest = omega[: self.cutoff + 1].square(), float(omega[self.cutoff])
        complex_dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
        self.symbol = (-0.5j * omega).to(device, complex_dtype)
        self.dtype, self.device = dtype, device

    def values(self, state: Tensor) -> Tensor:
        """u on the nodes, (n,)."""
        return torch.fft.irfft(torch.view_as_complex(state), self.n, norm="forward")

    def advection(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """The coefficients of −(u²/2)_x, and those beyond the cutoff, folded on each other."""
        square = torch.fft.rfft(self.values(state).square_(), norm="forward")
        slope = torch.view_as_real(square * self.symbol)
        return slope[: self.cutoff + 1], slope[self.cutoff + 1 :]

    def edge(self, state: Tensor) -> float:
        """Norm of what a state on this or a finer grid has beyond 0.7 of this grid's cutoff."""
        return norm(state[int(_EDGE * self.cutoff) + 1 :])

    def weights(self, viscosity: float, step: float) -> Weights:
        """Coefficients of a time step."""
        weights = Weights.of(viscosity * self.squared, step)
        return weights.map(lambda w: w[:, None].to(self.device, self.dtype))


@lru_cache(maxsize=64)
def _grid(n: int, length: float, dtype: torch.dtype, device: torch.device) -> _Grid:
    return _Grid(n, length, dtype, device)


class _Wave(ExponentialStepper):
    """One solution: its coefficients on as coarse a grid as carries them."""

    def __init__(self, system: Burgers, initial: Tensor, end: float) -> None:
        self.viscosity = system.viscosity
        self.about = (system.length, initial.dtype, initial.device)
        modes = (len(initial) + 1) // 2
        state = torch.view_as_real(torch.fft.rfft(initial, norm="forward"))[:modes]
        if not math.isfinite(norm(state)):
            raise IntegrationError("the initial state is not finite", 0.0)
        allowed = attainable(system.tolerance, initial.dtype) * norm(state)
        self.position = self.refined = 0
        while self.grid.edge(state) > allowed:
            self.position += 1
        rate = self.viscosity * self.grid.highest**2
        super().__init__(end, system.tolerance, initial.dtype, rate)
        self.restart(_resized(state, self.grid.cutoff + 1))
        while self._lost(self.accurate_step) > allowed:
            self._move(1)

    @property
    def grid(self) -> _Grid:
        """The present grid."""
        return _grid(_SIZES[self.position], *self.about)

    def values(self, n: int) -> Tensor:
        """u on n nodes, by the modes that these resolve, (n,)."""
        coefficients = torch.view_as_complex(_resized(self.state, (n + 1) // 2))
        return torch.fft.irfft(coefficients, n, norm="forward")

    def derivative(self, state: Tensor) -> Tensor:
        """−u u_x."""
        slope, self.beyond = self.grid.advection(state)
        return slope

    def weigh(self, step: float) -> Weights:
        """Coefficients of a step on the present grid."""
        return self.grid.weights(self.viscosity, step)

    def carries(self, state: Tensor) -> bool:
        """Whether the highest modes have little of a new state; if not, the grid is made finer.

        So has to be what its products make beyond them, where a few modes alone are filled.
        """
        allowed = self.tolerance * norm(state)
        if self.grid.edge(state) <= allowed and self._lost(self.step) <= allowed:
            return True
        self._move(1)
        self.refined = self.accepted
        return False

    def survey(self) -> None:
        """Go to a coarser grid where that suffices; choose the longest stable step by u."""
        coarser = _grid(_SIZES[max(self.position - 1, 0)], *self.about)
        allowed = _COARSER_SHARE * self.tolerance * norm(self.state)
        settled = self.accepted >= self.refined + _PATIENCE
        if self.position and settled and self._expected(coarser) <= allowed:
            self._move(-1)
        frequency = self.grid.highest * self.grid.values(self.state).abs().max().item()
        limit = IMAGINARY_STABILITY / frequency if frequency > 0 else self.end
        self.stable_step = min(limit, self.end)

    def _lost(self, step: float) -> float:
        """Norm of what a step leaves out beyond the modes of the grid, by the last derivative."""
        return self._lasting(self.grid, step) * norm(self.beyond)

    def _expected(self, coarser: _Grid) -> float:
        """Norm of what the highest modes of a coarser grid have, or will before the next survey."""
        ahead = self._lasting(coarser, SURVEY_INTERVAL * self.step)
        return max(coarser.edge(self.state), ahead * coarser.edge(self.slope))

    def _lasting(self, grid: _Grid, time: float) -> float:
        """How long what is made of the highest modes in a time stays before it decays."""
        return min(time, 1 / (self.viscosity * grid.highest**2))

    def _move(self, by: int) -> None:
        """Go on, on the next finer or coarser grid."""
        if self.position + by >= len(_SIZES):
            raise IntegrationError(
                f"fronts are steeper than {_SIZES[-1]:,} nodes resolve; use more viscosity than "
                f"{self.viscosity:g}",
                self.time,
            )
        self.position += by
        self.restart(_resized(self.state, self.grid.cutoff + 1))


def _resized(state: Tensor, modes: int) -> Tensor:
    """The first ``modes`` modes, zeros for those that there are none of."""
    missing = modes - len(state)
    if missing <= 0:
        return state[:modes].contiguous()
    return torch.cat([state, state.new_zeros((missing, 2))])


def _check(initial: Tensor, times: Sequence[float]) -> None:
    shape = tuple(initial.shape)
    if len(shape) != 3 or shape[1] != 1 or shape[2] < 4:
        raise ValueError(f"initial states have shape (batch, 1, n), n ≥ 4, not {shape}")
    if initial.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"initial states are float32 or float64 numbers, not {initial.dtype}")
    check_times(times)
