"""What a file says of the fields in it before their values are read, and the checks on that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np

from fsdiff.atomic import StorageError
from fsdiff.datasets.arrays import Arrays, Stored
from fsdiff.storage import SERIES_DIMENSIONS

Dimension = Literal["sample", "time", "channel", "y", "x"]

UNEVEN = 1e-3
"""Deviation from equal spacing, as a share of it, that is put down to rounding."""


@dataclass(frozen=True)
class Header:
    """The fields in one file: how many, on which nodes, at which times, in which units.

    ``dimensions`` are those of the axes of each of the ``variables``. ``times`` is None where there
    is no such axis, ``y`` and ``x`` where the file does not say where its nodes are.
    """

    samples: int
    resolution: int
    variables: tuple[str, ...]
    dimensions: tuple[str, ...]
    channels: tuple[str, ...]
    times: tuple[float, ...] | None
    y: tuple[float, ...] | None
    x: tuple[float, ...] | None
    units: Mapping[str, str]

    def check_like(self, other: "Header", path: Path, others: Path) -> None:
        """Raise StorageError where the files differ in more than the number of samples."""
        for item in fields(self):
            mine, its = getattr(self, item.name), getattr(other, item.name)
            if item.name != "samples" and mine != its:
                raise StorageError(
                    f"{path}: {item.name} = {_short(mine)}, but {others} has {_short(its)}; the "
                    "files of a data set must agree"
                )


def read_header(
    path: Path,
    arrays: Arrays,
    *,
    variables: Sequence[str] = (),
    dimensions: Sequence[str] = (),
    units: str | None = None,
) -> Header:
    """The header of a file, or StorageError with what is wrong with it and the remedy.

    Without ``variables`` the file has one array that can hold fields, without ``dimensions`` it
    names those of its arrays. ``units`` stands in for those that the file has for the fields.
    """
    variables = tuple(variables) or (_only_variable(path, arrays),)
    for name in variables:
        if name not in arrays:
            raise StorageError(f"{path} has no array '{name}', only {', '.join(arrays)}")
        arrays[name].check()
    contents = _Contents(arrays, variables, _dimensions(arrays[variables[0]], dimensions))
    sizes = contents.sizes()
    return Header(
        samples=sizes.get("sample", 1),
        resolution=sizes["x"],
        variables=variables,
        dimensions=contents.dimensions,
        channels=tuple(contents.channels()),
        times=contents.times(),
        **contents.nodes(path),
        units=contents.units(units),
    )


def read_fields(
    arrays: Arrays, header: Header, samples: slice, frames: Sequence[int]
) -> np.ndarray:
    """Fields (sample, time, channel, y, x) of some samples at some of the times, in floating point.

    The axes ``time`` and ``channel`` have length one where the file has no such dimension.
    """
    first, last = frames[0], frames[-1]
    # Slices are read at once, where a list of positions takes a step for each.
    beside = last - first + 1 == len(frames)
    chosen = {"sample": samples, "time": slice(first, last + 1) if beside else list(frames)}
    index = tuple(chosen.get(name, slice(None)) for name in header.dimensions)
    order = [header.dimensions.index(d) for d in SERIES_DIMENSIONS if d in header.dimensions]
    absent = [i for i, d in enumerate(SERIES_DIMENSIONS) if d not in header.dimensions]
    parts = [arrays[name].read(index).transpose(order) for name in header.variables]
    return np.concatenate([np.expand_dims(part, absent) for part in parts], axis=2)


@dataclass(frozen=True)
class _Contents:
    """The arrays of a file, some of which are fields, and what their axes are."""

    arrays: Arrays
    variables: tuple[str, ...]
    dimensions: tuple[str, ...]

    @property
    def first(self) -> Stored:
        """The first of the fields."""
        return self.arrays[self.variables[0]]

    def sizes(self) -> dict[str, int]:
        """Length of each dimension."""
        first = self.first
        for stored in map(self.arrays.__getitem__, self.variables):
            if stored.shape != first.shape:
                raise StorageError(
                    f"{stored.where} has shape {stored.shape}, and '{self.variables[0]}' "
                    f"{first.shape}; read variables of one shape"
                )
        sizes = dict(zip(self.dimensions, first.shape, strict=True))
        if sizes["y"] != sizes["x"] or sizes["x"] < 2:
            raise StorageError(
                f"{first.where} is on {sizes['y']} x {sizes['x']} nodes (y, x): fields must be on "
                "squares with two or more nodes per axis; cut or interpolate them"
            )
        return sizes

    def channels(self) -> list[str]:
        """Names of all channels: those of the file, or of variables, numbered along an axis."""
        if "channel" not in self.dimensions:
            return list(self.variables)
        count = self.first.shape[self.dimensions.index("channel")]
        given = self._coordinate("channel")
        named = given is not None and np.dtype(given.values.dtype).kind not in "fiu"
        labels = [str(label) for label in (given.values[:] if named else range(count))]
        if named and len(self.variables) == 1:
            return labels
        return [f"{name}_{label}" for name in self.variables for label in labels]

    def times(self) -> tuple[float, ...] | None:
        """Times of the frames; their numbers where the file gives none."""
        if "time" not in self.dimensions:
            return None
        given = self._coordinate("time")
        if given is None:
            return tuple(map(float, range(self.first.shape[self.dimensions.index("time")])))
        times = given.read().ravel().astype(float)
        if not (np.diff(times) > 0).all():
            raise StorageError(f"{given.where}: times do not increase; sort the frames")
        return tuple(times.tolist())

    def nodes(self, path: Path) -> dict[str, tuple[float, ...] | None]:
        """Positions of the nodes along y and x, equally spaced and increasing."""
        found = {}
        for axis in ("y", "x"):
            given = self._coordinate(axis)
            found[axis] = None if given is None else _evenly_spaced(given)
        extents = [nodes[-1] - nodes[0] for nodes in found.values() if nodes]
        if not np.allclose(extents, extents[:1], rtol=UNEVEN):
            raise StorageError(
                f"{path}: nodes span {extents[0]:g} along y and {extents[1]:g} along x; cut or "
                "interpolate the fields to a square with one spacing"
            )
        return found

    def units(self, given: str | None) -> dict[str, str]:
        """Units of the fields, the times and the nodes, as far as they are known."""
        own = {name: self.arrays[name].units or "1" for name in self.variables}
        if given is None and len(set(own.values())) > 1:
            pairs = ", ".join(f"{name} [{unit}]" for name, unit in own.items())
            raise StorageError(
                f"{self.first.where}: channels have different units, {pairs}; convert them, or "
                "give one unit for all, e.g. units: '1'"
            )
        units = {"field": given or own[self.variables[0]]}
        for quantity, dimension in (("time", "time"), ("nodes", "x")):
            coordinate = self._coordinate(dimension)
            if coordinate is not None and coordinate.units:
                # "days since 2000-01-01" counts from a date; the numbers stay as they are.
                units[quantity] = coordinate.units.partition(" since ")[0]
        return units

    def _coordinate(self, dimension: str) -> Stored | None:
        """The array of positions along a dimension, which has the name of its axis."""
        if dimension not in self.dimensions:
            return None
        first, axis = self.first, self.dimensions.index(dimension)
        names = [dimension, *(["t"] if dimension == "time" else [])]
        for name in [*(first.dimensions[axis : axis + 1] if first.dimensions else ()), *names]:
            shape = self.arrays[name].shape if name in self.arrays else ()
            if max(shape, default=0) == np.prod(shape) == first.shape[axis]:
                return self.arrays[name]
        return None


def _only_variable(path: Path, arrays: Arrays) -> str:
    found = [name for name, a in arrays.items() if sum(length > 1 for length in a.shape) > 1]
    if len(found) != 1:
        raise StorageError(
            f"{path} has {len(found)} arrays of two or more dimensions; say which to read, e.g. "
            f"variables: [{(found or ['field'])[0]}] (there are {', '.join(arrays) or 'none'})"
        )
    return found[0]


def _dimensions(stored: Stored, given: Sequence[str]) -> tuple[str, ...]:
    """What the axes of an array are."""
    shape, remedy = stored.shape, "say what they are, e.g. dimensions: [sample, y, x]"
    names = tuple(given) or stored.dimensions
    if names is None:
        raise StorageError(f"{stored.where} has shape {shape} and axes without names; {remedy}")
    shown, known = ", ".join(names), ", ".join(SERIES_DIMENSIONS)
    if len(names) != len(shape):
        raise StorageError(f"{stored.where} has shape {shape}, but dimensions: [{shown}]")
    if not set(names) <= set(SERIES_DIMENSIONS) or len(set(names)) != len(names):
        raise StorageError(
            f"{stored.where} has dimensions ({shown}), which are not all among {known}; {remedy}"
        )
    if not {"y", "x"} <= set(names):
        raise StorageError(f"{stored.where} has dimensions ({shown}) without y or x; {remedy}")
    return names


def _evenly_spaced(coordinate: Stored) -> tuple[float, ...]:
    """Positions that increase in equal steps."""
    nodes = coordinate.read().ravel().astype(float)
    spacing = (nodes[-1] - nodes[0]) / (len(nodes) - 1)
    if not spacing > 0:
        raise StorageError(f"{coordinate.where} does not increase; turn the axis round")
    if not np.abs(np.diff(nodes) - spacing).max() <= UNEVEN * spacing:
        raise StorageError(f"{coordinate.where} is not equally spaced; interpolate to an even grid")
    return tuple(nodes.tolist())


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
