"""Stores of zarr, folders with a file for each chunk; they need the extra ``zarr``."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from xarray.backends.zarr import FillValueCoder

from fsdiff.data.sources.formats.attributes import plain
from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Chunked, Opaque, Readable, Text, complete, named
from fsdiff.data.sources.formats.zarr_chunks import Written
from fsdiff.jobs.failures import StorageError

METADATA = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
"""Files of which a store has at least one."""

DIMENSIONS = "_ARRAY_DIMENSIONS"
"""Attribute of arrays of version 2 that names their axes."""


def is_store(path: Path) -> bool:
    """Whether a folder is a store."""
    return any((path / name).is_file() for name in METADATA)


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """The arrays of a store and of the groups in it; one that stands alone is called ``field``."""
    try:
        import zarr
    except ModuleNotFoundError:
        raise StorageError(
            f"{path} is a zarr store, and the package to read it is missing: "
            "pip install 'fsdiff[zarr]'"
        ) from None
    if _is_array(path):
        return {"field": _stored(path, path, zarr.open_array(path, mode="r"))}
    # What was consolidated once may not be what the store holds now.
    group = zarr.open_group(path, mode="r", use_consolidated=False)
    members = group.members(None, use_consolidated_for_children=False)
    return {
        name: _stored(path / name, path, item)
        for name, item in members
        if isinstance(item, zarr.Array)
    }


def _is_array(path: Path) -> bool:
    if (path / "zarr.json").is_file():
        return json.loads((path / "zarr.json").read_text())["node_type"] == "array"
    return (path / ".zarray").is_file()


def _stored(folder: Path, store: Path, array: Any) -> Stored:
    _check_codecs(folder, array)
    attributes = plain(array.attrs.asdict())
    names = array.attrs.get(DIMENSIONS) or getattr(array.metadata, "dimension_names", None)
    attributes.pop(DIMENSIONS, None)
    if isinstance(attributes.get("_FillValue"), str):  # xarray's way to keep it in JSON
        given = FillValueCoder.decode(attributes["_FillValue"], array.dtype.str)
        attributes["_FillValue"] = np.asarray(given).item()
    return Stored(
        _readable(folder, store, array), named(names or ()), _fill_value(array) | attributes
    )


def _check_codecs(folder: Path, array: Any) -> None:
    """Refuse values that are unpacked by running what they say."""
    metadata = {k: v for k, v in array.metadata.to_dict().items() if k != "attributes"}
    if "pickle" in str(metadata).lower():
        raise StorageError(f"{folder} is kept as pickles, which are not read; write it without")


def _fill_value(array: Any) -> dict[str, Any]:
    """The value of entries that were not written; zero may as well be one that was."""
    fill = array.fill_value
    chosen = array.dtype.kind in "iuf" and fill is not None and fill != 0
    return {"_FillValue": np.asarray(fill).item()} if chosen else {}


def _readable(folder: Path, store: Path, array: Any) -> Readable:
    if array.dtype.kind not in "fiubcmMTUS":
        return Opaque(array.shape, str(array.dtype))
    values, written = _Values(array), Written(folder, store, array)
    if array.dtype.kind in "TUS":
        return Text(values)
    if _fill_value(array):
        return Chunked(values, array.chunks, written)

    def certain(chunk: tuple[int, ...]) -> bool:
        if not written(chunk):
            raise StorageError(
                f"{folder}: chunk {chunk} is not there, so that it is zero, which zarr leaves out, "
                "or lost: write the store with config={'write_empty_chunks': True}"
            )
        return True

    return Chunked(values, array.chunks, certain)


class _Values:
    """The values of an array, by slices and lists of positions."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        return np.asarray(self._array.oindex[complete(index, len(self.shape))])
