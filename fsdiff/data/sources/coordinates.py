"""Positions of nodes and times of frames, found in a file by attributes and by names."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from fsdiff.data.sources.arrays import Arrays, Stored
from fsdiff.data.sources.axes import (
    USUAL,
    Axes,
    Dimension,
    beside,
    meaning,
    plain,
    said_by_attributes,
)
from fsdiff.data.sources.dates import seconds_from_first
from fsdiff.data.sources.formats.attributes import decoded
from fsdiff.data.sources.formats.failures import damage_named
from fsdiff.data.sources.labels import listed
from fsdiff.data.sources.units import counted, in_degrees
from fsdiff.jobs.failures import StorageError

PACKED = 0.05
"""The share of a step that packing into integers may take of positions."""

UNEVEN = 1e-3
"""Deviation from equal spacing, as a share of it, that is put down to rounding."""

NUMBERS = "fiu"
"""Kinds of types that are real numbers."""

CIRCLE = 360.0
"""Degrees of longitude that are a period."""

ON_SPHERE = ("lat", "latitude", "lon", "long", "longitude")
"""Names of these where they have no units."""

SECONDS = ("dates: times count in seconds from the first", "durations: times are in seconds")

LARGEST = 2**24
"""Numbers that an array of positions has at most."""


@dataclass(frozen=True)
class Positions:
    """Positions along an axis, each within ``rounding`` of where it is.

    ``degrees`` if they are longitudes or latitudes, by their unit or else by their name.
    """

    values: tuple[float, ...]
    rounding: float
    units: str | None = None
    where: str = ""
    degrees: bool = False

    @property
    def extent(self) -> float:
        """From the first to the last."""
        return self.values[-1] - self.values[0]

    def without_last(self) -> "Positions":
        """All but the last."""
        return replace(self, values=self.values[:-1])

    def continued(self, count: int) -> "Positions":
        """As many positions in the same steps."""
        if count == len(self.values):
            return self
        step = self.extent / (len(self.values) - 1)
        return replace(self, values=tuple(self.values[0] + step * i for i in range(count)))

    def agree(self, other: "Positions") -> bool:
        """Whether positions are the same, rounding and a small share of the least step aside."""
        if len(self.values) != len(other.values):
            return False
        tolerance = max(self.tolerance, other.tolerance)
        return bool(np.abs(np.subtract(self.values, other.values)).max() <= tolerance)

    @property
    def tolerance(self) -> float:
        """How far a position may be from another that is meant to be the same."""
        steps = np.abs(np.diff(self.values))
        step = float(steps.min()) if len(steps) else 1.0
        return UNEVEN * step + 2 * self.rounding


class Unusable(Exception):
    """An array holds no positions along an axis, for the reason that is the message."""


@dataclass(frozen=True)
class Finder:
    """Looks for positions along the axes of variables; ``given`` names arrays for some."""

    arrays: Arrays
    axes: Mapping[str, Axes]
    given: Mapping[str, str]

    def find(self, dimension: Dimension, length: int) -> tuple[Positions | None, list[str]]:
        """Positions along a dimension, None where there are none; and remarks for people.

        Raises StorageError where the array that was given for them cannot be used.
        """
        remarks = []
        for name in self.candidates(dimension):
            stored = self.arrays[name]
            try:
                found, remark = _positions(stored, dimension, length)
            except Unusable as reason:
                message = f"{stored.where} does not say where {_entries(dimension)} are: {reason}"
                if dimension in self.given:
                    raise StorageError(message) from None
                remarks.append(message)
            else:
                degrees = in_degrees(
                    found.units or ("degree" if plain(name) in ON_SPHERE else None)
                )
                found = replace(found, degrees=degrees)
                return found, [*remarks, *([remark] if remark else [])]
        return None, [*remarks, *self._perhaps(dimension, length)]

    def own(self, variable: str, dimension: Dimension, length: int) -> Positions | None:
        """Positions that only belong to one variable: by the names of its axes, or in its group."""
        group = variable.rpartition("/")[0]
        beside_it = [
            name
            for name in self.candidates(dimension)
            if name.rpartition("/")[0] == group and meaning(name, self.arrays[name]) == dimension
        ]
        for name in dict.fromkeys([*self._of_variable(variable, dimension), *beside_it]):
            with suppress(Unusable):
                return _positions(self.arrays[name], dimension, length)[0]
        return None

    def candidates(self, dimension: Dimension) -> list[str]:
        """Names of arrays that are said to hold positions along a dimension, best first."""
        if dimension in self.given:
            name = self.given[dimension]
            if name not in self.arrays:
                there = listed(self.arrays)
                raise StorageError(f"coordinates.{dimension}: no array '{name}', only {there}")
            return [name]
        found = dict.fromkeys([*self._of_axes(dimension), *self._of_attributes(dimension)])
        usual = [name for name in self._others() if meaning(name) == dimension]
        order = USUAL[dimension].split()
        usual.sort(key=lambda name: (name.count("/"), order.index(plain(name))))
        return list(found | dict.fromkeys(usual))

    def _of_axes(self, dimension: Dimension) -> Iterator[str]:
        """Arrays with the name of an axis, and those that a variable names as its coordinates."""
        for variable in self.axes:
            yield from self._of_variable(variable, dimension)

    def _of_variable(self, variable: str, dimension: Dimension) -> Iterator[str]:
        """Those of one variable."""
        stored, axes = self.arrays[variable], self.axes[variable]
        names = stored.dimensions or ()
        own = [name for name, axis in zip(names, axes, strict=False) if axis == dimension]
        for name in (*own, *stored.coordinates):
            path = beside(self.arrays, variable, name)
            if path and (name in own or meaning(path, self.arrays[path]) == dimension):
                yield path

    def _of_attributes(self, dimension: Dimension) -> list[str]:
        return [
            n for n, stored in self._others().items() if said_by_attributes(stored) == dimension
        ]

    def _others(self) -> Arrays:
        """All arrays that may be positions."""
        return {
            name: stored
            for name, stored in self.arrays.items()
            if name not in self.axes
            and stored.shape
            and sum(length > 1 for length in stored.shape) <= 2
        }

    def _perhaps(self, dimension: Dimension, length: int) -> list[str]:
        """Arrays that would fit, of which nothing says what they are."""
        known = {name for other in USUAL for name in self.candidates(other)}
        names = [
            name
            for name, stored in self._others().items()
            if name not in known and max(stored.shape) == np.prod(stored.shape) == length
        ]
        if not names:
            return []
        return [
            f"{self.arrays[names[0]].where} has an entry for each of {length} {_entries(dimension)}"
            f" but is not read; if it says where they are: coordinates: {{{dimension}: {names[0]}}}"
        ]


def _positions(stored: Stored, dimension: Dimension, length: int) -> tuple[Positions, str | None]:
    """Positions along an axis, and what was done to get them if anything."""
    values = _along(stored, dimension, length)
    rounding, remark = _rounding(stored, values), None
    if len(values) == length + 1 and dimension == "time":
        remark = f"{stored.where} has one more time than there are frames: the last is left out"
        values = values[:-1]
    elif len(values) == length + 1:
        remark = f"{stored.where} holds faces of cells: nodes are taken to be between them"
        values = (values[1:] + values[:-1]) / 2
    units = stored.units
    if (kind := np.dtype(stored.values.dtype).kind) not in NUMBERS:
        units = "s"
        remark = f"{stored.where} holds {SECONDS[kind == 'm']}"
    unit, _ = counted(units)  # numbers of days since a date stay as they are
    return Positions(tuple(values.tolist()), rounding, unit, stored.where), remark


def _along(stored: Stored, dimension: Dimension, length: int) -> np.ndarray:
    """Positions along an axis of ``length`` entries or one more, the same along all others."""
    if np.prod(stored.shape) > LARGEST:
        raise Unusable(f"it has shape {stored.shape}")
    values = _numbers(stored, dimension)
    if not np.isfinite(values).all():
        raise Unusable("values are missing")
    tolerance, changing = 2 * _rounding(stored, values), False
    for count in (length, length + 1):
        for axis in (i for i, size in enumerate(values.shape) if size == count):
            lines = np.moveaxis(values, axis, 0).reshape(count, -1)
            if np.ptp(lines, axis=1).max() <= tolerance:
                return lines[:, 0]
            changing = True
    if changing:
        raise Unusable(f"it is not the same along its other axes, of shape {stored.shape}")
    raise Unusable(f"it has shape {stored.shape}, and there are {length}")


def _numbers(stored: Stored, dimension: Dimension) -> np.ndarray:
    """The entries in double precision; dates in seconds from the first."""
    kind = np.dtype(stored.values.dtype).kind
    if kind in NUMBERS:
        return stored.read().astype(float)
    if kind == "c":
        raise Unusable("it holds complex numbers")
    if dimension != "time":
        raise Unusable("it holds no numbers")
    if kind == "m":
        return _durations(stored)
    written = texts(stored)
    try:
        return seconds_from_first(written.ravel().tolist()).reshape(written.shape)
    except ValueError:
        raise Unusable(
            f"it holds text such as '{written.ravel()[0].strip()[:30]}'; write numbers, or dates "
            "such as 2000-01-31"
        ) from None


def _durations(stored: Stored) -> np.ndarray:
    """Durations in seconds, NaN where there is none."""
    with damage_named(f"{stored.where} cannot be read"):
        return np.asarray(stored.values[...]) / np.timedelta64(1, "s")


def _rounding(stored: Stored, values: np.ndarray) -> float:
    """How far entries may be from where they were before the file rounded or packed them."""
    kept, scale = np.dtype(stored.values.dtype), stored.attributes.get("scale_factor")
    precision = np.finfo(kept if kept.kind == "f" else float).eps
    rounding = float(precision * np.abs(values).max(initial=0))
    if kept.kind not in "iu" or not isinstance(scale, int | float) or values.size < 2:
        return rounding
    packed = abs(scale) / 2
    step = float(np.median(np.abs(np.diff(values.ravel()))))
    return max(rounding, packed) if packed <= PACKED * step else rounding


def evenly_spaced(nodes: Positions) -> tuple[Positions, bool]:
    """Positions in equal increasing steps, and whether the file has them from last to first."""
    nodes = _across_meridian(nodes)
    values = np.array(nodes.values)
    spacing = (values[-1] - values[0]) / (len(values) - 1)
    if not abs(spacing) > nodes.rounding:
        raise StorageError(f"{nodes.where} does not increase; write where the nodes are")
    uneven = np.abs(np.diff(values) - spacing).max()
    if not uneven <= UNEVEN * abs(spacing) + 4 * nodes.rounding:
        raise StorageError(f"{nodes.where} is not equally spaced; interpolate to an even grid")
    if uneven > UNEVEN * abs(spacing):  # which is the rounding of the file
        even = np.linspace(values[0], values[-1], len(values))
        nodes = replace(nodes, values=tuple(even.tolist()))
    descending = spacing < 0
    return replace(nodes, values=nodes.values[::-1]) if descending else nodes, bool(descending)


def _across_meridian(nodes: Positions) -> Positions:
    """Longitudes that start again at 0 or -180 within a region, as if they went on."""
    steps = np.diff(nodes.values)
    if not nodes.degrees or steps.min() > 0 or steps.max() < 0:
        return nodes
    return replace(nodes, values=tuple(np.unwrap(nodes.values, period=CIRCLE).tolist()))


def increasing(times: Positions) -> Positions:
    """Times that increase."""
    if not (np.diff(times.values) > 0).all():
        raise StorageError(
            f"{times.where}: times do not increase; sort the frames or, where these are no times, "
            "name others: coordinates: {time: ...}"
        )
    return times


def _entries(dimension: Dimension) -> str:
    return "frames" if dimension == "time" else f"nodes along {dimension}"


def texts(stored: Stored) -> np.ndarray:
    """The texts in an array, also where each letter has an entry of its own, as in NetCDF-3."""
    kind = getattr(stored.values, "kind", "text")
    if kind != "text":
        raise Unusable(f"it holds values of type {kind}")
    with damage_named(f"{stored.where} cannot be read"):
        values = np.ma.getdata(stored.values[...])
    written = np.array([_text(item) for item in values.ravel()], object).reshape(values.shape)
    if written.ndim < 2 or any(len(item) > 1 for item in written.ravel()):
        return written
    lines = written.reshape(-1, written.shape[-1])
    joined = np.array(["".join(letters) for letters in lines], object)
    return joined.reshape(written.shape[:-1])


def _text(item: object) -> str:
    return decoded(item) if isinstance(item, bytes) else str(item)
