"""Arrays in files of several formats, opened without being read.

Whatever the format, a file is a collection of named arrays whose parts are read by slices. NetCDF,
HDF5 and ``.npy`` files are read part by part; an array in an ``.npz`` or an old (v5) MATLAB file
can only be read as a whole, once one of its values is needed. Nothing is ever unpickled.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import scipy.io

from fsdiff.atomic import StorageError
from fsdiff.datasets.formats.attributes import plain
from fsdiff.datasets.formats.decoding import decode


@dataclass(frozen=True)
class Stored:
    """An array in a file: ``values`` has a shape and a dtype, and is read by slices.

    ``dimensions`` are the names of its axes where the file gives them, ``attributes`` what else it
    says of the array, as plain numbers, text and lists of them. ``where`` says in messages what
    array this is.
    """

    values: Any
    dimensions: tuple[str, ...] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of entries along each axis."""
        return tuple(self.values.shape)

    @property
    def units(self) -> str | None:
        """The units, None where the file gives none."""
        units = self.attributes.get("units")
        return None if units is None or isinstance(units, list) else str(units).strip() or None

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the arrays that the attribute ``coordinates`` of the CF conventions lists."""
        names = self.attributes.get("coordinates")
        return tuple(names.split()) if isinstance(names, str) else ()

    def check(self, dtype: np.dtype | type | None = None) -> None:
        """Raise StorageError where the values, or those of a part of this type, are not real."""
        dtype = np.dtype(self.values.dtype if dtype is None else dtype)
        if dtype.kind not in "fiub":
            raise StorageError(
                f"{self.where} holds values of type {dtype}: write real numbers, such as float32 "
                "(real and imaginary parts as two channels)"
            )

    def read(self, index: Any = ...) -> np.ndarray:
        """A part of the array in floating point, NaN where it has no value.

        Double precision wherever single precision would change values of the file.
        """
        part = self.values[index]
        self.check(part.dtype)
        return decode(np.ma.asanyarray(part), self.attributes, self.where)


Arrays = dict[str, Stored]


@contextmanager
def opened(path: Path, *, grouped: bool = False) -> Iterator[Arrays]:
    """The arrays of a file, by name; ``grouped`` if it has a group for each sample.

    Raises StorageError where the file is damaged or of another format than its suffix says.
    """
    with ExitStack() as stack:
        try:
            arrays = (_groups if grouped else FORMATS[path.suffix])(path, stack)
        except StorageError:
            raise
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
            raise StorageError(
                f"{path} cannot be read as a {path.suffix} file ({error}); fetch or write it again"
            ) from error
        yield {name: replace(stored, where=f"{path}: '{name}'") for name, stored in arrays.items()}


def _netcdf(path: Path, stack: ExitStack) -> Arrays:
    file = stack.enter_context(netCDF4.Dataset(path))
    file.set_auto_maskandscale(False)
    return {
        name: Stored(variable, variable.dimensions, plain(variable.__dict__))
        for name, variable in file.variables.items()
    }


def _hdf5(path: Path, stack: ExitStack) -> Arrays:
    file = stack.enter_context(h5py.File(path, "r"))
    found: Arrays = {}

    def add(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = _of_hdf5(item)

    file.visititems(add)
    return found


def _of_hdf5(values: h5py.Dataset) -> Stored:
    return Stored(values, attributes=plain(values.attrs))


def _groups(path: Path, stack: ExitStack) -> Arrays:
    """PDEBench's layout: groups 0000, 0001, … with ``data`` and ``grid/x``, ``grid/y``, ``grid/t``.

    The arrays ``data`` of all groups, in the order of their names, become one.
    """
    file = stack.enter_context(h5py.File(path, "r"))
    names = sorted(name for name, item in file.items() if isinstance(item, h5py.Group))
    if not names:
        raise StorageError(
            f"{path} has no group for each sample but arrays ({', '.join(file)}): say layout: array"
        )
    without = [name for name in names if "data" not in file[name]]
    if without:
        raise StorageError(f"{path}: group '{without[0]}' has no array 'data'; fetch it again")
    data = [file[name]["data"] for name in names]
    for name, values in zip(names, data, strict=True):
        if values.shape != data[0].shape:
            raise StorageError(
                f"{path}: 'data' has shape {values.shape} in group '{name}' and {data[0].shape} in "
                f"'{names[0]}'; all samples must be alike"
            )
    grid = file[names[0]].get("grid", {})
    return {"data": Stored(_Stack(data)), **{axis: _of_hdf5(grid[axis]) for axis in grid}}


def _npy(path: Path, stack: ExitStack) -> Arrays:
    return {"field": Stored(np.load(path, mmap_mode="r", allow_pickle=False))}


def _npz(path: Path, stack: ExitStack) -> Arrays:
    file = stack.enter_context(np.load(path, allow_pickle=False))
    found = {}
    for name in file.files:
        with file.zip.open(f"{name}.npy") as member:
            version = np.lib.format.read_magic(member)
            shape, _, dtype = _NPY_HEADERS[version](member)
        found[name] = Stored(_Whole(shape, dtype, partial(file.__getitem__, name)))
    return found


_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _matlab(path: Path, stack: ExitStack) -> Arrays:
    if not h5py.is_hdf5(path):
        return {
            name: Stored(_Whole(shape, _matlab_type(kind), partial(_load_matlab, path, name)))
            for name, shape, kind in scipy.io.whosmat(path)
        }
    # Since version 7.3 these files are HDF5, with the axes in reverse.
    return {
        name: Stored(_Reversed(stored.values))
        for name, stored in _hdf5(path, stack).items()
        if not name.startswith("#")
    }


def _matlab_type(kind: str) -> np.dtype:
    numeric = {
        "double",
        "single",
        *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)),
    }
    return np.dtype(kind if kind in numeric else object)


def _load_matlab(path: Path, name: str) -> np.ndarray:
    return scipy.io.loadmat(path, variable_names=[name])[name]


FORMATS: dict[str, Callable[[Path, ExitStack], Arrays]] = {
    ".nc": _netcdf,
    ".nc4": _netcdf,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".npy": _npy,
    ".npz": _npz,
    ".mat": _matlab,
}
"""Suffix → the arrays of a file that has it."""


class _Whole:
    """An array that can only be read as a whole."""

    def __init__(
        self, shape: Sequence[int], dtype: np.dtype, load: Callable[[], np.ndarray]
    ) -> None:
        self.shape, self.dtype, self._load = tuple(shape), dtype, load

    @cached_property
    def _values(self) -> np.ndarray:
        return self._load()

    def __getitem__(self, index: Any) -> np.ndarray:
        return self._values[index]


class _Stack:
    """Arrays of one shape, stacked along a new first axis."""

    def __init__(self, arrays: Sequence[h5py.Dataset]) -> None:
        self.arrays = arrays
        self.shape, self.dtype = (len(arrays), *arrays[0].shape), arrays[0].dtype

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        return np.stack([values[index[1:]] for values in self.arrays[index[0]]])


class _Reversed:
    """An array with its axes in reverse order."""

    def __init__(self, values: h5py.Dataset) -> None:
        self.values = values
        self.shape, self.dtype = values.shape[::-1], values.dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        reverse = index[::-1] if isinstance(index, tuple) else index
        return np.transpose(self.values[reverse])
