"""HDF5, which NetCDF-4 files and those of MATLAB since version 7.3 are as well.

All are read with h5py, so that the same holds for each. Values must be in the file itself: nothing
watches over others that it may lead to, and it could lead to any file of the machine.
"""

import os
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import h5py
import netCDF4

from fsdiff.data.sources.formats.hdf5_attributes import attributes, text
from fsdiff.data.sources.formats.hdf5_axes import NOT_A_COORDINATE, Axes
from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Chunked, Longer, Opaque, Readable, Reversed, Text
from fsdiff.jobs.failures import StorageError

FILTERS = Path(netCDF4.__file__).parent / "plugins"
"""Filters that netCDF4 brings along, such as Zstandard and Blosc, and that serve h5py as well."""

if FILTERS.is_dir():
    h5py.h5pl.prepend(os.fsencode(FILTERS))

ONLY_A_DIMENSION = "This is a netCDF dimension but not a netCDF variable"
"""Beginning of the attribute NAME of a data set that only gives a dimension its length."""

PACKED = 1.25
"""Bytes in the file for each byte of a chunk, at most: packing may fail, but not by more."""


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """All arrays of a file, those of MATLAB with their axes in MATLAB's order."""
    file = opened(path, stack)
    items = {name: data_set(file, name) for name in names(file)}
    axes = Axes(file, list(items))
    found = {
        name.replace(NOT_A_COORDINATE, ""): stored(values, axes)
        for name, values in items.items()
        if not text(values, "NAME").startswith(ONLY_A_DIMENSION)
    }
    if path.suffix.lower() != ".mat" and not _is_matlab(path, found):
        return found
    return {name: _of_matlab(array) for name, array in found.items() if not name.startswith("#")}


def opened(path: Path, stack: ExitStack) -> h5py.File:
    """The file, or StorageError where it leads to values in other files."""
    file = stack.enter_context(h5py.File(path, "r"))
    name = file.id.links.visit(_outside, info=True)
    if name is not None:
        other, _ = file.id.links.get_val(name)
        raise StorageError(
            f"{path}: '{os.fsdecode(name)}' is a link into another file, '{os.fsdecode(other)}'; "
            "copy what it leads to into this one, or give that file as the path"
        )
    return file


def _outside(name: bytes, link: Any) -> bytes | None:
    return name if link.type == h5py.h5l.TYPE_EXTERNAL else None


def names(file: h5py.File) -> list[str]:
    """The paths of all data sets."""
    found = []

    def add(name: bytes, item: Any) -> None:
        if item.type == h5py.h5o.TYPE_DATASET:
            found.append(name.decode(errors="surrogateescape"))

    h5py.h5o.visit(file.id, add, info=True)
    return found


def data_set(file: h5py.File, name: str) -> h5py.Dataset:
    """A data set, or StorageError where its values are in other files."""
    values = file[name]
    _check_inside(file.filename, name, values)
    return values


def stored(values: h5py.Dataset, axes: Axes) -> Stored:
    """An array with what the file says of it."""
    readable = _readable(values)
    fill = _fill_value(values) if readable.dtype.kind in "iuf" else {}
    if not values.attrs:
        return Stored(readable, None, fill)
    if (shape := axes.shape(values)) != readable.shape and readable.dtype.kind != "O":
        readable = Longer(readable, shape)
    dimensions = axes.names(values)
    if dimensions is not None:  # there is none along the characters of text
        dimensions = dimensions[: len(readable.shape)]
    return Stored(readable, dimensions, fill | attributes(values))


def _check_inside(path: str, name: str, values: h5py.Dataset) -> None:
    """Refuse values that the file only points to."""
    if values.external:
        others = sorted({os.fsdecode(source[0]) for source in values.external})
        raise StorageError(
            f"{path}: the values of '{name}' are in other files ({', '.join(others)[:200]}), which "
            "are not read: copy them into this one"
        )
    if values.is_virtual:
        others = sorted({source.file_name for source in values.virtual_sources()})
        raise StorageError(
            f"{path}: '{name}' is a virtual data set, whose values are in {', '.join(others)[:200]}"
            ": give those files as the path (a folder or a pattern), or copy the values"
        )


def _fill_value(values: h5py.Dataset) -> dict[str, Any]:
    """The value of entries that were not written, where it cannot be one that was.

    That is, one that the writer chose, as NetCDF does for all but single bytes; the usual zero
    may be anything.
    """
    if values.dtype.itemsize == 1:
        return {}
    defined = values.id.get_create_plist().fill_value_defined()
    chosen = defined == h5py.h5d.FILL_VALUE_USER_DEFINED and values.fillvalue != 0
    return {"_FillValue": values.fillvalue.item()} if chosen else {}


def _readable(values: h5py.Dataset) -> Readable:
    """The values, those that were never written masked."""
    if values.shape is None:
        return Opaque((), "nothing")
    try:
        kind = values.dtype.kind
    except TypeError:  # numpy has no such type
        return Opaque(values.shape, "unknown")
    if h5py.check_string_dtype(values.dtype):
        return Text(values, characters=values.dtype == "S1" and values.ndim > 1)
    if kind not in "fiubc":
        return Opaque(values.shape, "compound" if kind == "V" else "object")
    if values.chunks is not None:
        return Chunked(values, values.chunks, _Written(values))
    if values.size and values.id.get_space_status() == h5py.h5d.SPACE_STATUS_NOT_ALLOCATED:
        return Chunked(values, tuple(max(length, 1) for length in values.shape), _never)
    return values


def _never(chunk: tuple[int, ...]) -> bool:
    return False


class _Written:
    """Whether a chunk was written, by its number along each axis."""

    def __init__(self, values: h5py.Dataset) -> None:
        self._values = values

    def __call__(self, chunk: tuple[int, ...]) -> bool:
        return self._offsets is None or chunk in self._offsets

    @cached_property
    def _offsets(self) -> set[tuple[int, ...]] | None:
        """The chunks that were written, None if all were."""
        values, found = self._values, set()
        _check_filters(values)
        count, size = values.id.get_num_chunks(), prod(values.chunks) * values.dtype.itemsize
        if values.id.get_storage_size() > count * (PACKED * size + 1024):
            raise StorageError(
                f"{values.file.filename}: chunks of '{values.name}' take more room in the file "
                "than their values; damaged: fetch or write it again"
            )
        grid = (-(-n // chunk) for n, chunk in zip(values.shape, values.chunks, strict=True))
        if count == prod(grid):
            return None
        values.id.chunk_iter(lambda chunk: found.add(chunk.chunk_offset))
        return {
            tuple(at // chunk for at, chunk in zip(offset, values.chunks, strict=True))
            for offset in found
        }


def _check_filters(values: h5py.Dataset) -> None:
    """Refuse what was packed in a way that this machine cannot undo."""
    properties = values.id.get_create_plist()
    for number in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            raise StorageError(
                f"{values.file.filename}: '{values.name}' is packed by the filter "
                f"{os.fsdecode(name)!r} ({code}), which is not installed: write it with gzip"
            )


def _is_matlab(path: Path, found: Arrays) -> bool:
    """Whether a file is MATLAB's, by its first words or what it says of its arrays."""
    with path.open("rb") as file:
        if file.read(10) == b"MATLAB 7.3":
            return True
    return any("MATLAB_class" in array.attributes for array in found.values())


def _of_matlab(array: Stored) -> Stored:
    """An array with its axes as MATLAB has them, the other way round than HDF5."""
    kind = array.attributes.get("MATLAB_class")
    if kind in ("char", "cell", "struct", "function_handle"):
        return replace(array, values=Opaque(array.shape[::-1], str(kind)))
    if isinstance(array.values, Opaque | Text):
        return array
    names = array.dimensions and array.dimensions[::-1]
    return replace(array, values=Reversed(array.values), dimensions=names)
