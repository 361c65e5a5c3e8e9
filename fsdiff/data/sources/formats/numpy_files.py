"""NumPy's files: an array in ``.npy``, several in ``.npz``."""

import io
import zipfile
from collections import Counter
from contextlib import ExitStack
from functools import partial
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Opaque, Readable, Text, Whole
from fsdiff.jobs.failures import StorageError

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

LARGEST_HEADER = 2**16
"""Bytes in which the header of an array of numbers must fit."""


def array(path: Path, stack: ExitStack) -> Arrays:
    """The array of a file, called ``field``, mapped to memory."""
    with path.open("rb") as file:
        _, _, kind = _header(file)
    if kind.hasobject:
        raise StorageError(
            f"{path} holds Python objects, such as arrays of different lengths, and these are not "
            "read: write one array of numbers"
        )
    return {"field": Stored(_readable(np.load(path, mmap_mode="r", allow_pickle=False)))}


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """The arrays of an archive, each of which is unpacked as a whole."""
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
    names = Counter(member.filename for member in members)
    for name, count in names.items():
        if count > 1:
            raise StorageError(f"{path} has {count} arrays '{name[:-4]}'; write it again")
    return {member.filename[:-4]: Stored(_member(archive, member)) for member in members}


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Readable:
    with archive.open(member) as file:
        beginning = io.BytesIO(file.read(LARGEST_HEADER))
    shape, _, kind = _header(beginning)
    length = beginning.tell() + prod(shape) * kind.itemsize
    if kind.hasobject:
        return Opaque(shape, "object")
    if length != member.file_size:
        raise StorageError(
            f"{archive.filename}: '{member.filename}' has {member.file_size} bytes and says that "
            f"it has {length}; fetch or write it again"
        )
    return _readable(Whole(shape, kind, partial(_load, archive, member)))


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"version {version} of its format is not read")
    return HEADERS[version](file)


def _load(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _readable(values: Readable) -> Readable:
    return Text(values) if values.dtype.kind in "SU" else values
