"""MATLAB's files up to version 7.2; later ones are HDF5.

Version 5 is read here, after MathWorks' "MAT-File Format": compiled readers trust the lengths in a
file, so that a damaged one can end the process. For version 4 scipy's, in Python, will do.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import scipy.io

from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Opaque, Readable, Whole
from fsdiff.jobs.failures import StorageError

HEADER = 128
"""Bytes before the first element."""

MATRIX, COMPRESSED = 14, 15
"""Types of elements that hold an array."""

NUMBERS = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}
"""Types of elements that hold numbers; those of an array may be kept in a shorter type."""

CLASSES = {
    **{6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2"},
    **{12: "i4", 13: "u4", 14: "i8", 15: "u8"},
}
"""Classes of arrays of numbers."""

OTHERS = {1: "cell", 2: "struct", 3: "object", 4: "text", 5: "sparse"}
"""Classes of other arrays that have a shape and a name."""

COMPLEX, LOGICAL = 0x0800, 0x0200
"""Flags of an array."""

BEGINNING = 4096
"""Bytes of a compressed array that are unpacked to know its name, type and shape."""


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """The variables of a file."""
    version, _ = scipy.io.matlab.matfile_version(str(path), appendmat=False)
    if version > 1:
        raise ValueError("its header says version 7.3, but nothing after it is HDF5")
    found: Arrays = {}
    for name, values in (_version_5 if version else _version_4)(path):
        if name in found:
            raise StorageError(f"{path} has two variables '{name}'; write it again")
        found[name] = Stored(values)
    return found


def _version_4(path: Path) -> Iterator[tuple[str, Readable]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that values may be corrupt
        variables = scipy.io.whosmat(path, appendmat=False)
    for name, shape, kind in variables:
        if kind in ("double", "single") or "int" in kind:
            yield name, Whole(shape, np.dtype(kind), partial(_load, path, name))
        else:
            yield name, Opaque(shape, kind)


def _load(path: Path, name: str) -> np.ndarray:
    return scipy.io.loadmat(path, variable_names=[name], appendmat=False)[name]


def _version_5(path: Path) -> Iterator[tuple[str, Readable]]:
    data = np.memmap(path, np.uint8, "r")
    order = ">" if data[HEADER - 2 : HEADER].tobytes() == b"MI" else "<"
    for kind, content in _elements(data[HEADER:], order):
        if kind in (MATRIX, COMPRESSED):
            variable = _Variable(content, order, compressed=kind == COMPRESSED)
            if variable.name and variable.kind in CLASSES | OTHERS:
                yield variable.name, variable.readable()


def _elements(data: np.ndarray, order: str) -> Iterator[tuple[int, np.ndarray]]:
    """(type, content) of elements one after the other, in bytes."""
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from(f"{order}II", data.data, at)
        start = at + 8
        if kind >> 16:  # a small element has its content in the same eight bytes
            kind, length, start = kind & 0xFFFF, min(kind >> 16, 4), at + 4
        if start + length > len(data):
            raise ValueError("it ends before its last array does")
        yield kind, data[start : start + length]
        end = start + length
        at = end if kind == COMPRESSED else -(-end // 8) * 8


class _Variable:
    """An array in a file."""

    def __init__(self, content: np.ndarray, order: str, *, compressed: bool) -> None:
        self._content, self._order, self._compressed = content, order, compressed
        parts = self._parts(BEGINNING)
        flags = int(np.frombuffer(next(parts)[1], f"{order}u4")[0])
        self.kind, self._flags = flags & 0xFF, flags
        self.shape = tuple(np.frombuffer(next(parts)[1], f"{order}i4").tolist())
        self.name = bytes(next(parts)[1]).decode("latin-1")
        if min(self.shape, default=0) < 0:
            raise ValueError(f"'{self.name}' has shape {self.shape}")

    def readable(self) -> Readable:
        """The values, unpacked when they are needed."""
        if self.kind in OTHERS:
            return Opaque(self.shape, OTHERS[self.kind])
        kind = np.dtype(bool if self._flags & LOGICAL else CLASSES[self.kind])
        if self._flags & COMPLEX:
            return Opaque(self.shape, f"complex ({kind})")
        return Whole(self.shape, kind, partial(self._load, kind))

    def _load(self, kind: np.dtype) -> np.ndarray:
        # Eight bytes for a number is the most there can be.
        *_, (stored, content) = self._parts(8 * prod(self.shape) + BEGINNING)
        values = np.frombuffer(content, f"{self._order}{NUMBERS[stored]}")
        return values.reshape(self.shape, order="F").astype(kind, copy=False)

    def _parts(self, most: int) -> Iterator[tuple[int, np.ndarray]]:
        """The elements that the array is made of: flags, shape, name and values."""
        if not self._compressed:
            return _elements(self._content, self._order)
        unpacker = zlib.decompressobj()
        unpacked = np.frombuffer(unpacker.decompress(self._content.data, most), np.uint8)
        kind, length = struct.unpack_from(f"{self._order}II", unpacked.data)
        if kind != MATRIX:
            raise ValueError("what is compressed is no array")
        if most > BEGINNING and not unpacker.eof:
            # Only at the end are the contents known to be what was written.
            unpacker.decompress(unpacker.unconsumed_tail, 1)
            if not unpacker.eof:
                raise ValueError(f"'{self.name}' is larger than it says, or cut off")
        return _elements(unpacked[8 : 8 + length], self._order)
