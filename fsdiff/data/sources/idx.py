"""Arrays of bytes in IDX files, the format of MNIST and data sets made like it.

Two zero bytes, the type of the entries, the number of axes, the length of each axis as a big-endian
32-bit integer, then the entries in C order. Files may be compressed with gzip.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fsdiff.jobs.failures import StorageError

UNSIGNED_BYTES = 0x08
"""The type of entries that are read."""

LARGEST = 2**31
"""Entries beyond which a header is taken to be wrong."""

GZIP_MAGIC = b"\x1f\x8b"


def idx_shape(path: Path, axes: int) -> tuple[int, ...]:
    """Lengths of the axes of the array in a file, which must have as many as ``axes``.

    Reads no entries. Raises StorageError that names the file where it is not of this format.
    """
    with _opened(path) as file:
        return _read_shape(path, file, axes)


def read_idx(path: Path, axes: int) -> np.ndarray:
    """The array in a file, uint8, with as many axes as ``axes``.

    Raises StorageError that names the file where it is of another format, truncated or too long.
    """
    with _opened(path) as file:
        shape = _read_shape(path, file, axes)
        size = math.prod(shape)
        entries = file.read(size + 1)  # never more, whatever a compressed file would expand to
    if len(entries) != size:
        found = f"only {len(entries)}" if len(entries) < size else "more"
        raise StorageError(
            f"{path} should hold {size} entries, {' x '.join(map(str, shape))}, and holds {found}: "
            "fetch it again"
        )
    return np.frombuffer(entries, np.uint8).reshape(shape)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The file's contents, uncompressed."""
    try:
        with path.open("rb") as stored:
            compressed = stored.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            stored.seek(0)
            if not compressed:
                yield stored
                return
            with gzip.open(stored) as expanded:
                yield expanded
    except (OSError, EOFError, zlib.error) as error:
        raise StorageError(f"{path} cannot be read ({error}): fetch it again") from error


def _read_shape(path: Path, file: BinaryIO | gzip.GzipFile, axes: int) -> tuple[int, ...]:
    magic = file.read(4)
    expected = bytes([0, 0, UNSIGNED_BYTES, axes])
    if magic != expected:
        raise StorageError(
            f"{path} starts with {magic.hex() or 'nothing'}; an IDX file of bytes with {axes} "
            f"axes starts with {expected.hex()}: images have 3 axes, labels 1"
        )
    lengths = file.read(4 * axes)
    if len(lengths) != 4 * axes:
        raise StorageError(f"{path} ends within its header: fetch it again")
    shape = tuple(int(length) for length in np.frombuffer(lengths, ">u4"))
    if not 0 < math.prod(shape) <= LARGEST:
        raise StorageError(
            f"{path} says that it holds {' x '.join(map(str, shape))} entries, which cannot be: "
            "fetch it again"
        )
    return shape
