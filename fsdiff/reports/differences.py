"""Whether experiments differ by more than their seeds do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from fsdiff.reports.labels import REFERENCES
from fsdiff.reports.moments import judged
from fsdiff.reports.plain_text import markdown, number, table_row
from fsdiff.reports.selection import Selection
from fsdiff.reports.summary import (
    Column,
    Known,
    as_table,
    by_count,
    column_title,
    mean_of_all,
    reference,
)

Moment = Literal["first", "last"]


@dataclass(frozen=True, kw_only=True)
class Differences(Selection):
    """How much experiments differ in ``columns`` at one ``resolution``, and how much by chance.

    An analysis of variance of what each experiment and each seed ends at, and the experiment that
    is nearest to the data then. With ``dataset``, of the experiments on that one alone.
    """


CHANCE = """\
*p* is the probability that experiments end as different by chance: an analysis of variance of the
logarithms of what they end at, with seeds as blocks, because samples of one seed start from the
same noise."""


def differences(
    settings: Differences,
    summary: pd.DataFrame,
    trajectories: pd.DataFrame | None,
    known: Known = None,
) -> Iterator[str]:
    """What the numbers are, and the table in Markdown: a row for each column of the summary.

    There is no table where no experiment has samples.
    """
    summary = as_table(summary)
    found = settings.chosen(judged(summary, trajectories, settings.resolution, samples=0))
    if found.empty:
        yield f"There are none: no experiment has samples at resolution {settings.resolution}."
        return
    again = found.duplicated(["experiment", "seed"]).any()
    ranges = ("first moments", "last moments") if again else ("ends",)
    yield f"Ranges of all experiments at their {' and '.join(ranges)}, means over seeds. {CHANCE}"
    yield ""
    counts = by_count(found)
    real = " /".join([REFERENCES["real"] + counts[0][0], *(which[1:] for which, _ in counts[1:])])
    header = ("", *ranges, real, "p", "nearest at the end")
    yield table_row(header)
    yield table_row(["---", *["---:"] * (len(header) - 2), "---"])
    for column in settings.shown(found, known):
        first, last = means(found, column, "first"), means(found, column, "last")
        shown = (first, last) if again else (last,)
        floors = [reference(summary, "real", column, rows) for _, rows in counts]
        yield table_row(
            [
                markdown(column_title(column.name, known)),
                *map(_range, shown),
                " / ".join("–" if np.isnan(floor) else number(floor) for floor in floors),
                _probability(chance(of_seeds(found, column, "last"))),
                _nearest(last, found),
            ]
        )


def of_seeds(found: pd.DataFrame, column: Column, moment: Moment) -> pd.DataFrame:
    """Deviations of each experiment (rows) and seed (columns) at the first or the last moment.

    ``found`` are the rows of ``fsdiff.reports.moments.judged``.
    """
    ends = _at(moment, found, column)
    return ends.pivot(index="experiment", columns="seed", values="deviation")


def means(found: pd.DataFrame, column: Column, moment: Moment) -> pd.Series:
    """The mean deviation of each experiment then, NaN if one of its seeds has no number."""
    return _at(moment, found, column).groupby("experiment")["deviation"].agg(mean_of_all)


def _at(moment: Moment, found: pd.DataFrame, column: Column) -> pd.DataFrame:
    """The row of each experiment and seed at the first or the last moment, with its deviation."""
    ends = found.assign(deviation=column.deviation(found))
    return ends.drop_duplicates(["experiment", "seed"], keep=moment)


def chance(ends: pd.DataFrame) -> float:
    """The probability that positive results of equal means differ as much by chance.

    Two-way analysis of variance, without repetition, of the logarithms: rows are what is compared,
    columns are blocks. Blocks that lack a value are left out. NaN where fewer than two rows or two
    blocks are left, and where a result is zero or infinite, which has no logarithm.
    """
    values = ends.dropna(axis="columns").to_numpy(float)
    rows, blocks = values.shape
    if rows < 2 or blocks < 2 or not (np.isfinite(values) & (values > 0)).all():
        return float("nan")
    logarithms = np.log(values)
    if not np.ptp(logarithms, axis=0).any():
        return 1.0
    of_rows, of_blocks = logarithms.mean(1, keepdims=True), logarithms.mean(0, keepdims=True)
    rest = logarithms - of_rows - of_blocks + logarithms.mean()
    freedom = (rows - 1, (rows - 1) * (blocks - 1))
    explained = blocks * np.square(of_rows - logarithms.mean()).sum() / freedom[0]
    unexplained = np.square(rest).sum() / freedom[1]
    # Where seeds shift all rows alike nothing is left to chance.
    from scipy.stats import f  # a second that only those pay who need it

    return float(f.sf(explained / unexplained, *freedom)) if unexplained > 0 else 0.0


def _range(ends: pd.Series) -> str:
    """The least and the largest, one number where they are as good as the same."""
    if ends.isna().all():
        return "–"
    return " to ".join(dict.fromkeys([number(ends.min()), number(ends.max())]))


def _nearest(ends: pd.Series, found: pd.DataFrame) -> str:
    """The title of the experiment that ends nearest to the data, on average."""
    if ends.isna().all():
        return ""
    return markdown(found.loc[found["experiment"] == ends.idxmin(), "title"].iloc[0])


def _probability(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2g}"
