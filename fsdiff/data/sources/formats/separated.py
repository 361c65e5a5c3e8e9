"""Tables whose cells are separated by tabs, semicolons, commas or spaces."""

import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from fsdiff.data.sources.dates import DATE
from fsdiff.data.sources.formats.table import (
    Lines,
    Table,
    check_lengths,
    like_number,
    numbered,
    value_of,
)
from fsdiff.jobs.failures import StorageError

SEPARATORS = ("\t", ";", ",", " ")
"""In this order: semicolons and tabs stand beside decimal commas, and spaces beside all others."""

DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*", re.IGNORECASE)

FEW = 6
"""Numbers of which it is hardly chance that they all rise, or all fall."""

UNNAMED = re.compile(r"|unnamed: \d+", re.IGNORECASE)
"""What columns without a name are called, as pandas writes them once it has read them."""

Rows = Sequence[Sequence[str]]


def read(path: Path, lines: Lines, texts: Collection[str] = ()) -> Table:
    """A row of names, if there is one, and below it numbers and labels.

    Columns are of numbers or of text, as those that ``texts`` names are whatever they hold; text
    among numbers is refused. Columns without a name number the rows, and are left out.
    """
    lines = _without_comments(lines)
    rows = _rows([line.rstrip("\r\n") for _, line in lines])
    named = _has_names(rows)
    if named:
        _check_names(path, rows, lines[0][0])
    else:
        _check_first(path, rows)
    names = [cell.strip() for cell in rows[0]] if named else numbered(rows[0] if rows else [])
    cells, numbers = rows[named:], [line for line, _ in lines[named:]]
    check_lengths(path, cells, numbers, len(names))
    pairs = [*zip(names, zip(*cells, strict=True), strict=bool(cells))]
    unnamed = [column for name, column in pairs if UNNAMED.fullmatch(name)]
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
        raise StorageError(
            f"{path} has no column of numbers: are cells separated by commas, semicolons, tabs or "
            "spaces, and as many in each row?"
        )
    index = tuple(value_of(cell) for cell in unnamed[0]) if unnamed else ()
    return Table(np.array([*values.values()]).T[:, None], tuple(values), labels, index)


def _without_comments(lines: Lines) -> Lines:
    """Lines behind comments and what spreadsheets say of separators.

    A comment that has as many cells as all lines below it holds names, as numpy.savetxt writes it.
    """
    place = 0
    while place < len(lines) and lines[place][1].startswith(("#", "%", "sep=")):
        place += 1
    if not place or not lines[place:]:
        return lines
    number, comment = lines[place - 1]
    names = comment.lstrip("#% ")
    rows = _rows([names, *(line for _, line in lines[place:])])
    alike = comment.startswith(("#", "%")) and _even(rows)
    return [(number, names), *lines[place:]] if alike else lines[place:]


def _rows(lines: Sequence[str]) -> Rows:
    """Cells, by the first separator that gives all rows as many of them, and more than one.

    Where none does, by one that gives most rows as many, so that others can be named.
    """
    found = [_divided(lines, separator) for separator in SEPARATORS]
    comma, spaces = found[-2:]
    if _even(spaces) and _decimal_commas(spaces):
        return _with_points(spaces)
    for separator, rows in zip(SEPARATORS, found, strict=True):
        if _even(rows):
            return rows if separator in ", " else _with_points(rows)
    usual = [Counter(map(len, rows)).most_common(1)[0] for rows in found if rows]
    fitting = [count if length > 1 else 0 for length, count in usual]
    return found[int(np.argmax(fitting))] if 2 * max(fitting, default=0) > len(lines) else comma


def _divided(lines: Sequence[str], separator: str) -> Rows:
    plain = lines if separator != " " else [" ".join(line.split()) for line in lines]
    return _without_ends([*csv.reader(plain, delimiter=separator)])


def _even(rows: Rows) -> bool:
    """Whether rows are as long as each other, and longer than one cell."""
    return bool(rows) and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1


def _decimal_commas(rows: Rows) -> bool:
    """Whether all cells below the first row are numbers, some of them with decimal commas."""
    cells = [cell for row in rows[1:] for cell in row]
    commas = [DECIMAL_COMMA.fullmatch(cell) is not None for cell in cells]
    pairs = zip(cells, commas, strict=True)
    return any(commas) and all(comma or value_of(cell) is not None for cell, comma in pairs)


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
    """Whether numbers rise, or fall, in steps that are equal but for rounding."""
    if len(row) < 3 or not (steps := _steps(row)):
        return False
    least, most = min(map(abs, steps)), max(map(abs, steps))
    digits = max(len(cell.strip().partition(".")[2]) for cell in row)
    return most - least <= max(min(2.5 * 10.0**-digits, 0.05 * most), 1e-6 * most)


def _steps(row: Sequence[str]) -> list[float]:
    """Steps from number to number where these all rise, or all fall; none otherwise."""
    found = [value_of(cell) for cell in row]
    steps = [b - a for a, b in pairwise(found) if a is not None and b is not None]
    one_way = all(step > 0 for step in steps) or all(step < 0 for step in steps)
    return steps if one_way and len(steps) == len(row) - 1 else []


def _check_names(path: Path, rows: Rows, line: int) -> None:
    """Refuse a curve in the first row that would be taken for names because of a cell in it."""
    first = [value_of(cell) for cell in rows[0]]
    if not any(value is not None and np.isfinite(value) for value in first):
        return
    text = {place: rows[0][place].strip() for place, value in enumerate(first) if value is None}
    odd = [cell for cell in text.values() if like_number(cell) or not re.search(r"\w", cell)]
    if odd:
        raise StorageError(
            f"{path}, line {line}: '{odd[0][:20]}' beside numbers is none that can be read: mend "
            "it, or write a row of names above it"
        )
    numbers = [
        cell
        for cell, value in zip(rows[0], first, strict=True)
        if value is not None and np.isfinite(value)
    ]
    again = [
        cell
        for place, cell in text.items()
        if DATE.fullmatch(cell) or any(row[place].strip() == cell for row in rows[1:])
    ]
    if again or (len(numbers) > 1 and not _steps(numbers)):
        raise StorageError(
            f"{path}, line {line}: {', '.join(rows[0][:3])[:40]}, … has text and numbers in no "
            "order, or what stands in rows below as well: write a row of names above it"
        )


def _check_first(path: Path, rows: Rows) -> None:
    """Refuse a first row that is probably no curve: it rises or falls, and no other row does."""
    first, *others = rows or [()]
    if len(first) >= FEW and len(others) > 1 and _steps(first) and not any(map(_steps, others)):
        raise StorageError(
            f"{path}: its first row, {', '.join(first[:3])}, …, rises or falls throughout, as no "
            "other row does: write names in its place, such as t0, t1, …, if it says where points "
            "are, and positions; or a row of names above it if it is a curve"
        )


def _numbers(
    path: Path, name: str, cells: Sequence[str], lines: Sequence[int]
) -> np.ndarray | None:
    """The numbers of a column, None where it has text; StorageError where it has both."""
    found = [value_of(cell) for cell in cells]
    texts = [place for place, value in enumerate(found) if value is None]
    if not texts:
        return np.array(found, float)
    if all(like_number(cells[place]) for place in texts):
        raise StorageError(
            f"{path}, line {lines[texts[0]]}: '{cells[texts[0]].strip()[:20]}' in column '{name}' "
            "looks like a number, but not as they are read: write digits and a decimal point "
            f"alone, or say labels: [{name}] where it is none"
        )
    if any(value is not None and np.isfinite(value) for value in found):
        place = texts[0]
        raise StorageError(
            f"{path}, line {lines[place]}: '{cells[place].strip()[:20]}' in column '{name}', which "
            f"has numbers: mend it, or say labels: [{name}] where columns hold no points"
        )
    return None
