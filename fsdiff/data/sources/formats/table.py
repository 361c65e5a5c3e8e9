"""Rows of numbers and labels, as all formats of tables give them, and what a cell says."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fsdiff.jobs.failures import StorageError

MISSING = {"", "?", "nan", "-nan", "na", "<na>", "n/a", "#n/a", "#na", "null", "none"}
"""What stands for no value, in any case."""

FEW = 4
"""Columns that a table may have in which each row is a value, with what it belongs to."""

MANY = 5
"""Steps that are hardly all up, or all down, by chance."""

FORTRAN = re.compile(r"([+-]?\d*\.\d*)[dD]([+-]?\d+)")
"""Numbers in double precision as Fortran writes them, 1.0D-03."""

NUMBER = re.compile(r"[+\-\u2212]?[\d\s.,'_]*\d[\d\s.,'_]*(e[+\-\u2212]?\d+)?\s*%?", re.IGNORECASE)
"""Text without letters that is a number to people."""

DAY = re.compile(r"\d{1,2}\.\s?\d{1,2}\.\s?(\d{2}|\d{4})")
"""A date such as 31.12.2000, of which the same could be said."""

CHANCE = 1e-3
"""That a column is of whole numbers, as others are in part."""

NO_LETTERS = re.compile(r"[\W\d_]+")
"""What is left out of a name to see of what kind it is."""

Lines = Sequence[tuple[int, str]]
"""Lines of a file that are not empty, with their numbers."""


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers (row, channel, column) of a file, NaN where there are none.

    ``names`` are those of the columns and ``labels`` columns of text, by name. ``index`` is what
    stands in a column without a name, if there is one.
    """

    values: np.ndarray
    names: tuple[str, ...]
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    index: tuple[float | None, ...] = ()

    def column(self, name: str) -> np.ndarray:
        """A column of labels, or of numbers."""
        if name in self.labels:
            return self.labels[name]
        return self.values[:, 0, self.names.index(name)]

    def without(self, names: Sequence[str]) -> "Table":
        """The table without some columns of numbers."""
        kept = [place for place, name in enumerate(self.names) if name not in names]
        names = tuple(self.names[place] for place in kept)
        return replace(self, values=self.values[..., kept], names=names)


def value_of(cell: str) -> float | None:
    """What a cell says, NaN for nothing, or None where it is text."""
    if cell.strip().lower() in MISSING:
        return float("nan")
    try:
        return None if "_" in cell else float(cell)  # Python reads 1_000
    except ValueError:
        fortran = FORTRAN.fullmatch(cell.strip())
        return float(f"{fortran[1]}e{fortran[2]}") if fortran else None


def like_number(cell: str) -> bool:
    """Whether text is hardly a label, but a number in another form, such as 1.234,5 or 12 %."""
    cell = cell.strip()
    return NUMBER.fullmatch(cell) is not None and DAY.fullmatch(cell) is None


def no_points(table: Table) -> list[str]:
    """Columns of numbers that are probably classes or the like, and no points of curves.

    Those with another kind of name than nearly all others, such as a class beside t0, t1, t2, …;
    and where there are no names, whole numbers, few of them, beside fractions in all others. Where
    few columns all have names of their own, such as id, t and y, whole numbers that come again.
    """
    stems = [_stem(name) for name in table.names]
    stem, count = Counter(stems).most_common(1)[0]
    if count == len(stems):
        return [] if stem else _classes(table)
    if count == 1 and len(stems) <= FEW:
        return _repeated(table)
    if count < 3 or len(stems) - count > max(1, len(stems) // 10):
        return []
    return [name for name, own in zip(table.names, stems, strict=True) if own != stem]


def _classes(table: Table) -> list[str]:
    """The only column of whole numbers, if these are few, or whole by more than chance."""
    columns = table.values[:, 0].T
    all_whole = columns == np.rint(columns)
    (whole,) = np.nonzero(all_whole.all(1))
    if len(whole) != 1 or len(columns) < 4:
        return []
    few = len(np.unique(columns[whole[0]])) <= columns.shape[1] // 4
    share = np.delete(all_whole, whole, 0).mean()
    by_chance = len(columns) * share ** columns.shape[1] > CHANCE
    return [table.names[whole[0]]] if few or not by_chance else []


def _repeated(table: Table) -> list[str]:
    """Columns of whole numbers that come again, beside others of fractions."""
    columns = table.values[:, 0].T
    whole = (columns == np.rint(columns)).all(1)
    if whole.all():
        return []
    again = [len(np.unique(column)) <= len(column) // 2 for column in columns]
    return [name for name, *both in zip(table.names, whole, again, strict=True) if all(both)]


def _stem(name: str) -> str:
    return "" if value_of(name) is not None else NO_LETTERS.sub("", name.lower())


def several_kinds(table: Table) -> bool:
    """Whether columns have names of their own rather than numbers or names such as t0, t1, …"""
    return len({_stem(name) for name in table.names}) > 1


def counting(table: Table) -> list[str]:
    """The only column that rises, or falls, from row to row: years, and no curve."""
    steps = np.diff(table.values[:, 0], axis=0)
    found = [*np.flatnonzero((steps > 0).all(0) | (steps < 0).all(0))]
    alone = len(found) == 1 and len(table.names) > 1 and len(steps) >= MANY
    return [table.names[found[0]]] if alone else []


def numbering(table: Table) -> list[str]:
    """The only column that rises, or falls, in equal steps from row to row, such as years.

    Of few columns those that never fall, or never rise, such as x and y of rows (x, y, u); none
    where all columns have one kind of name, such as t0, t1, t2, …
    """
    stems, steps = {_stem(name) for name in table.names}, np.diff(table.values[:, 0], axis=0)
    named = len(stems) > 1
    if len(table.names) < 2 or len(steps) < (FEW - 1 if named else MANY):
        return []
    if not named and stems != {""}:
        return []
    if len(table.names) <= FEW and len(steps) >= MANY:
        moving = (steps != 0).any(0)
        one_way = ((steps >= 0).all(0) | (steps <= 0).all(0)) & moving
        found = [*np.flatnonzero(one_way)]
        return [] if one_way[moving].all() else [table.names[place] for place in found]
    even = np.ptp(steps, axis=0) <= 1e-6 * np.abs(steps).max(0)
    found = [*np.flatnonzero(even & (steps != 0).all(0))]
    return [table.names[found[0]]] if len(found) == 1 else []


def uneven(index: Sequence[float | None]) -> bool:
    """Whether rows have numbers that are not in equal steps, such as ages."""
    found = np.array([value for value in index if value is not None], float)
    if len(found) < max(3, len(index)):
        return False
    steps = np.diff(found)
    return bool(np.ptp(steps) > 1e-3 * np.abs(steps).max())


def numbered(columns: Sequence[object]) -> tuple[str, ...]:
    """Names of columns that have none."""
    return tuple(str(number) for number, _ in enumerate(columns))


def check_lengths(
    path: Path, rows: Sequence[Sequence[str]], numbers: Sequence[int], length: int
) -> None:
    """Raise StorageError for the first row of another length."""
    for row, line in zip(rows, numbers, strict=True):
        if len(row) != length:
            raise StorageError(f"{path}, line {line}: {len(row)} entries instead of {length}")
