"""The header of a NetCDF-3 file, after Unidata's "NetCDF Classic Format Specification".

It says where each variable is, which netCDF4 does not tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Type of values → bytes of one."""

UNKNOWN = 2**32 - 1
"""Number of records in a file that was being written; the size of the file tells it."""


@dataclass(frozen=True)
class Header:
    """Names of the variables, and where the last value ends, in bytes."""

    names: tuple[str, ...]
    end: int


@dataclass(frozen=True)
class _Variable:
    """A variable; ``size`` is that of one record where it has a value for each."""

    name: str
    records: bool
    size: int
    begin: int


def read(path: Path) -> Header:
    """The header of a file, or ValueError where it ends too soon."""
    reader = _Reader(np.memmap(path, np.uint8, "r"))
    records = reader.count()
    lengths = [length for _, length in reader.dimensions()]
    reader.skip_attributes()
    variables = tuple(reader.variables(lengths))
    within = [variable.size for variable in variables if variable.records]
    record = within[0] if len(within) == 1 else sum(map(_padded, within))
    before = 0 if records in (0, UNKNOWN) else (records - 1) * record
    ends = [
        variable.begin + variable.size + (before if variable.records else 0)
        for variable in variables
        if records or not variable.records
    ]
    return Header(tuple(variable.name for variable in variables), max(ends, default=reader.at))


def _padded(size: int) -> int:
    return -(-size // 4) * 4


class _Reader:
    """A place in a file, from where numbers and names are read."""

    def __init__(self, data: np.ndarray) -> None:
        version = int(data[3])
        self._data, self.at = data, 4
        self._count, self._offset = (8 if version == 5 else 4), (4 if version == 1 else 8)

    def number(self, size: int = 4) -> int:
        """An unsigned number that takes this number of bytes."""
        if self.at + size > len(self._data):
            raise ValueError("it ends within its header")
        self.at += size
        return int.from_bytes(self._data[self.at - size : self.at].tobytes(), "big")

    def count(self) -> int:
        """A number of things or bytes."""
        return self.number(self._count)

    def name(self) -> str:
        """A name, with the bytes that fill it up."""
        length, start = self.count(), self.at
        self.at += _padded(length)
        return self._data[start : start + length].tobytes().decode(errors="replace")

    def items(self) -> Iterator[int]:
        """The numbers of the items in a list."""
        self.number()  # says what they are
        yield from range(self.count())

    def dimensions(self) -> list[tuple[str, int]]:
        """Names and lengths, zero for the number of records."""
        return [(self.name(), self.count()) for _ in self.items()]

    def skip_attributes(self) -> None:
        """Go to what comes after a list of attributes."""
        for _ in self.items():
            self.name()
            size = SIZES[self.number()]
            length = _padded(size * self.count())
            self.at += length

    def variables(self, lengths: list[int]) -> Iterator[_Variable]:
        """The variables, given the lengths of all dimensions."""
        for _ in self.items():
            name = self.name()
            shape = [lengths[self.count()] for _ in range(self.count())]
            self.skip_attributes()
            size = SIZES[self.number()]
            self.count()  # its bytes, which the shape tells more exactly
            records = shape[:1] == [0]
            size *= prod(shape[1:] if records else shape)
            yield _Variable(name, records, size, self.number(self._offset))
