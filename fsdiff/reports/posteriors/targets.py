"""What a study sets itself to reach with its posteriors, and whether it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, FiniteFloat, PositiveInt

from fsdiff.metrics.results import parsed
from fsdiff.reports.plain_text import markdown, table_row
from fsdiff.reports.posteriors.summary import BASELINES, DEVIATION, MEAN, as_table
from fsdiff.reports.summary import Known, column_title

Text = Annotated[str, Field(min_length=1)]
Baseline = Literal["prior", "kriging", "ensemble", "bicubic", "harmonic", "laplace", "reference"]

CHANCE = {MEAN: 1.0, DEVIATION: 0.5}
"""Times 1/N + 1/M, the mean square that N draws of the true posterior have against M others.

Of Gaussian posteriors, and in units of their deviations.
"""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A bound that is set before a study runs: a number from ``at_least`` to ``at_most``.

    The number is ``metric``, a column of the table of posteriors, of a ``posterior`` or of the
    ``baseline`` of an ``observation``, at ``resolution``. ``against`` another posterior, or a
    baseline of the same observation, it is the ratio to that, at ``against_resolution`` if this is
    another one. ``statement`` says in words what is to be reached.

    Of errors of the mean and the deviation, what as many draws of the true posterior would have is
    taken off, in squares; ratios are those of the numbers as they are.
    """

    statement: Text
    metric: Text
    resolution: PositiveInt
    posterior: Text | None = None
    baseline: Baseline | None = None
    observation: Text | None = None
    against: Text | None = None
    against_resolution: PositiveInt | None = None
    at_least: FiniteFloat | None = None
    at_most: FiniteFloat | None = None

    def __post_init__(self) -> None:
        """Refuse targets about nothing, and about two things."""
        of_posterior = self.posterior is not None
        of_baseline = self.baseline is not None and self.observation is not None
        if of_posterior == of_baseline or (of_posterior and self.baseline is not None):
            raise ValueError("give a posterior, or a baseline and its observation")
        if self.against_resolution and not self.against:
            raise ValueError("against_resolution: say against what, too")
        low, high = self.bounds
        if not low < high or (low, high) == (-np.inf, np.inf):
            raise ValueError("give at_least or at_most, and more for this than for that")

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest number that it allows."""
        low = -np.inf if self.at_least is None else self.at_least
        return low, np.inf if self.at_most is None else self.at_most

    def measured(self, rows: pd.DataFrame) -> float:
        """The number, a mean over seeds; LookupError, with the reason, where there is none."""
        table = as_table(rows)
        own = self._own(table)
        value = self._number(own, self.resolution)
        if self.against is None:
            return value
        other = table[(table["row"] == "posterior") & (table["posterior"] == self.against)]
        if self.against in BASELINES:
            there = table["observation"].isin(own["observation"])
            other = table[there & (table["row"] == self.against)]
        unit = self._number(other, self.against_resolution or self.resolution)
        if not unit:
            raise LookupError("what it is to be a ratio to is zero")
        return value / unit

    def by_chance(self, draws: int, reference: int) -> float:
        """The number of as many draws of the true posterior, if it is known; 0 if it is not."""
        share = 0.0 if self.against else CHANCE.get(parsed(self.metric)[0], 0.0)
        return float(np.sqrt(share * (1 / draws + 1 / reference)))

    def met(self, value: float) -> bool:
        """Whether a number is within the bounds."""
        low, high = self.bounds
        return low <= value <= high

    def _own(self, table: pd.DataFrame) -> pd.DataFrame:
        if self.posterior is not None:
            return table[(table["row"] == "posterior") & (table["posterior"] == self.posterior)]
        there = table["observation"] == self.observation
        return table[there & (table["row"] == self.baseline)]

    def _number(self, rows: pd.DataFrame, resolution: int) -> float:
        there = rows[rows["resolution"] == resolution]
        values = there[self.metric].dropna() if self.metric in there else pd.Series(dtype=float)
        if values.empty:
            raise LookupError("there is no such number, as where no reference has converged")
        return float(values.mean())


def targets(
    items: Sequence[Target],
    rows: pd.DataFrame,
    known: Known = None,
    chance: Sequence[float] = (),
) -> list[str]:
    """A table in Markdown, a row for each target: what was measured, and whether it is met.

    ``chance`` is what ``by_chance`` gives of each, which is taken off; nothing if absent.
    """
    header = ("target", "measured", "", "met")
    floors = chance or [0.0] * len(items)
    body = [_row(item, rows, known, floor) for item, floor in zip(items, floors, strict=True)]
    return [table_row(cells) for cells in (header, ("---", "---", "---:", "---"), *body)]


def _row(item: Target, rows: pd.DataFrame, known: Known, floor: float) -> tuple[str, ...]:
    what = f"{_what(item, known)}, {_bounds(item)}"
    try:
        value = item.measured(rows)
    except LookupError as error:
        return markdown(item.statement), what, "–", f"not measured: {markdown(str(error.args[0]))}"
    if floor:
        what += f" beyond chance ({value:.3g} in all, of which {floor:.3g} by chance)"
        value = max(value**2 - floor**2, 0.0) ** 0.5
    return markdown(item.statement), what, f"{value:.3g}", "yes" if item.met(value) else "**no**"


def _what(item: Target, known: Known) -> str:
    """What the number is, in words."""
    of = item.posterior or f"{BASELINES[str(item.baseline)]} of {item.observation}"
    what = f"{column_title(item.metric, known)} of {of} at {item.resolution}"
    if item.against:
        what += f" over that of {BASELINES.get(item.against, item.against)}"
        what += f" at {item.against_resolution}" if item.against_resolution else ""
    return markdown(what)


def _bounds(item: Target) -> str:
    low, high = item.bounds
    if np.isfinite([low, high]).all():
        return f"{low:g} to {high:g}"
    return f"at most {high:g}" if np.isfinite(high) else f"at least {low:g}"
