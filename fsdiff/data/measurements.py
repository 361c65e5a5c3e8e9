"""Files of measurements: values of instruments, and where they were taken.

Tables of comma-separated values have a row for each datum: a column ``value`` and, where there are
several cases, a column ``case`` with a number for each; the places of data, in the data set's own
coordinates, are in columns called like its axes, and are the same in all cases. Files in NetCDF
have variables ``data`` (case, datum) or (datum) and, with places, ``place`` (datum, axis), as files
of observations do; a coordinate ``axis`` names the axes, which are in the data set's order without.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from fsdiff.jobs.failures import StorageError, check_file, first_line

VALUE, CASE = "value", "case"
"""Columns of tables beside those of the axes."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """Data (case, datum), float64, and the ``places`` (datum, axis) of data, if these are told."""

    data: np.ndarray
    places: np.ndarray | None = None

    @classmethod
    def read(cls, path: Path, axes: Sequence[str]) -> "Measurements":
        """From a file; StorageError that names it and what is wrong with it.

        ``axes`` are the names of those of the data set, in its order.
        """
        if not path.exists():
            raise StorageError(f"{path} does not exist: say where the measurements are")
        check_file(path)
        status = path.stat()
        return _read(path, tuple(axes), (status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=8)
def _read(path: Path, axes: tuple[str, ...], _: tuple[int, int]) -> Measurements:
    found = _of_netcdf(path, axes) if _is_netcdf(path) else _of_table(path, axes)
    for name, values in ((VALUE, found.data), ("place", found.places)):
        if values is not None and not np.isfinite(values).all():
            count = int((~np.isfinite(values)).sum())
            raise StorageError(
                f"{path}: {count} of {name} are missing or infinite: leave these out"
            )
    return found


def _is_netcdf(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4)
    return start == b"\x89HDF" or start[:3] == b"CDF"


def _of_table(path: Path, axes: tuple[str, ...]) -> Measurements:
    try:
        table = pd.read_csv(path, skipinitialspace=True)
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise StorageError(f"{path} is no table of measurements: {first_line(error)}") from error
    names, known = list(table.columns), [VALUE, CASE, *axes]
    if VALUE in names and not len(table):
        raise StorageError(f"{path} has no measurements")
    if VALUE not in names:
        raise StorageError(f"{path} has no column {VALUE}; its columns are {', '.join(names)}")
    if unknown := [name for name in names if name not in known]:
        raise StorageError(f"{path}: column {unknown[0]} is none of {', '.join(known)}")
    placed = [name for name in axes if name in names]
    if placed and len(placed) < len(axes):
        missing = next(name for name in axes if name not in names)
        raise StorageError(f"{path} has a column {placed[0]} and none for {missing}")
    if texts := [name for name in names if not pd.api.types.is_numeric_dtype(table[name])]:
        raise StorageError(f"{path}: not all of column {texts[0]} are numbers")
    if CASE in names and (rows := np.flatnonzero(table[CASE].isna())).size:
        raise StorageError(f"{path}: row {rows[0] + 1} of values has no {CASE}: fill in its number")
    cases = [rows for _, rows in table.groupby(CASE)] if CASE in names else [table]
    first = cases[0]
    for rows in cases[1:]:
        if len(rows) != len(first) or not np.array_equal(rows[placed], first[placed]):
            raise StorageError(
                f"{path}: case {rows[CASE].iloc[0]} is not measured at the places of case "
                f"{first[CASE].iloc[0]}, in their order: give it a file of its own"
            )
    data = np.stack([rows[VALUE].to_numpy(np.float64) for rows in cases])
    return Measurements(data, first[list(axes)].to_numpy(np.float64) if placed else None)


def _of_netcdf(path: Path, axes: tuple[str, ...]) -> Measurements:
    try:
        with xr.open_dataset(path) as file:
            held = file[[name for name in ("data", "place") if name in file]].load()
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read: {first_line(error)}") from error
    if "data" not in held:
        raise StorageError(f"{path} has no variable data of measurements")
    shapes = {"data": (("case", "datum"), ("datum",)), "place": (("datum", "axis"),)}
    for name, dimensions in shapes.items():
        if name in held and held[name].dims not in dimensions:
            expected = " or ".join(f"({', '.join(names)})" for names in dimensions)
            raise StorageError(f"{path}: {name} has dimensions {held[name].dims}; use {expected}")
    data = np.atleast_2d(held["data"].values.astype(np.float64))
    if not data.size:
        raise StorageError(f"{path} has no measurements")
    places = held["place"].values.astype(np.float64) if "place" in held else None
    if places is not None and places.shape != (data.shape[1], len(axes)):
        raise StorageError(
            f"{path}: place has shape {places.shape}; give {len(axes)} coordinates, "
            f"{', '.join(axes)}, for each of {data.shape[1]} data"
        )
    if places is not None and "axis" in held.coords:
        places = places[:, _order(path, [str(name) for name in held["axis"].values], axes)]
    return Measurements(data, places)


def _order(path: Path, names: Sequence[str], axes: Sequence[str]) -> list[int]:
    """Where the axes of the data set are among those of a file."""
    if sorted(names) != sorted(axes):
        raise StorageError(f"{path}: axis names {', '.join(names)} instead of {', '.join(axes)}")
    return [names.index(name) for name in axes]
