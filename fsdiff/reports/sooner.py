"""How much sooner some experiments get as near to the data as others ever do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, NonNegativeInt

from fsdiff.reports.differences import chance, of_seeds
from fsdiff.reports.moments import judged
from fsdiff.reports.plain_text import markdown, number, table_row
from fsdiff.reports.selection import Selection
from fsdiff.reports.summary import Column, Known, as_table, column_title


@dataclass(frozen=True, kw_only=True)
class Sooner(Selection):
    """How much sooner experiments are as near to the data as the nearest moment of ``against``.

    For each of ``columns`` at one ``resolution``, and seed by seed: the time that those take to it
    by the time of an experiment's first moment that is as near; with ``dataset``, of experiments on
    that one alone. Time is that of training and of drawing ``samples`` samples; with
    ``same_sampler`` the median of all sampling times stands for each. With ``significance`` the
    columns are shown whose last moments differ by more than chance, p < ``significance``, with null
    all of them.
    """

    against: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    samples: NonNegativeInt = 0
    same_sampler: bool = False
    significance: Annotated[float, Field(gt=0, lt=1)] | None = 0.05


def sooner(
    settings: Sooner,
    summary: pd.DataFrame,
    trajectories: pd.DataFrame | None,
    known: Known = None,
) -> Iterator[str]:
    """The table in Markdown, a row for each experiment that is none of ``against``; and what it is.

    There is no table where no column is known to differ by more than chance.
    """
    summary = as_table(summary)
    samples, same = settings.samples, settings.same_sampler
    moments = judged(summary, trajectories, settings.resolution, samples, same_sampler=same)
    found = settings.chosen(moments)
    shown, chances = list(settings.shown(found, known)), list[float]()
    if (limit := settings.significance) is not None:
        chances = [chance(of_seeds(found, column, "last")) for column in shown]
        shown = [column for column, p in zip(shown, chances, strict=True) if p < limit]
    goals = found["experiment"].isin(settings.against)
    if not goals.any():
        yield f"There is none: none of {', '.join(map(markdown, settings.against))} has samples."
        return
    yield _legend(settings, found[goals])
    yield ""
    if not shown:
        yield _nothing(chances)
        return
    yield table_row(["", *(markdown(column_title(column.name, known)) for column in shown)])
    yield table_row(["---", *["---:"] * len(shown)])
    for _, rows in found[~goals].groupby("experiment", sort=False):
        factors = (times_sooner(rows, found[goals], column) for column in shown)
        yield table_row([markdown(rows["title"].iloc[0]), *map(_cell, factors)])


def times_sooner(rows: pd.DataFrame, against: pd.DataFrame, column: Column) -> list[float]:
    """How many times sooner, for each seed of an experiment; infinitely later is 0.

    NaN for seeds that those it is compared with lack. Rows are those of
    ``fsdiff.reports.moments.judged``.
    """
    return [
        _factor(moments, against[against["seed"] == seed], column)
        for seed, moments in rows.groupby("seed")
    ]


def _factor(rows: pd.DataFrame, against: pd.DataFrame, column: Column) -> float:
    goals = column.deviation(against).dropna()
    if goals.empty:
        return float("nan")
    near = rows[column.deviation(rows) <= goals.min()]
    return float(against["time"].loc[goals.idxmin()] / near["time"].min()) if len(near) else 0.0


def _nothing(chances: Sequence[float]) -> str:
    """Why there is no table, by what is known of chance."""
    if not np.isnan(chances).any():
        return "There is none: nothing differs by more than chance."
    return (
        "There is none: whether anything differs by more than chance is not known, for want of two "
        "experiments with two seeds in common, or because a result is zero."
    )


def _legend(settings: Sooner, against: pd.DataFrame) -> str:
    names = " or ".join(f"*{markdown(title)}*" for title in against["title"].unique())
    time = "training" + (f" and drawing {settings.samples} samples" if settings.samples else "")
    text = (
        f"The time of {time} to the nearest moment of {names}, seed by seed, by the time to an "
        "experiment's first moment that is as near."
    )
    if settings.same_sampler:
        text += " Network and sampler are the same: the median of sampling times stands for all."
    if settings.significance is not None:
        limit = f"p < {settings.significance:g}"
        text += f" Columns are those whose last moments differ by more than chance ({limit})."
    return text


def _cell(factors: Sequence[float]) -> str:
    """One number for each seed."""
    return ", ".join(
        "–" if np.isnan(factor) else number(factor) if factor else "never" for factor in factors
    )
