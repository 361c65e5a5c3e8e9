"""Tables whose cells are separated by tabs, semicolons or commas."""

import csv
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from fsdiff.data.sources.formats.table import Lines, Table, check_lengths, numbered, value_of
from fsdiff.jobs.failures import StorageError

SEPARATORS = ("\t", ";", ",")
"""In this order: cells between semicolons may have decimal commas."""

DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*", re.IGNORECASE)

UNNAMED = re.compile(r"|unnamed: \d+", re.IGNORECASE)
"""What columns without a name are called, as pandas writes them once it has read them."""

Rows = Sequence[Sequence[str]]


def read(path: Path, lines: Lines, texts: Collection[str] = ()) -> Table:
    """A row of names, if there is one, and below it numbers and labels.

    Columns are of numbers or of text, as those that ``texts`` names are whatever they hold; text
    among numbers is refused. Columns without a name number the rows, and are left out.
    """
    rows = _rows([line.rstrip("\r\n") for _, line in lines])
    named = _has_names(rows)
    names = [cell.strip() for cell in rows[0]] if named else numbered(rows[0] if rows else [])
    cells, numbers = rows[named:], [line for line, _ in lines[named:]]
    check_lengths(path, cells, numbers, len(names))
    pairs = zip(names, zip(*cells, strict=True), strict=bool(cells))
    columns = {name: column for name, column in pairs if not UNNAMED.fullmatch(name)}
    if not columns or len(columns) != sum(not UNNAMED.fullmatch(name) for name in names):
        raise StorageError(f"{path} holds no rows, or two columns of one name: write it again")
    values, labels = {}, {}
    for name, column in columns.items():
        found = None if name in texts else _numbers(path, name, column, numbers)
        if found is None:
            labels[name] = np.array(column)
        else:
            values[name] = found
    if not values:
        raise StorageError(f"{path} has no column of numbers: are cells separated by commas?")
    return Table(np.array([*values.values()]).T[:, None], tuple(values), labels)


def _rows(lines: Sequence[str]) -> Rows:
    """Cells, by the first separator that gives all rows as many of them, and more than one."""
    for separator in SEPARATORS:
        rows = _without_ends([*csv.reader(lines, delimiter=separator)])
        if rows and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1:
            return rows if separator == "," else _with_points(rows)
    return [*csv.reader(lines)]


def _without_ends(rows: Rows) -> Rows:
    """Rows that end with a separator, without the empty cell behind it."""
    if all(len(row) > 1 and not row[-1].strip() for row in rows):
        return [row[:-1] for row in rows]
    return rows


def _with_points(rows: Rows) -> Rows:
    """Numbers with decimal points in the place of commas, if no number has a point already."""
    if any("." in cell and value_of(cell) is not None for row in rows for cell in row):
        return rows
    return [
        [cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell) else cell for cell in row]
        for row in rows
    ]


def _has_names(rows: Rows) -> bool:
    """Whether the first row has text, numbers the columns, or has nothing above those of rows."""
    if not rows:
        return False
    first = [value_of(cell) for cell in rows[0]]
    if any(value is None for value in first):
        return True
    if not rows[0][0].strip() and len(rows) > 1 and all(row[0].strip() for row in rows[1:]):
        return True
    return len(rows) > 1 and _counts(rows[0]) and not _counts(rows[1])


def _counts(row: Sequence[str]) -> bool:
    """Whether numbers rise in equal steps."""
    found = [value_of(cell) for cell in row]
    if len(found) < 3 or any(value is None for value in found):
        return False
    steps = np.diff(np.array(found, float))
    return bool(steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-6))


def _numbers(
    path: Path, name: str, cells: Sequence[str], lines: Sequence[int]
) -> np.ndarray | None:
    """The numbers of a column, None where it has text; StorageError where it has both."""
    found = [value_of(cell) for cell in cells]
    texts = [place for place, value in enumerate(found) if value is None]
    if not texts:
        return np.array(found, float)
    if any(value is not None and np.isfinite(value) for value in found):
        place = texts[0]
        raise StorageError(
            f"{path}, line {lines[place]}: '{cells[place].strip()[:20]}' in column '{name}', which "
            f"has numbers: mend it, or say labels: [{name}] where columns hold no points"
        )
    return None
