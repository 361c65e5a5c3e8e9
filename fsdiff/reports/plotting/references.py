"""What real data and the Gaussian surrogate deviate by, as lines across a panel."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from fsdiff.reports.labels import REFERENCES
from fsdiff.reports.plotting.style import DATA, SURROGATE
from fsdiff.reports.summary import Column, by_count, reference

FADING = 0.6
"""How much paler the line for the next smaller number of fields is."""


class Line(NamedTuple):
    """A mean deviation, the label of its line, and how it is drawn."""

    level: float
    label: str
    style: dict[str, Any]


def reference_lines(table: pd.DataFrame, column: Column, rows: pd.DataFrame) -> Iterator[Line]:
    """A line for each reference and each number of fields among ``rows``, if it is positive.

    ``rows`` are those of models on one data set and grid, ``table`` those of the summary.
    """
    for kind, style in (("real", DATA), ("surrogate", SURROGATE)):
        for place, (which, part) in enumerate(by_count(rows)):
            level = reference(table, kind, column, part)
            if level > 0:
                yield Line(level, REFERENCES[kind] + which, {**style, "alpha": FADING**place})
