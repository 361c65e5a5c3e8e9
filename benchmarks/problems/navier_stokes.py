"""Work and precision of solvers of the vorticity equation, with the published forcing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Literal

import torch
from measuring import Comparison, Point, installed, peak_megabytes, race, relative
from peers import navier_stokes as published
from peers.navier_stokes import CrankNicolsonEuler, FourthOrder
from torch import Tensor

from fsdiff.measures.initial import PowerLawField
from fsdiff.pde.navier_stokes import NavierStokes
from fsdiff.spaces.bases import FourierBasis

PUBLISHED_STEP, BATCH = 1e-4, 20
STEPS = (PUBLISHED_STEP, 1e-3, 1e-2)
FOURTH_ORDER_STEPS = (1e-1, 5e-2, 2.5e-2, 1.25e-2, 6.25e-3, 3.125e-3)
UNSTABLE = 0.1
"""Errors of steps that are too long."""
STABLE_STEPS = 3
"""How many of the others are shown, the longest ones."""
TOLERANCES = (1e-4, 1e-5, 2e-7, 1e-8)
DEFAULT = NavierStokes().tolerance


@dataclass(frozen=True)
class Case:
    """A flow on n × n nodes to time ``end``.

    Errors are measured at the ``horizon``, which the published scheme reaches in a time that can be
    waited for, and once more at the end.
    """

    n: int
    viscosity: float
    end: float
    horizon: float
    repeats: int = 3

    @property
    def system(self) -> NavierStokes:
        """The equations."""
        return NavierStokes(viscosity=self.viscosity)

    @property
    def state(self) -> Tensor:
        """The first initial state, (1, n, n)."""
        return self.states(1)[0]

    def states(self, count: int) -> Tensor:
        """Initial states, (count, 1, n, n)."""
        return PowerLawField().sample(FourierBasis(), self.n, range(count), 0, channels=1)

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.n} × {self.n} nodes, ν = {self.viscosity:g}, to t = {self.end:g}"

    def solve(self, tolerance: float, state: Tensor) -> Tensor:
        """This project's solution: the vorticity at the horizon and at the end, (2, 1, n, n)."""
        times = sorted({self.horizon, self.end})
        found = replace(self.system, tolerance=tolerance).solve(state[None], times)[0]
        return found[[0, -1]]


FULL = (Case(64, 1e-3, 50, 50), Case(256, 1e-3, 50, 1), Case(256, 1e-5, 20, 1))
QUICK = (Case(64, 1e-3, 50, 0.5, 1), Case(256, 1e-3, 50, 0.05, 1))


def comparisons(quick: bool) -> Iterator[Comparison]:
    """One or two comparisons for each case."""
    for case in QUICK if quick else FULL:
        yield from compare(case)


def compare(case: Case) -> Iterator[Comparison]:
    """All solvers and settings: at the horizon, and the faster ones at the end."""
    exact = case.solve(1e-10, case.state)
    own = dict(own_points(case, exact))
    others = {case.end: tuple(fourth_order_points(case, exact[1])) if installed("jax") else ()}
    others[case.horizon] = (*published_points(case, exact[0]), *others.get(case.horizon, ()))
    for time, points in sorted(others.items()):
        errors = f"at t = {time:g}, relative to this project's with a tolerance of 1e-10"
        problem = case.name if len(others) == 1 else f"{case.name}, errors at t = {time:g}"
        if points:
            yield Comparison("Navier–Stokes", problem, errors, (*points, *own[time]))


def published_points(case: Case, exact: Tensor) -> Iterator[Point]:
    """The published scheme: its time per step and the number of steps, and its error."""
    seconds = seconds_per_step(case)
    for step in STEPS:
        field = published.advance(case.system, case.state, step, round(case.horizon / step))
        is_published = step == PUBLISHED_STEP
        few = partial(published.advance, case.system, step=step, steps=4)
        yield Point(
            "Crank–Nicolson + Euler",
            f"step {step:.0e}{' (published)' * is_published}",
            seconds * case.end / step,
            relative(field, exact),
            "peer" if is_published else "other",
            peak_megabytes(few, case.state) if is_published else None,
        )


def own_points(case: Case, exact: Tensor) -> Iterator[tuple[float, list[Point]]]:
    """This project's solver at several tolerances, run to the end: times, and errors there."""
    runs = {tolerance: partial(case.solve, tolerance) for tolerance in TOLERANCES}
    trials = race(runs, [case.state], case.repeats)
    short = replace(case, end=case.horizon)
    memory = peak_megabytes(partial(short.solve, DEFAULT), case.state)
    for place, time in enumerate((case.horizon, case.end)):
        yield (
            time,
            [
                Point(
                    "fsdiff",
                    f"tolerance {tolerance:.0e}{' (default)' * (tolerance == DEFAULT)}",
                    trial.seconds,
                    relative(trial.results[0][place], exact[place]),
                    "default" if tolerance == DEFAULT else "other",
                    memory if tolerance == DEFAULT else None,
                )
                for tolerance, trial in trials.items()
            ],
        )


def fourth_order_points(case: Case, exact: Tensor) -> Iterator[Point]:
    """ETDRK4 in jax, alone, with the longest steps that are stable."""
    for precision in ("float32", "float64"):
        yield from islice(stable_points(case, exact, precision), STABLE_STEPS)


def stable_points(
    case: Case, exact: Tensor, precision: Literal["float32", "float64"]
) -> Iterator[Point]:
    """The time of each step and the number of steps, and the error at the end."""
    few = max(20, 400 * 64**2 // case.n**2)
    for step in FOURTH_ORDER_STEPS:
        steps = round(case.end / step)
        scheme = FourthOrder(case.system, case.n, step, precision)
        error = relative(scheme.advance(case.state, steps), exact)  # compiles
        if error < UNSTABLE:
            trial = race({0: partial(scheme.advance, case.state)}, [few], case.repeats)[0]
            seconds = trial.seconds / few * steps
            yield Point(f"ETDRK4 in jax, {precision}", f"step {step:g}", seconds, error)


def seconds_per_step(case: Case) -> float:
    """Processor time of the published scheme per step and sample, alone or in a batch of 20."""
    steps = max(2, 400 * 64**2 // case.n**2)
    runs = {
        count: CrankNicolsonEuler(case.system, case.states(count), PUBLISHED_STEP).advance
        for count in (1, BATCH)
    }
    trials = race(runs, [steps], case.repeats)
    return min(trial.seconds / count for count, trial in trials.items()) / steps


def batch(size: int, device: torch.device, case: Case = FULL[0]) -> partial:
    """The default solver on as many samples, to the end, for the table of batches."""
    return partial(case.system.solve, case.states(size).to(device), [case.end])
