"""Work and precision of solvers of the Burgers equation, from the published initial law."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from measuring import Comparison, Point, peak_megabytes, race, relative
from peers import burgers as published
from torch import Tensor

from fsdiff.data.sources.burgers import BurgersData
from fsdiff.pde.burgers import Burgers

NODES = 8192
"""Of the published data."""

STEPS = (1_000, 10_000)
TOLERANCES = (1e-4, 1e-5, 1e-7, 1e-9)
DEFAULT = Burgers().tolerance


@dataclass(frozen=True)
class Case:
    """Waves to time 1 on ``n`` nodes."""

    viscosity: float
    n: int = NODES
    repeats: int = 3

    @property
    def system(self) -> Burgers:
        """The equation."""
        return Burgers(self.viscosity)

    @property
    def state(self) -> Tensor:
        """The first initial state, (1, n)."""
        return BurgersData(resolution=self.n).initial_state(0, 0)[0]

    def solve(self, tolerance: float, state: Tensor) -> Tensor:
        """This project's solution at the end, (1, n)."""
        return replace(self.system, tolerance=tolerance).solve(state[None], [1.0])[0, 0]


FULL = (Case(0.1), Case(0.01))
QUICK = (Case(0.1, 512, 1),)


def comparisons(quick: bool) -> Iterator[Comparison]:
    """One comparison for each case."""
    yield from map(compare, QUICK if quick else FULL)


def compare(case: Case) -> Comparison:
    """All solvers and settings."""
    exact = case.solve(1e-11, case.state)
    points = (*published_points(case, exact), *own_points(case, exact))
    problem = f"{case.n} nodes, ν = {case.viscosity:g}, to t = 1"
    errors = "at the end, relative to this project's with a tolerance of 1e-11"
    return Comparison("Burgers", problem, errors, points)


def published_points(case: Case, exact: Tensor) -> Iterator[Point]:
    """The published scheme in steps of several lengths."""
    runs = {steps: partial(published.advance, case.system, end=1.0, steps=steps) for steps in STEPS}
    for steps, trial in race(runs, [case.state], case.repeats).items():
        finest = steps == max(STEPS)
        yield Point(
            "Fourier splitting + Euler",
            f"{steps:,} steps",
            trial.seconds,
            relative(trial.results[0], exact),
            "peer" if finest else "other",
            peak_megabytes(runs[steps], case.state) if finest else None,
        )


def own_points(case: Case, exact: Tensor) -> Iterator[Point]:
    """This project's solver at several tolerances."""
    runs = {tolerance: partial(case.solve, tolerance) for tolerance in TOLERANCES}
    for tolerance, trial in race(runs, [case.state], case.repeats).items():
        is_default = tolerance == DEFAULT
        yield Point(
            "fsdiff",
            f"tolerance {tolerance:.0e}{' (default)' * is_default}",
            trial.seconds,
            relative(trial.results[0], exact),
            "default" if is_default else "other",
            peak_megabytes(runs[tolerance], case.state) if is_default else None,
        )


def batch(size: int, device: torch.device) -> partial:
    """The default solver on as many samples, to time 1, for ``batches``."""
    source = BurgersData(resolution=NODES)
    states = torch.stack([source.initial_state(index, 0)[0] for index in range(size)]).to(device)
    return partial(Burgers().solve, states, [1.0])
