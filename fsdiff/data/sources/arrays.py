"""Arrays in files of several formats, opened without being read.

Whatever the format, a file is a collection of named arrays whose parts are read by slices. Its
content says which format it has, its suffix nothing, unless it has no header at all. Nothing is
ever unpickled.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fsdiff.data.sources.formats import (
    hdf5,
    interferogram,
    matlab,
    matrices,
    motion,
    netcdf,
    numpy_files,
    pdebench,
    pictures,
    signatures,
    tensors,
    zarr_store,
)
from fsdiff.data.sources.formats.failures import damage_named
from fsdiff.data.sources.formats.pictures import is_picture
from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.tables import may_be_table
from fsdiff.jobs.failures import StorageError

__all__ = ["FORMATS", "SUFFIXES", "Arrays", "Stored", "matrix", "opened", "picture", "readable"]


@dataclass(frozen=True)
class Format:
    """A format of files: the suffixes that they usually have, and how their arrays are found."""

    suffixes: tuple[str, ...]
    arrays: Callable[[Path, ExitStack], Arrays]


FORMATS = {
    "HDF5": Format((".h5", ".hdf5", ".nc", ".nc4", ".mat"), hdf5.arrays),
    "NetCDF-3": Format((".nc", ".cdf"), netcdf.arrays),
    "NumPy": Format((".npy",), numpy_files.array),
    "NumPy archive": Format((".npz",), numpy_files.arrays),
    "MATLAB": Format((".mat",), matlab.arrays),
    "zarr": Format((".zarr",), zarr_store.arrays),
    "safetensors": Format((".safetensors",), tensors.arrays),
    "BVH": Format((".bvh",), motion.arrays),
    "interferogram": Format((interferogram.SUFFIX,), interferogram.arrays),
    "picture": Format((), pictures.arrays),
    "text": Format((), matrices.arrays),
}
"""Name → format; NetCDF-4 and MATLAB 7.3 files are HDF5."""

SUFFIXES = tuple(dict.fromkeys(suffix for item in FORMATS.values() for suffix in item.suffixes))
"""Suffixes that promise arrays, in lower case."""


def readable(path: Path) -> bool:
    """Whether a file, or a folder that is a zarr store, is or promises to be one that is read here.

    Those of a usual suffix that hold something else are among them, for ``opened`` to refuse.
    Pictures are none of them: beside data they show these.
    """
    if path.suffix.lower() in SUFFIXES:
        return True
    with suppress(Exception):  # what cannot even be looked at promises nothing
        return signatures.format_of(path) in FORMATS.keys() - {"picture"}
    return False


def picture(path: Path) -> bool:
    """Whether a file is a picture."""
    return path.is_file() and is_picture(path)


def matrix(path: Path) -> bool:
    """Whether a file seems to be a table of numbers as text."""
    return path.is_file() and path.suffix.lower() not in SUFFIXES and may_be_table(path)


@contextmanager
def opened(path: Path, *, grouped: Sequence[str] = ()) -> Iterator[Arrays]:
    """The arrays of a file, by name; those ``grouped`` if it has a group for each sample.

    Arrays in groups have their path for a name, such as ``dimensions/time``. Raises StorageError
    where the file is damaged, of no format that is read here, or leads to data in other files.
    """
    with ExitStack() as stack:
        with damage_named(f"{path} cannot be opened"):
            kind = signatures.format_of(path) or ("text" if matrix(path) else None)
        if kind not in FORMATS:
            raise StorageError(f"{path} {signatures.refusal(path, kind, tuple(FORMATS))}")
        if grouped and kind != "HDF5":
            raise StorageError(f"{path} is a {kind} file without groups: say layout: array")
        with damage_named(f"{path} cannot be read as a file of format {kind}"):
            if grouped:
                arrays = pdebench.arrays(path, stack, grouped)
            else:
                arrays = FORMATS[kind].arrays(path, stack)
        yield {
            name: replace(stored, where=f"{path}: '{name}'", path=path)
            for name, stored in arrays.items()
        }
