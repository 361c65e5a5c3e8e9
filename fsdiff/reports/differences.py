"""Whether experiments differ by more than their seeds do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from fsdiff.reports.labels import REFERENCES
from fsdiff.reports.moments import judged
from fsdiff.reports.plain_text import markdown, number, table_row
from fsdiff.reports.selection import Selection
from fsdiff.reports.summary import Column, Known, as_table, column_title, reference


@dataclass(frozen=True, kw_only=True)
class Differences(Selection):
    """How much experiments differ in ``columns`` at one ``resolution``, and how much by chance.

    An analysis of variance of what each experiment and each seed ends at, and the experiment that
    is nearest to the data then. With ``dataset``, of the experiments on that one alone.
    """


LEGEND = """\
Ranges of all experiments, means over seeds, at the first and at the last moments at which their
samples were judged. *p* is the probability that the last ones differ as much by chance: an analysis
of variance of their logarithms with seeds as blocks, because samples of one seed start from the
same noise."""

HEADER = ("", "first moments", "last moments", REFERENCES["real"], "p", "nearest at last")


def differences(
    settings: Differences,
    summary: pd.DataFrame,
    trajectories: pd.DataFrame | None,
    known: Known = None,
) -> Iterator[str]:
    """The table in Markdown: a row for each column of the summary."""
    summary = as_table(summary)
    chosen = settings.chosen(summary)
    found = settings.chosen(judged(summary, trajectories, settings.resolution, samples=0))
    yield table_row(HEADER)
    yield table_row(["---", *["---:"] * (len(HEADER) - 2), "---"])
    for column in settings.shown(found, known):
        first, last = of_seeds(found, column, "first"), of_seeds(found, column, "last")
        floor = reference(chosen, "real", column)
        means = last.mean(axis="columns")
        titles = dict(zip(found["experiment"], found["title"], strict=True))
        yield table_row(
            [
                column_title(column.name, known),
                *(_range(ends.mean(axis="columns")) for ends in (first, last)),
                "" if np.isnan(floor) else number(floor),
                _probability(chance(last)),
                markdown(titles[means.idxmin()]) if means.notna().any() else "",
            ]
        )


def of_seeds(found: pd.DataFrame, column: Column, moment: Literal["first", "last"]) -> pd.DataFrame:
    """Deviations of each experiment (rows) and seed (columns) at the first or the last moment.

    ``found`` are the rows of ``fsdiff.reports.moments.judged``.
    """
    ends = found.assign(deviation=column.deviation(found))
    ends = ends.drop_duplicates(["experiment", "seed"], keep=moment)
    return ends.pivot(index="experiment", columns="seed", values="deviation")


def chance(ends: pd.DataFrame) -> float:
    """The probability that positive results of equal means differ as much by chance.

    Two-way analysis of variance, without repetition, of the logarithms: rows are what is compared,
    columns are blocks. Blocks that lack a value are left out. NaN where fewer than two rows or two
    blocks are left.
    """
    logarithms = np.log(ends.dropna(axis="columns").to_numpy(float))
    rows, blocks = logarithms.shape
    if rows < 2 or blocks < 2:
        return float("nan")
    if not np.ptp(logarithms, axis=0).any():
        return 1.0
    of_rows, of_blocks = logarithms.mean(1, keepdims=True), logarithms.mean(0, keepdims=True)
    rest = logarithms - of_rows - of_blocks + logarithms.mean()
    freedom = (rows - 1, (rows - 1) * (blocks - 1))
    explained = blocks * np.square(of_rows - logarithms.mean()).sum() / freedom[0]
    unexplained = np.square(rest).sum() / freedom[1]
    # Where seeds shift all rows alike nothing is left to chance.
    return float(stats.f.sf(explained / unexplained, *freedom)) if unexplained > 0 else 0.0


def _range(means: pd.Series) -> str:
    return f"{number(means.min())} to {number(means.max())}" if means.notna().any() else "–"


def _probability(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2g}"
