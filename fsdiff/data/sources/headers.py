"""What a file says of the fields in it before their values are read, and the checks on that."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, product
from pathlib import Path

import numpy as np

from fsdiff.data.sources.arrays import Arrays, Stored
from fsdiff.data.sources.axes import (
    LEADING,
    SPACE,
    STATIC,
    Axes,
    Dimension,
    Dimensions,
    axes_of,
    beside,
    fields_among,
)
from fsdiff.data.sources.coordinates import (
    NUMBERS,
    Finder,
    Positions,
    Unusable,
    evenly_spaced,
    increasing,
    texts,
)
from fsdiff.data.sources.domain import Domain, Line, axis_name
from fsdiff.data.sources.labels import listed, one_line, printable
from fsdiff.data.sources.other_conventions import no_quantities, not_applied
from fsdiff.data.sources.placement import has_both_ends
from fsdiff.data.sources.stacking import Stacking
from fsdiff.data.sources.units import same_units, without_direction
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.axes import AxisKind

MOST_CHANNELS = 10_000
MOST_FRAMES = 10_000_000
FEW_CHANNELS = 4
"""As many as pictures have, at most."""


@dataclass(frozen=True)
class Request:
    """What is to be read of a file, and in which domain it is to be."""

    domain: Domain
    variables: tuple[str, ...] = ()
    dimensions: Dimensions | Mapping[str, Dimensions] = ()
    coordinates: Mapping[str, str] = field(default_factory=dict)
    units: str | None = None


@dataclass(frozen=True)
class Header:
    """The fields in one file: how many, on which nodes, at which times, in which units.

    ``dimensions`` are those of the fields, ``axes`` what those of each variable are once several of
    samples, or of channels, are one by ``stacking``. ``times`` is None where there is no such axis.
    ``lines`` are the axes of space, which have no positions where the file does not say where its
    nodes are. Axes ``reversed`` are turned round on reading, and the last nodes along those with
    ``both_ends``, which are the first ones again, are left out. ``remarks`` are for people.
    """

    samples: int
    dimensions: Dimensions
    axes: Mapping[str, Axes]
    stacking: Stacking
    channels: tuple[str, ...]
    times: Positions | None
    lines: Mapping[Dimension, Line]
    units: Mapping[str, str]
    reversed: Dimensions
    both_ends: Dimensions
    remarks: tuple[str, ...]

    @property
    def grid(self) -> tuple[int, ...]:
        """Nodes along each axis of space."""
        return tuple(line.nodes for line in self.lines.values())

    @property
    def resolution(self) -> int:
        """Nodes along the longest axis."""
        return max(self.grid)

    @property
    def placed(self) -> bool:
        """Whether the file says where its nodes are."""
        return all(line.positions is not None for line in self.lines.values())

    def types(self, arrays: Arrays) -> list[np.dtype]:
        """For each channel, the type in which the file keeps it."""
        return [
            np.dtype(arrays[name].values.dtype)
            for name, axes in self.axes.items()
            for _ in range(arrays[name].shape[axes.index("channel")] if "channel" in axes else 1)
        ]

    def check_like(self, other: "Header", path: Path, others: Path, *, times: bool = True) -> None:
        """Raise StorageError where the files differ in more than the number of samples.

        Rounding, and how units are spelt, make no difference; nor do times if these are not asked
        for.
        """
        for name, mine, its, alike in self._compared(other, times):
            if not alike:
                remedy = ", or be read with frames: samples" if name == "times" else ""
                raise StorageError(
                    f"{path}: {name} = {_short(mine)}, but {others} has {_short(its)}; the files "
                    f"of a data set must agree{remedy}"
                )

    def _compared(self, other: "Header", times: bool) -> Iterator[tuple[str, object, object, bool]]:
        """Name, both values and whether they are the same, of all that files must agree in."""
        for name in ("grid", "dimensions", "channels"):
            mine, its = getattr(self, name), getattr(other, name)
            yield name, mine, its, mine == its
        yield "variables", tuple(self.axes), tuple(other.axes), [*self.axes] == [*other.axes]
        for quantity in sorted(self.units.keys() | other.units.keys()):
            mine, its = self.units.get(quantity), other.units.get(quantity)
            yield f"units of {quantity}", mine, its, same_units(mine, its)
        pairs = {"times": (self.times, other.times)} if times else {}
        for axis, line in self.lines.items():
            pairs[axis] = line.positions, other.lines[axis].positions
        for name, (mine, its) in pairs.items():
            if mine is None or its is None:
                yield name, mine and mine.values, its and its.values, mine is its
            else:
                yield name, mine.values, its.values, mine.agree(its)


def read_header(path: Path, arrays: Arrays, request: Request) -> Header:
    """The header of a file, or StorageError with what is wrong with it and the remedy.

    Without variables in the request the file has one array that can hold fields, without dimensions
    it names those of its arrays.
    """
    variables = request.variables or (_only_variable(path, arrays),)
    for name in variables:
        if name not in arrays:
            raise StorageError(f"{path} has no array '{name}', only {listed(arrays)}")
        arrays[name].check()
    if len(set(variables)) < len(variables):
        raise StorageError(f"variables: [{', '.join(variables)}]: name each once")
    stored = axes_of(arrays, variables, request.dimensions, request.domain.space)
    stacking = Stacking.of(arrays, stored)
    axes = stacking.axes(stored)
    return _Contents(path, stacking.arrays(arrays), axes, request, stacking, arrays).header()


@dataclass(frozen=True)
class _Contents:
    """The arrays of a file, some of which are fields, and what their axes are."""

    path: Path
    arrays: Arrays
    axes: Mapping[str, Axes]
    request: Request
    stacking: Stacking
    stored: Arrays  # as they stand in the file, where several axes are not yet one

    def header(self) -> Header:
        """All that is to be known before values are read."""
        sizes = self.sizes
        remarks = [
            remark
            for name in self.axes
            for told in (not_applied, no_quantities)
            for remark in told(self.arrays[name])
        ]
        remarks += self._channels_last()
        for axis in self.request.coordinates.keys() - sizes.keys():
            raise StorageError(f"coordinates.{axis}: fields have no dimension {axis}; leave it out")
        times = self._times(remarks) if "time" in sizes else None
        nodes, turned = self._nodes(remarks)
        lines, both_ends = self._lines(nodes)
        if both_ends:
            where = next(
                found.where for axis, found in nodes.items() if found and axis in both_ends
            )
            remarks.append(f"{where}: the last nodes are the first ones again and are left out")
        return Header(
            samples=sizes.get("sample", 1),
            dimensions=tuple(name for name in (*LEADING, *self._space) if name in sizes),
            axes=self.axes,
            stacking=self.stacking,
            channels=tuple(self._channels()),
            times=times,
            lines=lines,
            units=self._units(times, nodes),
            reversed=turned,
            both_ends=both_ends,
            remarks=tuple(dict.fromkeys(remarks)),
        )

    @property
    def _space(self) -> Dimensions:
        """The axes of space."""
        return tuple(axis for axis in SPACE if axis in self.sizes)

    @cached_property
    def sizes(self) -> dict[Dimension, int]:
        """Length of each dimension, in which variables must agree."""
        found: dict[Dimension, int] = {}
        for name, axes in self.axes.items():
            for axis, length in zip(axes, self.arrays[name].shape, strict=True):
                if axis is not None and axis not in STATIC:
                    self._agreed(found.setdefault(axis, length), name, axis, length)
                elif axis is not None:
                    found[axis] = max(found.get(axis, 1), length)
        self._check(found)
        return found

    def _agreed(self, expected: int, name: str, axis: Dimension, length: int) -> None:
        if length != expected:
            other = next(
                other
                for other, axes in self.axes.items()
                if axis in axes and self.arrays[other].shape[axes.index(axis)] == expected
            )
            raise StorageError(
                f"{self.arrays[name].where} has {length} entries along {axis}, and '{other}' "
                f"{expected}; read variables that agree"
            )

    def _check(self, sizes: Mapping[Dimension, int]) -> None:
        """Refuse fields on different axes, fields without samples, too many frames."""
        first = self.arrays[next(iter(self.axes))]
        for name, axes in self.axes.items():
            stored = self.arrays[name]
            if "sample" in sizes and "sample" not in axes:
                raise StorageError(
                    f"{stored.where} is the same for all samples: there is nothing to learn about "
                    "it; leave it out of the variables"
                )
            if "time" in axes and stored.shape[axes.index("time")] not in (1, sizes["time"]):
                self._agreed(sizes["time"], name, "time", stored.shape[axes.index("time")])
            if missing := [axis for axis in SPACE if axis in sizes and axis not in axes]:
                raise StorageError(
                    f"{stored.where} does not depend on {missing[0]}, as others do; leave it out "
                    "of the variables"
                )
        space = [axis for axis in SPACE if axis in sizes]
        if min(sizes[axis] for axis in space) < 2:
            raise StorageError(
                f"{first.where} is on {' x '.join(str(sizes[axis]) for axis in space)} nodes "
                f"({', '.join(space)}): fields need two or more along each axis; leave others out"
            )
        limits: dict[Dimension, int] = {"time": MOST_FRAMES, "channel": MOST_CHANNELS}
        for axis, most in limits.items():
            if sizes.get(axis, 1) > most:
                raise StorageError(
                    f"{first.where} has {sizes[axis]} entries along {axis}, and more than {most} "
                    "cannot be read; say what its axes are, e.g. dimensions: [sample, y, x]"
                )
        if 0 in sizes.values():
            raise StorageError(f"{first.where} is empty; its shape is {first.shape}")

    def _channels_last(self) -> Iterator[str]:
        """That an axis of space may be that of channels, where it is as short as these are."""
        grid = [self.sizes[axis] for axis in self._space]
        if min(grid) <= FEW_CHANNELS < self.sizes.get("channel", 1) == max(grid):
            leading = [axis for axis in ("sample", "time") if axis in self.sizes]
            order = ", ".join([*leading, *self._space, "channel"])
            yield (
                f"{self.path}: {self.sizes['channel']} channels on {' x '.join(map(str, grid))} "
                f"nodes: if channels come last, say dimensions: [{order}]"
            )

    def _channels(self) -> list[str]:
        """Names of all channels: those of the file, or of variables, numbered along an axis."""
        found = []
        for name, axes in self.axes.items():
            if "channel" not in axes:
                found.append(name)
                continue
            count = self.arrays[name].shape[axes.index("channel")]
            labels, alone = self._labels_of_channels(name, count)
            alone = alone and len(self.axes) == 1
            found += labels if alone else [f"{name}_{label}" for label in labels]
        return [one_line(name) for name in found]

    def _labels_of_channels(self, variable: str, count: int) -> tuple[list[str], bool]:
        """What tells the channels along the axis of a variable apart, and whether it is names.

        Names, or numbers such as those of levels, are those that the file gives them, if any; along
        several axes those of each, ``xy`` or ``850_1``.
        """
        order = self.stacking.order.get(variable, ())
        several = order[self.axes[variable].index("channel")] if order else ()
        if len(several) > 1:
            each = [self._labels_along(variable, axis) for axis in several]
            short = all(len(label) == 1 for labels in each for label in labels)
            return ["_"[short:].join(labels) for labels in product(*each)], False
        for name in self._finder({variable: self.axes[variable]}).candidates("channel"):
            stored = self.arrays[name]
            if labels := _labels(stored, count):
                return labels, np.dtype(stored.values.dtype).kind not in NUMBERS
        return list(map(str, range(count))), False

    def _labels_along(self, variable: str, axis: int) -> list[str]:
        """What tells the entries along one axis of an array in the file apart."""
        stored = self.stored[variable]
        count, names = stored.shape[axis], stored.dimensions
        path = beside(self.stored, variable, names[axis]) if names else None
        labels = _labels(self.stored[path], count) if path else []
        return labels or list(map(str, range(count)))

    def _times(self, remarks: list[str]) -> Positions:
        """Times of the frames; their numbers where the file gives none."""
        count = self.sizes["time"]
        found, said = self._finder().find("time", count)
        remarks += said
        if found is None:
            return Positions(tuple(map(float, range(count))), 0.0)
        self._check_own("time", found)
        return increasing(found)

    def _nodes(self, remarks: list[str]) -> tuple[dict[Dimension, Positions | None], Dimensions]:
        """Positions of the nodes along each axis, increasing in equal steps; axes turned round."""
        found: dict[Dimension, Positions | None] = {}
        turned: list[Dimension] = []
        for axis in self._space:
            nodes, said = self._finder().find(axis, self.sizes[axis])
            remarks += said
            if nodes is not None:
                self._check_own(axis, nodes)
                nodes, reverse = evenly_spaced(nodes)
                turned += [axis] if reverse else []
            found[axis] = nodes
        self._check_order(found)
        known = [nodes for nodes in found.values() if nodes is not None]
        if len(known) == 1 < len(found):
            remarks.append(f"{self.path}: only {known[0].where} says where nodes are, on all axes")
            found = {axis: known[0].continued(self.sizes[axis]) for axis in found}
        self._check_units(found)
        return found, tuple(turned)

    def _check_order(self, found: Mapping[Dimension, Positions | None]) -> None:
        """Refuse axes in an order in which the positions of each fit another."""
        missing, finder = [axis for axis, nodes in found.items() if nodes is None], self._finder()
        for first, second in combinations(missing, 2):
            lengths = {axis: self.sizes[axis] for axis in (first, second)}
            if lengths[first] != lengths[second] and all(
                any(self.arrays[name].shape == (lengths[other],) for name in finder.candidates(own))
                for own, other in ((first, second), (second, first))
            ):
                raise StorageError(
                    f"{self.path}: fields have {lengths[first]} entries along {first} and "
                    f"{lengths[second]} along {second}, and positions are given for as many the "
                    f"other way round: put {first} and {second} in the other order in dimensions"
                )

    def _check_own(self, axis: Dimension, found: Positions) -> None:
        """Refuse variables that have other positions along an axis than were found for all."""
        if axis in self.request.coordinates:  # which says what is meant
            return
        length, finder = self.sizes[axis], self._finder()
        for name, axes in self.axes.items():
            if axis not in axes or self.arrays[name].shape[axes.index(axis)] != length:
                continue
            own = finder.own(name, axis, length)
            if own is not None and not own.agree(found):
                raise StorageError(
                    f"{own.where}: '{name}' is at {_short(own.values)} along {axis}, and other "
                    f"variables are at {_short(found.values)}, as {found.where} says; interpolate "
                    f"to the same, or say which is meant for all: coordinates: {{{axis}: …}}"
                )

    def _check_units(self, nodes: Mapping[Dimension, Positions | None]) -> None:
        """Refuse units that differ along y and x."""
        units = [
            without_direction(found.units)
            for found in (nodes.get("y"), nodes.get("x"))
            if found and found.units
        ]
        if units and not same_units(units[0], units[-1]):
            raise StorageError(
                f"{self.path}: nodes are in {units[0]} along y and in {units[-1]} along x; convert "
                "one of them"
            )

    def _lines(
        self, nodes: Mapping[Dimension, Positions | None]
    ) -> tuple[dict[Dimension, Line], Dimensions]:
        """The axes of space, and those along which the last node is the first one again."""
        domain, names = self.request.domain, self._names()
        domain.check_names(names, str(self.path))
        lines, both_ends, longest = {}, [], max(self.sizes[axis] for axis in self._space)
        for axis, positions in nodes.items():
            count, name = self.sizes[axis], names[axis]
            kind = domain.kind(axis, name, positions, str(self.path))
            length = domain.said_length(axis, name, count == longest)
            if positions is not None and has_both_ends(
                positions, kind, self._described(kind), length
            ):
                positions, count = positions.without_last(), count - 1
                both_ends.append(axis)
            lines[axis] = Line(name, kind, count, positions, length)
        return lines, tuple(both_ends)

    def _described(self, kind: AxisKind) -> str:
        """What has its nodes where they belong, for messages."""
        basis = self.request.domain.basis
        return (
            f"a {kind} axis" if basis is None or basis.kind == "box" else f"the {basis.kind} basis"
        )

    def _names(self) -> dict[Dimension, str]:
        """What the first variable calls the axes of space, if that is different names."""
        first, axes = next(iter(self.axes.items()))
        own = dict(zip(axes, self.arrays[first].dimensions or (), strict=False))
        names = {axis: axis_name(own.get(axis), axis) for axis in self._space}
        return names if len(set(names.values())) == len(names) else {axis: axis for axis in names}

    def _units(
        self, times: Positions | None, nodes: Mapping[Dimension, Positions | None]
    ) -> dict[str, str]:
        """Units of the fields, the times and the nodes, as far as they are known."""
        given = self.request.units
        own = {name: self.arrays[name].units or "1" for name in self.axes}
        first = next(iter(own.values()))
        if given is None and not all(same_units(first, other) for other in own.values()):
            pairs = ", ".join(f"{name} [{unit}]" for name, unit in own.items())
            raise StorageError(
                f"{self.path}: channels have different units, {pairs}; convert them, or give one "
                "unit for all, e.g. units: '1'"
            )
        positions: dict[Dimension, Positions | None] = {"time": times, **nodes}
        units: dict[str, str] = {
            name: found.units for name, found in positions.items() if found and found.units
        }
        for axis, other in (("y", "x"), ("x", "y")):
            if other in units and axis in nodes:
                units.setdefault(axis, units[other])
        return {
            name: printable(text, f"{self.path}: the unit of {name}")
            for name, text in {"field": given or first, **units}.items()
        }

    def _finder(self, axes: Mapping[str, Axes] | None = None) -> Finder:
        return Finder(self.arrays, self.axes if axes is None else axes, self.request.coordinates)


def _labels(stored: Stored, count: int) -> list[str]:
    """Names, or numbers of which no two are the same, in an array of so many; none otherwise."""
    if np.dtype(stored.values.dtype).kind not in NUMBERS and len(stored.shape) <= 2:
        with suppress(Unusable):
            names = texts(stored)
            return names.tolist() if names.shape == (count,) else []
        return []
    if stored.shape != (count,):
        return []
    numbers = [f"{number:g}" for number in stored.read()]
    return numbers if len(set(numbers)) == count else []


def _only_variable(path: Path, arrays: Arrays) -> str:
    """The array that can hold fields, if there is one."""
    found = fields_among(arrays)
    if not found:
        shapes = (
            f"{name} ({getattr(stored.values, 'kind', stored.values.dtype)} of shape "
            f"{stored.shape})"
            for name, stored in arrays.items()
        )
        raise StorageError(
            f"{path} has no array of two or more dimensions, but {listed(shapes) or 'none'}; write "
            "fields as arrays with axes y and x"
        )
    if len(found) > 1:
        likely = max(found, key=lambda name: len(arrays[name].shape))
        repeated = len({name.rpartition("/")[2] for name in found}) < len(found)
        remedy = ", or layout: pdebench where each group is a sample" if repeated else ""
        raise StorageError(
            f"{path} has {len(found)} arrays of two or more dimensions; say which to read, e.g. "
            f"variables: [{likely}]{remedy} (there are {listed(arrays)})"
        )
    return found[0]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
