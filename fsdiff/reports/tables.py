"""Tables of results as CSV: what identifies a row is text, whatever it looks like."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from fsdiff.jobs.atomic import atomic
from fsdiff.reports.plain_text import cell, of_cell

IDENTITY = ("experiment", "title", "dataset", "row", "seed", "resolution", "count", "trained_at")
"""Columns that say what was evaluated, ``count`` fields of it; all others are results."""

NAMES = ("experiment", "title", "dataset", "row")
"""Columns of text in the summary and in the table of trajectories; "nan" is a name there."""


def of_rows(
    rows: Sequence[Mapping[str, Any]], whole: Iterable[str], columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """A table of rows, in which columns of ``whole`` numbers are exact though some rows lack them.

    Double precision, which pandas takes where a number is missing, would round large seeds.
    """
    exact = {name: pd.array([row.get(name) for row in rows], "Int64") for name in whole}
    return pd.DataFrame(rows, columns=columns).assign(**exact)


def identified(table: pd.DataFrame, identity: Sequence[str] = IDENTITY) -> pd.DataFrame:
    """The table with the columns that say what a row is about first, results after them."""
    return table[[*identity, *table.columns.difference([*identity], sort=False)]]


def write(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table without its index, atomically; spreadsheets find no formulas in its texts."""
    texts = table.select_dtypes(exclude="number").map(_written)
    safe = table.assign(**texts).rename(columns=_written)
    # Readers take a carriage return for the end of a line unless it is quoted.
    broken = any("\r" in text for text in texts.to_numpy().ravel() if isinstance(text, str))
    quoting = csv.QUOTE_NONNUMERIC if broken else csv.QUOTE_MINIMAL
    with atomic(path) as temporary:
        safe.to_csv(temporary, index=False, quoting=quoting)


def read(path: str | os.PathLike[str], text: Iterable[str] = NAMES) -> pd.DataFrame:
    """The table of a file: the columns ``text`` as they were written, all others guessed.

    Empty cells are empty texts there and NaN in columns of numbers.
    """
    header = pd.read_csv(path, nrows=0).columns
    names = [name for name in header if name in set(text)]
    table = pd.read_csv(
        path,
        dtype=dict.fromkeys(names, str),
        keep_default_na=False,
        na_values={name: ["", "nan", "NaN"] for name in header.difference(names)},
    )
    texts = {name: table[name].map(of_cell) for name in names}
    return table.assign(**texts).rename(columns=of_cell)


def _written(value: object) -> object:
    return cell(value) if isinstance(value, str) else value
