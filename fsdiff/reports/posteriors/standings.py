"""How near posteriors come to the true one, or without a reference, what their score is."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fsdiff.reports.posteriors.summary import (
    BASELINES,
    COVERAGE,
    DEVIATION,
    MEAN,
    SCORE,
    as_table,
    observations,
    posteriors,
    titles,
)
from fsdiff.reports.summary import mean_of_all

Numbers = Sequence[Mapping[str, float]]
"""What was judged of each case."""

ByCase = Mapping[tuple[str, int, str, str], Sequence[Numbers]]
"""By observation, resolution, kind of row and posterior: the numbers of each seed."""


@dataclass(frozen=True)
class Place:
    """What is known of a posterior or a baseline, NaN where it is not: means over seeds.

    ``mean`` is ‖μ − μ*‖ and ``deviation`` ‖σ − σ*‖, both over the root mean square of σ*;
    ``score`` is the CRPS. ``coverage`` is that of central 90 % intervals, which for a right
    posterior is from ``low`` to ``high`` in 95 % of such studies; where these are known, it is that
    of the first seed, as they are. ``draws`` is how many there are.
    ``distances`` and ``scores`` are those of each case, where these are known.
    """

    name: str
    mean: float = math.nan
    deviation: float = math.nan
    score: float = math.nan
    coverage: float = math.nan
    low: float = math.nan
    high: float = math.nan
    draws: int = 0
    distances: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()

    @property
    def distance(self) -> float:
        """√(mean² + deviation²), the 2-Wasserstein distance of Gaussian laws at the nodes.

        Of marginal laws with these means and deviations, in the mean square over nodes, and in
        units of the true deviation.
        """
        return math.hypot(self.mean, self.deviation)


class Difference(NamedTuple):
    """By how much values of some cases are larger than others, paired, with a 95 % interval."""

    mean: float
    low: float
    high: float
    cases: int

    @property
    def by_chance(self) -> bool:
        """Whether these cases could not show that there is one."""
        return self.low <= 0 <= self.high

    @classmethod
    def of(cls, larger: Sequence[float], smaller: Sequence[float]) -> "Difference | None":
        """That of values case by case, by Student's t; None for fewer than two cases."""
        if len(larger) != len(smaller) or len(larger) < 2:
            return None
        from scipy.stats import t  # a second that only those pay who need it

        apart = np.subtract(larger, smaller)
        mean, error = float(apart.mean()), float(apart.std(ddof=1)) / len(apart) ** 0.5
        reach = float(t.ppf(0.5 + LEVEL / 2, len(apart) - 1)) * error
        return cls(mean, mean - reach, mean + reach, len(apart))


LEVEL = 0.95
"""Of intervals of differences."""


@dataclass(frozen=True)
class Standing:
    """The posteriors of an observation at one resolution, the nearest to the true one first.

    Without a converged reference they are in the order of their scores. ``remark`` says why the
    reference is none, ``reference_draws`` how many it has. ``notes`` are sentences besides.
    """

    observation: str
    title: str
    resolution: int
    places: tuple[Place, ...]
    baselines: Mapping[str, Place] = field(default_factory=dict)
    remark: str = ""
    reference_draws: int = 0
    notes: tuple[str, ...] = ()

    @property
    def against_reference(self) -> bool:
        """Whether there is a reference that posteriors are compared with."""
        return any(not math.isnan(place.distance) for place in self.places)

    def value(self, place: Place) -> float:
        """What decides the order: the distance from the reference, or the score."""
        return place.distance if self.against_reference else place.score

    def difference(self, place: Place, best: Place) -> Difference | None:
        """By how much another is farther than the best, case by case; None if that is unknown."""
        kind = "distances" if self.against_reference else "scores"
        return Difference.of(getattr(place, kind), getattr(best, kind))

    @property
    def everyone(self) -> tuple[Place, ...]:
        """Posteriors and baselines but for the reference itself, in the same order."""
        beside = [place for kind, place in self.baselines.items() if kind != "reference"]
        return tuple(sorted([*self.places, *beside], key=lambda item: _last(self.value(item))))

    def by_chance(self, place: Place) -> float:
        """The distance of as many draws of the true posterior, were it Gaussian.

        1/N + 1/M of the square is due to the means of N draws and of the reference's M, half as
        much to their deviations.
        """
        if not place.draws or not self.reference_draws:
            return math.nan
        return math.sqrt(1.5 * (1 / place.draws + 1 / self.reference_draws))


def posterior_standings(
    rows: pd.DataFrame,
    calibrated: Mapping[tuple[str, int], Mapping[str, Any]],
    called: Mapping[str, str] | None = None,
    by_case: ByCase | None = None,
    notes: Mapping[tuple[str, int], Sequence[str]] | None = None,
) -> list[Standing]:
    """The standing of each observation in the table of posteriors, in its order.

    It is that at the finest resolution at which some posterior is compared with a reference, or
    without one, at the finest of all. ``calibrated`` has by observation and resolution what
    ``fsdiff.stages.posterior_pages`` writes; ``called`` are titles of observations by name.
    ``by_case`` has by observation, resolution, kind of row and name of the posterior, which is
    empty for baselines, the numbers of each case, a list for each seed. ``notes`` are sentences
    about an observation at a resolution.
    """
    table, called = as_table(rows), called or {}
    return [
        _standing(name, part, calibrated, called.get(name, name), by_case or {}, notes or {})
        for name, part in observations(table).items()
        if (part["row"] == "posterior").any()
    ]


def _standing(
    name: str,
    table: pd.DataFrame,
    calibrated: Mapping[tuple[str, int], Mapping[str, Any]],
    title: str,
    by_case: ByCase,
    notes: Mapping[tuple[str, int], Sequence[str]],
) -> Standing:
    called, finest = titles(table), _finest(table)
    table, about = table[table["resolution"] == finest], calibrated.get((name, finest), {})
    told = {row["posterior"]: row for row in about.get("rows", ())}
    found = Standing(
        observation=name,
        title=title,
        resolution=finest,
        places=tuple(
            _place(
                called[own],
                part,
                told.get(own, {}),
                by_case.get((name, finest, "posterior", own), ()),
            )
            for own, part in posteriors(table).items()
        ),
        baselines={
            kind: _place(
                label,
                table[table["row"] == kind],
                {},
                by_case.get((name, finest, kind, ""), ()),
            )
            for kind, label in BASELINES.items()
            if (table["row"] == kind).any()
        },
        remark=str(about.get("remark", "")),
        reference_draws=_reference_draws(name, finest, calibrated),
        notes=tuple(notes.get((name, finest), ())),
    )
    ordered = sorted(found.places, key=lambda place: _last(found.value(place)))
    return Standing(**{**vars(found), "places": tuple(ordered)})


def _reference_draws(
    name: str, resolution: int, calibrated: Mapping[tuple[str, int], Mapping[str, Any]]
) -> int:
    """How many draws the reference has at this resolution or the finest below; 0 if unknown."""
    found = {
        n: int(row["draws"])
        for (observation, n), about in calibrated.items()
        for row in about.get("rows", ())
        if observation == name and n <= resolution and not row["posterior"]
    }
    return found[max(found)] if found else 0


def _finest(table: pd.DataFrame) -> int:
    """The finest resolution at which posteriors are compared with a reference, or else of all."""
    rows = table[table["row"] == "posterior"]
    compared = rows[rows[MEAN].notna()] if MEAN in rows else rows[:0]
    return int((compared if len(compared) else rows)["resolution"].max())


def _place(
    name: str, rows: pd.DataFrame, told: Mapping[str, Any], by_case: Sequence[Numbers]
) -> Place:
    mean, deviation, score, coverage = (
        mean_of_all(rows[column]) if column in rows else math.nan
        for column in (MEAN, DEVIATION, SCORE, COVERAGE)
    )
    return Place(
        name,
        mean,
        deviation,
        score,
        float(told.get("coverage", coverage)),
        float(told.get("low", math.nan)),
        float(told.get("high", math.nan)),
        int(told.get("draws", 0)),
        _each(by_case, lambda one: math.hypot(one[MEAN], one[DEVIATION]), (MEAN, DEVIATION)),
        _each(by_case, lambda one: one[SCORE], (SCORE,)),
    )


def _each(
    seeds: Sequence[Numbers], value: Callable[[Mapping[str, float]], float], names: Sequence[str]
) -> tuple[float, ...]:
    """A value of each case, the mean over seeds; nothing where it is not known of all."""
    known = all(name in one for cases in seeds for one in cases for name in names)
    if not seeds or not known:
        return ()
    return tuple(np.mean([[value(one) for one in cases] for cases in seeds], 0).tolist())


def _last(value: float) -> float:
    """Unknown values come last."""
    return math.inf if math.isnan(value) else value
