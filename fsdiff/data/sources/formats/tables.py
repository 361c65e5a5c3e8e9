"""Tables of curves as text: separated values, ARFF (Weka), and ``.ts`` (UCR and UEA)."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from fsdiff.data.sources.formats import separated
from fsdiff.data.sources.formats.signatures import format_of
from fsdiff.data.sources.formats.table import Lines, Table, check_lengths, numbered, value_of
from fsdiff.jobs.failures import StorageError

SUFFIXES = (".csv", ".tsv", ".arff", ".ts")
"""Suffixes that promise a table."""

BEGINNING = 2**14
"""Bytes of a file that show whether it is text."""


def is_table(path: Path) -> bool:
    """Whether a file has such a suffix, or is text in no other format, as ``.txt`` may be."""
    if path.suffix.lower() in SUFFIXES:
        return True
    if not path.is_file() or format_of(path) is not None:
        return False
    with path.open("rb") as file:
        beginning = file.read(BEGINNING)
    return bool(beginning.strip()) and 0 not in beginning


def may_be_table(path: Path) -> bool:
    """Whether it is one whose last line of those at its beginning is one of numbers."""
    if not is_table(path):
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = [line for line in file.read(BEGINNING).splitlines() if line.strip()]
    if not lines:
        return False
    cells = re.split(r"[\s,;]+", lines[-1 - (len(lines) > 2)].strip(" \t,;"))
    return len(cells) > 1 and sum(value_of(cell) is None for cell in cells) <= 1


NUMERIC, TEXTUAL = {"numeric", "real", "integer", "float", "double"}, {"string", "date"}
"""Types of attributes of ARFF files; the last two of the first are in use, if not in its manual."""

WORD = re.compile(r"[a-z]+")

ATTRIBUTE = re.compile(
    r"""@attribute\s+(?:(['"])(?P<quoted>.+?)\1|(?P<name>\S+))\s+(?P<type>.+)""", re.IGNORECASE
)
"""A line of an ARFF file that declares a column."""


def read_table(path: Path, texts: Collection[str] = ()) -> Table:
    """The table in a file; StorageError that names file and line where it is none.

    Columns that ``texts`` names are labels, also where cells have numbers.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="strict", newline="") as file:
            lines = [(number, line) for number, line in enumerate(file, 1) if line.strip()]
    except (OSError, UnicodeError) as error:
        raise StorageError(f"{path} cannot be read as text ({error}); write it as UTF-8") from error
    if path.suffix.lower() not in (".arff", ".ts"):
        return separated.read(path, lines, texts)
    stripped = [(number, line.strip()) for number, line in lines]
    return _arff(path, stripped) if path.suffix.lower() == ".arff" else _ts(path, stripped)


def _is_numeric(path: Path, number: int, kind: str) -> bool:
    """Whether an attribute of an ARFF file holds numbers; StorageError for a type that is none."""
    if kind.startswith("{"):
        return False
    words = WORD.findall(kind.lower())  # a range may follow without a space, integer[0,10]
    word = words[0] if words else ""
    if word == "relational":
        raise StorageError(f"{path}, line {number}: relational attribute; use the .ts file")
    if word not in NUMERIC and word not in TEXTUAL:
        raise StorageError(
            f"{path}, line {number}: attribute of type {kind}; use one of "
            f"{', '.join(sorted(NUMERIC | TEXTUAL))}, or {{the values that there are}}"
        )
    return word in NUMERIC


def _arff(path: Path, lines: Lines) -> Table:
    """Numeric attributes are columns of numbers, all others are labels."""
    attributes, body = [], 0
    for place, (number, line) in enumerate(lines):
        if found := ATTRIBUTE.fullmatch(line):
            name = found["quoted"] or found["name"]
            attributes.append((name, _is_numeric(path, number, found["type"])))
        elif line.lower() == "@data":
            body = place + 1
            break
    rows = [(number, line) for number, line in lines[body:] if not line.startswith("%")]
    if not body or not attributes or not rows:
        raise StorageError(f"{path} has no attributes, or no rows after @data: it is no ARFF file")
    cells = [[cell.strip().strip("'\"") for cell in line.split(",")] for _, line in rows]
    check_lengths(path, cells, [number for number, _ in rows], len(attributes))
    _check_numbers(path, cells, [n for n, _ in rows], [numeric for _, numeric in attributes])
    columns = list(zip(*cells, strict=True))
    if not any(numeric for _, numeric in attributes):
        raise StorageError(f"{path} has no numeric attributes: it holds no curves")
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
    """A curve in each row, its channels between colons, its class or target behind the last.

    Curves that are shorter than others end with NaN.
    """
    words = (line.lower().split() for _, line in lines if line.startswith("@"))
    tags = {tag: values for tag, *values in words}
    start = next((i for i, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
    if start is None:
        raise StorageError(f"{path} has no line @data: it is no .ts file")
    if tags.get("@timestamps", ["false"])[0] == "true":
        raise StorageError(f"{path} has points with time stamps: write curves and times as arrays")
    has_class = any(
        tags.get(tag, ["false"])[0] == "true" for tag in ("@classlabel", "@targetlabel")
    )
    body = [(number, line) for number, line in lines[start + 1 :] if not line.startswith("#")]
    if not body:
        raise StorageError(f"{path} has no rows after @data: it is no .ts file")
    numbers, rows = [number for number, _ in body], [line.split(":") for _, line in body]
    check_lengths(path, rows, numbers, len(rows[0]))
    last = len(rows[0]) - has_class
    curves = [[channel.split(",") for channel in row[:last]] for row in rows]
    for row, number in zip(curves, numbers, strict=True):
        _check_numbers(path, row, [number] * len(row), None)
    values = _values(curves)
    labels = {"class": np.array([row[-1].strip() for row in rows])} if has_class else {}
    return Table(values, numbered(range(values.shape[2])), labels)


def _values(rows: Sequence[Sequence[Sequence[str]]]) -> np.ndarray:
    """Numbers (row, channel, column) of cells; rows that are shorter end with NaN."""
    longest = max(len(cells) for row in rows for cells in row)
    values = np.full((len(rows), len(rows[0]), longest), np.nan)
    for found, row in zip(values, rows, strict=True):
        for channel, cells in zip(found, row, strict=True):
            channel[: len(cells)] = [value_of(cell) for cell in cells]
    return values


def _check_numbers(
    path: Path,
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int],
    numeric: Sequence[bool] | None,
) -> None:
    for row, number in zip(rows, numbers, strict=True):
        for cell in _numeric_cells(row, numeric):
            if value_of(cell) is None:
                raise StorageError(f"{path}, line {number}: '{cell[:20]}' is no number")


def _numeric_cells(row: Sequence[str], numeric: Sequence[bool] | None) -> Iterator[str]:
    if numeric is None:
        return iter(row)
    return (cell for cell, own in zip(row, numeric, strict=True) if own)
