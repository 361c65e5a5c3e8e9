"""Tables of curves as text: comma-separated values, ARFF (Weka), and ``.ts`` (UCR and UEA)."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fsdiff.jobs.failures import StorageError

SUFFIXES = (".csv", ".arff", ".ts")

MISSING = ("", "?", "nan", "na")
"""What stands for no value, in any case."""


ATTRIBUTE = re.compile(
    r"""@attribute\s+(?:(['"])(?P<quoted>.+?)\1|(?P<name>\S+))\s+(?P<type>.+)""", re.IGNORECASE
)
"""A line of an ARFF file that declares a column."""


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers (row, channel, column) of a file, NaN where there are none.

    ``names`` are those of the columns and ``labels`` columns of text, by name.
    """

    values: np.ndarray
    names: tuple[str, ...]
    labels: dict[str, np.ndarray] = field(default_factory=dict)

    def column(self, name: str) -> np.ndarray:
        """A column of labels, or of numbers."""
        if name in self.labels:
            return self.labels[name]
        return self.values[:, 0, self.names.index(name)]

    def without(self, names: Sequence[str]) -> "Table":
        """The table without some columns of numbers."""
        kept = [place for place, name in enumerate(self.names) if name not in names]
        return Table(
            self.values[..., kept], tuple(self.names[place] for place in kept), self.labels
        )


def read_table(path: Path) -> Table:
    """The table in a file; StorageError that names file and line where it is none."""
    readers = {".csv": _csv, ".arff": _arff, ".ts": _ts}
    try:
        with path.open(encoding="utf-8-sig", errors="strict", newline="") as file:
            lines = [(number, line.strip()) for number, line in enumerate(file, 1) if line.strip()]
    except (OSError, UnicodeError) as error:
        raise StorageError(f"{path} cannot be read as text ({error})") from error
    return readers[path.suffix.lower()](path, lines)


Lines = Sequence[tuple[int, str]]
"""Lines of a file that are not empty, with their numbers."""


def _csv(path: Path, lines: Lines) -> Table:
    """A row of names, if it is no row of numbers, and below it numbers and labels.

    Columns without a name number the rows, and are left out.
    """
    rows = list(csv.reader(line for _, line in lines))
    named = bool(rows) and any(_number(cell) is None for cell in rows[0])
    names = [cell.strip() for cell in rows[0]] if named else _numbered(rows[0] if rows else [])
    cells, numbers = rows[named:], [number for number, _ in lines[named:]]
    _check_lengths(path, cells, numbers, len(names))
    pairs = zip(names, zip(*cells, strict=True), strict=bool(cells))
    columns = {name: column for name, column in pairs if name}
    if not columns or len(columns) != sum(map(bool, names)):
        raise StorageError(f"{path} holds no rows, or two columns of one name: write it again")
    numeric = {name: _column(cells) for name, cells in columns.items()}
    values = {name: column for name, column in numeric.items() if column is not None}
    labels = {name: np.array(columns[name]) for name in columns.keys() - values.keys()}
    return Table(np.array([*values.values()]).T[:, None], tuple(values), labels)


def _arff(path: Path, lines: Lines) -> Table:
    """Numeric attributes are columns of numbers, all others are labels."""
    attributes, body = [], 0
    for place, (number, line) in enumerate(lines):
        if found := ATTRIBUTE.fullmatch(line):
            if found["type"].lower().startswith("relational"):
                raise StorageError(f"{path}, line {number}: relational attribute; use the .ts file")
            numeric = found["type"].lower() in {"numeric", "real", "integer"}
            attributes.append((found["quoted"] or found["name"], numeric))
        elif line.lower() == "@data":
            body = place + 1
            break
    rows = [(number, line) for number, line in lines[body:] if not line.startswith("%")]
    if not body or not attributes or not rows:
        raise StorageError(f"{path} has no attributes, or no rows after @data: it is no ARFF file")
    cells = [[cell.strip().strip("'\"") for cell in line.split(",")] for _, line in rows]
    _check_lengths(path, cells, [number for number, _ in rows], len(attributes))
    _check_numbers(path, cells, [n for n, _ in rows], [numeric for _, numeric in attributes])
    columns = list(zip(*cells, strict=True))
    kept = [place for place, (_, numeric) in enumerate(attributes) if numeric]
    return Table(
        _values([[columns[place] for place in kept]])[0].T[:, None],
        tuple(attributes[place][0] for place in kept),
        {
            name: np.array(column)
            for (name, numeric), column in zip(attributes, columns, strict=True)
            if not numeric
        },
    )


def _ts(path: Path, lines: Lines) -> Table:
    """A curve in each row, its channels between colons, its class behind the last.

    Curves that are shorter than others end with NaN.
    """
    tags = {
        words[0].lower(): words[1:] for _, line in lines if (words := line.split())[0][0] == "@"
    }
    start = next((i for i, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
    if start is None or len(lines) == start + 1:
        raise StorageError(f"{path} has no rows after @data: it is no .ts file")
    if tags.get("@timestamps", ["false"])[0] == "true":
        raise StorageError(f"{path} has points with time stamps: write curves and times as arrays")
    has_class = tags.get("@classlabel", ["false"])[0] == "true"
    rows = [line.split(":") for _, line in lines[start + 1 :]]
    numbers = [number for number, _ in lines[start + 1 :]]
    _check_lengths(path, rows, numbers, len(rows[0]))
    last = len(rows[0]) - has_class
    curves = [[channel.split(",") for channel in row[:last]] for row in rows]
    for row, number in zip(curves, numbers, strict=True):
        _check_numbers(path, row, [number] * len(row), None)
    values = _values(curves)
    labels = {"class": np.array([row[-1].strip() for row in rows])} if has_class else {}
    return Table(values, _numbered(range(values.shape[2])), labels)


def _values(rows: Sequence[Sequence[Sequence[str]]]) -> np.ndarray:
    """Numbers (row, channel, column) of cells; rows that are shorter end with NaN."""
    longest = max(len(cells) for row in rows for cells in row)
    values = np.full((len(rows), len(rows[0]), longest), np.nan)
    for found, row in zip(values, rows, strict=True):
        for channel, cells in zip(found, row, strict=True):
            channel[: len(cells)] = [_number(cell) for cell in cells]
    return values


def _column(cells: Sequence[str]) -> np.ndarray | None:
    """The numbers of a column, None where it has text."""
    try:
        return np.array(
            ["nan" if cell.strip().lower() in MISSING else cell for cell in cells], float
        )
    except ValueError:
        return None


def _number(cell: str) -> float | None:
    """What a cell says, NaN for nothing, or None where it is text."""
    if cell.strip().lower() in MISSING:
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        return None


def _numbered(columns: Sequence[object]) -> tuple[str, ...]:
    """Names of columns that have none."""
    return tuple(str(number) for number, _ in enumerate(columns))


def _check_lengths(
    path: Path, rows: Sequence[Sequence[str]], numbers: Sequence[int], length: int
) -> None:
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != length:
            raise StorageError(f"{path}, line {number}: {len(row)} entries instead of {length}")


def _check_numbers(
    path: Path,
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int],
    numeric: Sequence[bool] | None,
) -> None:
    for row, number in zip(rows, numbers, strict=True):
        for cell in _numeric_cells(row, numeric):
            if _number(cell) is None:
                raise StorageError(f"{path}, line {number}: '{cell[:20]}' is no number")


def _numeric_cells(row: Sequence[str], numeric: Sequence[bool] | None) -> Iterator[str]:
    if numeric is None:
        return iter(row)
    return (cell for cell, own in zip(row, numeric, strict=True) if own)
