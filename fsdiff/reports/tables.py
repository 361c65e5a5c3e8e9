"""Tables of results as CSV: what identifies a row is text, whatever it looks like."""

import csv
import os
from collections.abc import Iterable

import pandas as pd

from fsdiff.jobs.atomic import atomic
from fsdiff.reports.plain_text import cell, of_cell

IDENTITY = ("experiment", "title", "dataset", "row", "seed", "resolution", "trained_at")
"""Columns that say what was evaluated; all others are results."""

NAMES = ("experiment", "title", "dataset", "row")
"""Columns of text in the summary and in the table of trajectories; "nan" is a name there."""


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
