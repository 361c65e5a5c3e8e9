"""Rows of the table of posteriors, ``results/posteriors.csv``: what they are, and are beside.

A row is a posterior of one seed at one resolution, or a baseline: ``row`` is "posterior", "prior"
(draws that know no data), "kriging" (the best linear estimate), "ensemble" (an ensemble of the
prior that has taken the data in), "bicubic" and "harmonic" (restorations that have one answer and
no spread), "laplace" (the Gaussian law about the most probable field) or "reference" (one half of
its draws against the other, the floor).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from fsdiff.reports.labels import labels
from fsdiff.reports.summary import Column

BASELINES = {
    "prior": "prior, without data",
    "kriging": "kriging",
    "ensemble": "ensemble smoother",
    "bicubic": "bicubic interpolation",
    "harmonic": "harmonic inpainting",
    "laplace": "Laplace",
    "reference": "reference, half against half",
}
"""Value of ``row`` → what the reader sees."""

IDENTITY = ("observation", "row", "posterior", "title", "experiment", "seed", "resolution")
"""Columns that say what was judged; all others are results."""

NAMES = ("observation", "row", "posterior", "title", "experiment")
"""Columns of text."""

MEAN, DEVIATION, SCORE, COVERAGE = "posterior_mean", "posterior_sd", "crps", "coverage_90"
"""Results that figures and verdicts are about."""


def as_table(rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows as a data frame; ValueError for columns that are absent and rows of no kind."""
    table = rows.copy() if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    absent = [name for name in ("observation", "row", "resolution") if name not in table]
    if absent:
        raise ValueError(f"the table of posteriors has no column {', '.join(absent)}")
    known = ["posterior", *BASELINES]
    if unknown := set(table["row"]) - set(known):
        raise ValueError(
            f"unknown kind of row {sorted(unknown)} in the table of posteriors; known: "
            f"{', '.join(known)}"
        )
    defaults = {"posterior": table.get("title", ""), "title": "", "seed": 0}
    return table.assign(**{name: value for name, value in defaults.items() if name not in table})


def observations(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of each observation by name, in the table's order."""
    return {str(name): part for name, part in table.groupby("observation", sort=False)}


def posteriors(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of each posterior (all seeds and resolutions) by name, in the table's order."""
    rows = table[table["row"] == "posterior"]
    return dict(list(rows.groupby("posterior", sort=False)))


def titles(table: pd.DataFrame) -> dict[str, str]:
    """What posteriors are called, by name."""
    firsts = {name: rows["title"].iloc[0] for name, rows in posteriors(table).items()}
    return labels(firsts, {name: text for name, text in firsts.items() if pd.notna(text)})


def baseline(table: pd.DataFrame, kind: str, column: Column) -> float:
    """Mean deviation of a baseline's rows; NaN if the table has none."""
    return float(column.deviation(table[table["row"] == kind]).mean())
