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

from fsdiff.atomic import StorageError
from fsdiff.datasets.formats.attributes import plain
from fsdiff.datasets.formats.decoding import CONVENTIONS
from fsdiff.datasets.formats.stored import Arrays, Stored
from fsdiff.datasets.formats.views import Chunked, Longer, Opaque, Readable, Reversed, Text, named

FILTERS = Path(netCDF4.__file__).parent / "plugins"
"""Filters that netCDF4 brings along, such as Zstandard and Blosc, and that serve h5py as well."""

if FILTERS.is_dir():
    h5py.h5pl.prepend(os.fsencode(FILTERS))

STRUCTURE = {"CLASS", "NAME", "DIMENSION_LIST", "DIMENSION_LABELS", "REFERENCE_LIST"}
"""Attributes that say how data sets belong together, not what they hold."""

ONLY_A_DIMENSION = "This is a netCDF dimension but not a netCDF variable"
"""Beginning of the attribute NAME of a data set that only gives a dimension its length."""

NOT_A_COORDINATE = "_nc4_non_coord_"
"""Prefix of a NetCDF variable that has the name of a dimension by chance."""

LARGEST_ATTRIBUTE = 2**24
"""Bytes of an attribute beyond which it is put down to damage."""

PACKED = 1.25
"""Bytes in the file for each byte of a chunk, at most: packing may fail, but not by more."""


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """All arrays of a file, those of MATLAB with their axes in MATLAB's order."""
    file = opened(path, stack)
    items = {name: data_set(file, name) for name in names(file)}
    found = {
        name.replace(NOT_A_COORDINATE, ""): stored(values)
        for name, values in items.items()
        if not _text(values, "NAME").startswith(ONLY_A_DIMENSION)
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


def stored(values: h5py.Dataset) -> Stored:
    """An array with what the file says of it."""
    readable = _readable(values)
    fill = _fill_value(values) if readable.dtype.kind in "iuf" else {}
    if not values.attrs:
        return Stored(readable, None, fill)
    axes = _dimensions(values)
    if (shape := _shape(values)) != readable.shape and not isinstance(readable, Text | Opaque):
        readable = Longer(readable, shape)
    return Stored(readable, axes and axes[: len(readable.shape)], fill | _attributes(values))


def _text(values: h5py.Dataset, name: str) -> str:
    value = values.attrs.get(name, "")
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


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


def _attributes(values: h5py.Dataset) -> dict[str, Any]:
    """What the file says of the values; what only h5py cannot make sense of is left out."""
    found = {}
    for name in values.attrs:
        if name in STRUCTURE or name.startswith(("_Netcdf4", "_NCProperties")):
            continue
        item = values.attrs.get_id(name)
        if item.get_space().get_select_npoints() * item.get_type().get_size() > LARGEST_ATTRIBUTE:
            raise ValueError(f"the attribute '{name}' of '{values.name}' claims over 16 MB")
        try:
            found[name] = values.attrs[name]
        except (OSError, TypeError, ValueError):
            if name in CONVENTIONS:
                raise
    return plain(found)


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


def _dimensions(values: h5py.Dataset) -> tuple[str, ...] | None:
    """Names of the axes: those of dimension scales, as NetCDF has it, or else their labels."""
    own = _own_dimensions(values)
    if own is not None:
        return own
    return named([_axis_name(axis) for axis in values.dims])


def _shape(values: h5py.Dataset) -> tuple[int, ...]:
    """Lengths of the axes, those of coordinates that have grown where the values have not."""
    unlimited = [length is None for length in values.maxshape]
    scales = ([scale.shape[0] for scale in axis.values() if scale.shape] for axis in values.dims)
    lengths = zip(values.shape, unlimited, scales if any(unlimited) else unlimited, strict=True)
    return tuple(max(n, *along) if grows and along else n for n, grows, along in lengths)


def _own_dimensions(values: h5py.Dataset) -> tuple[str, ...] | None:
    """Those of a coordinate: itself or, along several axes of NetCDF, those it has the numbers of.

    Coordinates are not attached to themselves.
    """
    if not values.is_scale:
        return None
    if values.ndim == 1:
        return (_last(values.name),)
    scales = ((name, values.file[name].attrs.get("_Netcdf4Dimid")) for name in names(values.file))
    numbers = {int(number): _last(name) for name, number in scales if number is not None}
    own = [numbers.get(int(i)) for i in values.attrs.get("_Netcdf4Coordinates", ())]
    return tuple(map(str, own)) if own and None not in own else None


def _axis_name(axis: Any) -> str:
    for scale in axis.values():
        if scale.name is not None:
            return _last(scale.name)
    return axis.label


def _last(path: str) -> str:
    return path.rpartition("/")[2].removeprefix(NOT_A_COORDINATE)


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
