"""Curves in files: tables of separated values, ARFF and ``.ts``, and arrays of any format."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, FiniteFloat

from fsdiff.characters import Line
from fsdiff.data.sources import arrays
from fsdiff.data.sources.coordinates import NUMBERS, texts
from fsdiff.data.sources.curves import (
    CLOSE,
    Curves,
    CurveSource,
    check_interval,
    places_of,
    without_gaps,
)
from fsdiff.data.sources.dates import seconds_from_first
from fsdiff.data.sources.digest import digest
from fsdiff.data.sources.doubts import marker_in
from fsdiff.data.sources.formats.table import (
    Table,
    counting,
    no_points,
    numbering,
    several_kinds,
    uneven,
)
from fsdiff.data.sources.formats.tables import SUFFIXES, is_table, may_be_table, read_table
from fsdiff.data.sources.instances import instances
from fsdiff.data.sources.labels import listed
from fsdiff.data.sources.paths import Paths, find_files
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.basis import Basis

Dimension = Literal["curve", "channel", "point"]

RESERVED = ("field", "sample", "channel", "time", "split", "present", "checksum")
"""Variables of files of fields, which no label can be called."""

AXES: tuple[Dimension, ...] = ("curve", "channel", "point")

USUAL: tuple[Dimension, ...] = ("curve", "point")
"""The axes of what nobody says anything of."""


class _Read(NamedTuple):
    """What a file holds: values (curve, channel, point), and what else it says of the curves."""

    values: np.ndarray
    positions: np.ndarray | None
    groups: np.ndarray | None
    classes: np.ndarray | None


@dataclass(frozen=True)
class CurveFiles(CurveSource):
    """Curves in ``.csv``, ``.tsv``, ``.arff`` and ``.ts`` files, other text, or arrays.

    Of tables a row is a curve and a column a point, or the other way round with ``dimensions:
    [point, curve]``; columns of text are none of them, nor are those that ``labels`` names, and
    columns without a name number the rows. Of arrays, in all formats that ``files`` reads,
    ``variables`` are those that hold curves, one set after the other, with axes ``dimensions``, by
    default (curve, point) unless the file says which one counts curves: by ``cf_role``, or by
    places along it.

    ``positions`` are where the points are: numbers, or the name of an array, or of a column where
    rows are points; without them points are where ``basis`` has as many nodes, the centres of equal
    cells or, on a circle, their left ends. ``ends`` are the ends of the interval, by default the
    first and the last position, or those with which positions are the points of a ``gram`` basis.
    ``groups`` names the column, or array, of what belongs together, such as a date or a subject,
    and ``label`` that of the class of each curve; in ``.ts`` files it is called ``class``.

    A sample has the values of a curve at the nodes of ``basis``, as many as ``nodes``, by default
    as there are points: its own where these are the nodes, else linear between them. Points that
    are not equidistant can be the nodes of a ``gram`` basis. ``missing`` says what is done with
    curves that lack values.
    """

    path: Paths
    variables: tuple[str, ...] = ()
    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=2)] | None = None
    positions: str | tuple[FiniteFloat, ...] | None = None
    ends: tuple[FiniteFloat, FiniteFloat] | None = None
    groups: str | None = None
    label: Annotated[Line, Field(min_length=1)] | None = None
    labels: tuple[str, ...] = ()
    missing: Literal["refuse", "drop", "interpolate"] = "refuse"
    channels: tuple[Line, ...] = ()
    quantity: Line = "curve"
    unit: Line = "1"
    nodes: Nodes | None = None
    basis: Basis = field(default_factory=lambda: CosineBasis(1))
    kind: Literal["curves"] = "curves"
    locations: ClassVar[tuple[str, ...]] = ("path",)

    def __post_init__(self) -> None:
        check_interval(self.basis)
        order = self.dimensions or USUAL
        if len(set(order)) < len(order) or not {"curve", "point"} <= set(order):
            raise ValueError(f"dimensions = {self.dimensions}: name curve and point, each once")
        if self.ends and self.ends[0] >= self.ends[1]:
            raise ValueError(f"ends = {self.ends}: the second has to be larger")

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of curves."""
        paths = (self.path,) if isinstance(self.path, str) else self.path
        return find_files(paths, _promises_curves, may_be_table)[0]

    @cached_property
    def content(self) -> str:
        """A digest of these."""
        return digest(self.files)

    @cached_property
    def curves(self) -> Curves:
        """All curves of all files, one file after the other."""
        return without_gaps(self._scaled(self._read), self.missing, str(self.path))

    @property
    def resolution(self) -> int:
        """Nodes of a sample."""
        if self._points is not None:
            return len(self._points)
        return self.nodes or self._read.values.shape[2]

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the interval: those that are named, or the outermost positions.

        Positions that lie to each other as the points of a basis do are these.
        """
        positions, points = self._read.positions, self._points
        if self.ends or positions is None:
            return self.ends or (0.0, 1.0)
        start, end = float(np.nanmin(positions)), float(np.nanmax(positions))
        if points is None or positions.shape != points.shape:
            return start, end
        unit = (end - start) / float(points[-1] - points[0])
        if np.abs((np.sort(positions) - start) / unit + points[0] - points).max() >= CLOSE:
            return start, end
        before, behind = float(points[0]), float(1 - points[-1])
        return start - unit * before, end + unit * behind

    @property
    def _points(self) -> np.ndarray | None:
        """Those of a basis that has points of its own, as shares of the interval."""
        points = getattr(self.basis, "points", None)
        return None if points is None else np.array(points)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels."""
        count = self.values
        return self.channels or tuple(f"channel {i + 1}" for i in range(count) if count > 1)

    @property
    def meaning(self) -> str:
        """What the values are."""
        return self.quantity

    @property
    def units(self) -> dict[str, str]:
        """The unit of the values."""
        return {"field": self.unit}

    @property
    def remarks(self) -> tuple[str, ...]:
        """How many curves there are, whether between points, and how many are left out."""
        count, points = self._read.values.shape[::2]
        found, curves = [f"{count} curves of {points} points{self._named}"], self.curves
        shared = curves.positions.ndim == 1 and len(curves.positions) == len(self.places)
        if not shared or np.abs(curves.positions - self.places).max() >= CLOSE:
            found.append("samples are linear between the points of the curves, which are no nodes")
        values = self._read.values
        marker = marker_in(np.where(np.isfinite(values), values, 0.0))
        if marker is not None:
            curve = int((values.astype(np.float32) == np.float32(marker)).any((1, 2)).argmax())
            found.append(
                f"curve {curve} has values of exactly {marker:g}, far from all others: if they "
                "stand for none, write nan"
            )
        if left := len(self._read.values) - len(curves.values):
            found.append(f"{left} curves that lack values are left out")
        return tuple(found)

    @property
    def _named(self) -> str:
        """What the first file calls these axes, if it does, for a remark."""
        path = self.files[0]
        if is_table(path):
            return ""
        with arrays.opened(path) as held:
            first = (self.variables or self._only(held, path))[0]
            names, order = held[first].dimensions, self._order(held, first)
        if names is None:
            return ""
        called = dict(zip(order, names, strict=True))
        return f", which {path} calls '{called['curve']}' and '{called['point']}'"

    def check(self) -> None:
        """Raise ValueError where files, or names in them, are not there."""
        if self.label in (taken := {*RESERVED, *(axis.name for axis in self.basis.axes)}):
            raise StorageError(
                f"label = {self.label}: files of fields have {', '.join(sorted(taken))} of their "
                "own; call it otherwise"
            )
        count = self.values
        if self.channels and len(self.channels) != count:
            raise StorageError(f"channels = {self.channels}: curves of {self.path} have {count}")

    @cached_property
    def _read(self) -> _Read:
        """What all files hold; curves that are shorter than others end with NaN."""
        parts = [part for path in self.files for part in self._parts(path)]
        longest = max(part.values.shape[2] for part in parts)
        if len({part.values.shape[1] for part in parts}) > 1:
            raise StorageError(f"curves of {self.path} have different numbers of channels")
        if longest < 2:
            raise StorageError(
                f"{self.path} has one point of each curve, and functions need two or more: where "
                "each row is a value, with what it belongs to, write a row for each curve"
            )
        positions = self._joined([part.positions for part in parts], longest)
        groups = [part.groups for part in parts if part.groups is not None]
        classes = [part.classes for part in parts if part.classes is not None]
        return _Read(
            np.concatenate([_padded(part.values, longest) for part in parts]),
            positions,
            np.concatenate(groups) if groups else None,
            np.concatenate(classes) if classes else None,
        )

    def _joined(self, each: Sequence[np.ndarray | None], longest: int) -> np.ndarray | None:
        """Positions that all files share, or those of each curve."""
        if not isinstance(self.positions, str | None):
            return self._of_length(np.asarray(self.positions), longest)
        there = [positions for positions in each if positions is not None]
        if not there:
            return None
        if all(p.ndim == 1 and np.array_equal(p, there[0]) for p in there):
            return self._of_length(there[0], longest)
        if any(p.ndim == 1 for p in there):
            raise StorageError(f"files of {self.path} have different positions: name one of them")
        return np.concatenate([_padded(positions, longest) for positions in there])

    def _of_length(self, positions: np.ndarray, longest: int) -> np.ndarray:
        if len(positions) != longest:
            raise StorageError(f"{len(positions)} positions for {longest} points of {self.path}")
        return positions

    def _parts(self, path: Path) -> list[_Read]:
        """The sets of curves in a file."""
        return [self._of_table(path)] if is_table(path) else self._of_arrays(path)

    def _of_table(self, path: Path) -> _Read:
        asked = {"groups": self.groups, "label": self.label, "positions": self.positions}
        named = {key: name for key, name in asked.items() if isinstance(name, str)}
        texts = {*self.labels, *(name for key, name in named.items() if key != "positions")}
        table = read_table(path, texts)
        for key, name in (*named.items(), *(("labels", name) for name in self.labels)):
            if name not in (*table.names, *table.labels):
                raise StorageError(f"{key} = {name}: {path} has no such column")
        columns = {key: table.column(name) for key, name in named.items()}
        points = table.without([*named.values(), *self.labels])
        if np.array_equal(points.values[0, 0], self.positions or ()):
            raise StorageError(
                f"{path}: its first row are the positions, and no curve: write names in its place, "
                "such as t0, t1, …"
            )
        if _upright(self.dimensions or USUAL):
            for key in ("groups", "label"):
                if key in named:
                    raise StorageError(f"{key} = {named[key]}: columns are curves; leave it out")
            if found := [] if "positions" in columns else counting(points):
                raise StorageError(
                    f"{path}: column '{found[0]}' rises or falls throughout, as no other does: say "
                    f"positions: {found[0]} if it says where points are, or labels: ['{found[0]}'] "
                    "if it is no curve"
                )
            if self.positions is None and uneven(table.index):
                raise StorageError(
                    f"{path}: its column without a name has numbers in unequal steps: if they say "
                    "where points are, name it, and say so as positions, else leave it out"
                )
            positions = columns.get("positions")
            if positions is not None and positions.dtype.kind != "f":
                positions = _seconds(positions)
                if positions is None:
                    raise StorageError(
                        f"positions = {self.positions}: {path} has text there that is no date, "
                        "such as 2000-01-31"
                    )
            elif positions is None:
                _check_dates(path, points)
            return _Read(points.values.transpose(2, 1, 0), positions, None, None)
        if "positions" in columns:
            raise StorageError(f"positions = {self.positions}: columns are points; give numbers")
        if dates := _dated(points, known={*self.labels, self.groups}):
            raise StorageError(
                f"{path}: column '{dates}' has a later date in each row, and columns are of "
                f"different kinds: say labels: ['{dates}'] if each row is a curve all the same, "
                "or dimensions: [point, curve]"
            )
        if found := no_points(points):
            raise StorageError(
                f"{path}: column '{found[0]}' is unlike all others in its name, or in being whole "
                f"numbers: say labels: ['{found[0]}'] if it is no point, else rename it"
            )
        if found := numbering(points):
            raise StorageError(
                f"{path}: column '{found[0]}' rises or falls from row to row as others do not: say "
                f"labels: ['{found[0]}'] if it is no point, dimensions: [point, curve] if rows are "
                "points, or give columns names of one kind, such as t0, t1, …, if it is one"
            )
        return _Read(points.values, None, columns.get("groups"), columns.get("label"))

    def _of_arrays(self, path: Path) -> list[_Read]:
        with arrays.opened(path) as held:
            groups, classes = (
                None if name is None else self._of_curves(held, name, path)
                for name in (self.groups, self.label)
            )
            positions = (
                self._array(held, self.positions, path) if isinstance(self.positions, str) else None
            )
            names = self.variables or self._only(held, path)
            orders = [self._order(held, name) for name in names]
            sets = [
                _ordered(self._array(held, name, path), order, f"{path}: '{name}'")
                for name, order in zip(names, orders, strict=True)
            ]
        if positions is not None and positions.ndim == 2:
            if 1 in positions.shape and len(sets[0]) > 1:  # MATLAB's vectors are matrices
                positions = positions.ravel()
            elif _upright(orders[0]):
                positions = positions.T
        found = [_Read(values, positions, groups, classes) for values in sets]
        for read in found:
            self._check_lengths(read, path)
        return found

    def _order(self, held: arrays.Arrays, name: str) -> tuple[Dimension, ...]:
        """The axes of an array: those that are said, else as the file tells which are which."""
        if self.dimensions is not None:
            return self.dimensions
        told = name in held and len(held[name].shape) == 2 and instances(held, name) == 1
        return ("point", "curve") if told else USUAL

    def _check_lengths(self, read: _Read, path: Path) -> None:
        """Refuse positions and groups of other points and curves than those of an array."""
        curves, _, points = read.values.shape
        if read.positions is not None and read.positions.shape not in ((points,), (curves, points)):
            raise StorageError(
                f"positions = {self.positions}: {path} has {curves} curves of {points} points, and "
                f"{' x '.join(map(str, read.positions.shape))} positions"
            )
        of_curves = {"groups": (self.groups, read.groups), "label": (self.label, read.classes)}
        for key, (name, values) in of_curves.items():
            if values is not None and values.shape != (curves,):
                what = "groups" if key == "groups" else "labels"
                raise StorageError(
                    f"{key} = {name}: {path} has {curves} curves, and {len(values)} {what}"
                )

    def _of_curves(self, held: arrays.Arrays, name: str, path: Path) -> np.ndarray:
        """What is said of each curve: numbers, or texts."""
        if name in held and np.dtype(held[name].values.dtype).kind not in NUMBERS:
            return texts(held[name]).ravel()
        return self._array(held, name, path).ravel()

    def _array(self, held: arrays.Arrays, name: str, path: Path) -> np.ndarray:
        if name not in held:
            raise StorageError(f"{path} has no array '{name}'; it has {listed(held) or 'none'}")
        return held[name].read()

    def _only(self, held: arrays.Arrays, path: Path) -> tuple[str, ...]:
        """The one array with as many axes as curves have."""
        fitting = [
            name
            for name, array in held.items()
            if len(array.shape) == len(self.dimensions or USUAL)
            and name not in (self.positions, self.groups, self.label)
        ]
        if len(fitting) > 1:  # vectors say something of the others
            fitting = [name for name in fitting if min(held[name].shape) > 1] or fitting
        if not fitting:
            raise StorageError(
                f"{path} has no array of axes {', '.join(self.dimensions or USUAL)}, but "
                f"{listed(held) or 'none'}: write curves as one, or say its axes as dimensions"
            )
        if len(fitting) > 1:
            raise StorageError(f"{path} has the arrays {listed(held)}: say which as variables")
        return tuple(fitting)

    def _scaled(self, read: _Read) -> Curves:
        """Curves with positions, in rising order, as shares of the interval."""
        count = read.values.shape[2]
        if read.positions is None:
            places = self._places_of_points(count)
            return Curves(read.values, places, read.groups, read.classes)
        start, end = self.interval
        self._check_positions(read.positions)
        order = np.argsort(read.positions, axis=-1)  # points that are not there come last
        positions = np.take_along_axis(read.positions, order, axis=-1)
        places = np.broadcast_to(order, (len(read.values), count))[:, None]
        values = np.take_along_axis(read.values, places, axis=-1)
        places = (positions - start) / (end - start)
        curves = Curves(values, places, read.groups, read.classes)
        if self.basis.axes[0].kind == "periodic" and not curves.closed:
            step = float(np.nanmin(np.diff(positions, axis=-1)))
            raise StorageError(
                f"{self.path}: positions {start:g} and {end:g} are one place on a circle, and "
                f"values there differ: say where it closes, e.g. ends: [{start:g}, {end + step:g}]"
            )
        return curves

    def _places_of_points(self, count: int) -> np.ndarray:
        """Shares of the interval at which points lie that have no positions: nodes of the basis."""
        if self._points is not None and len(self._points) != count:
            raise StorageError(
                f"curves of {self.path} have {count} points, and the basis has "
                f"{len(self._points)}: say positions"
            )
        return places_of(self.basis, count)

    def _check_positions(self, positions: np.ndarray) -> None:
        """Refuse two values at a point, and intervals that are not those of the points."""
        ordered, (start, end) = np.sort(np.atleast_2d(positions), axis=-1), self.interval
        steps = np.diff(ordered, axis=-1)
        if (steps == 0).any():
            curve, place = np.argwhere(steps == 0)[0]
            raise StorageError(
                f"{self.path}: two values at position {ordered[curve, place]:g}: leave one out"
            )
        first, last = float(np.nanmin(ordered)), float(np.nanmax(ordered))
        if start > first or end < last:
            raise StorageError(
                f"ends = [{start:g}, {end:g}]: points of {self.path} lie from {first:g} to {last:g}"
            )
        if self.ends and max(first - start, end - last) > np.nanmax(steps, initial=0.0):
            raise StorageError(
                f"ends = [{start:g}, {end:g}]: points of {self.path} lie from {first:g} to "
                f"{last:g}, and beyond them, further than from one to the next, curves are unknown"
            )


def _upright(order: Sequence[Dimension]) -> bool:
    """Whether points come before curves."""
    return order.index("point") < order.index("curve")


def _ordered(values: np.ndarray, order: Sequence[Dimension], where: str) -> np.ndarray:
    """Values with axes in some order as (curve, channel, point)."""
    if values.ndim != len(order):
        raise StorageError(
            f"{where} has {values.ndim} axes; say which as dimensions, of {', '.join(AXES)}"
        )
    values = values.transpose([order.index(axis) for axis in AXES if axis in order])
    return values if values.ndim == 3 else values[:, None]


def _seconds(written: np.ndarray) -> np.ndarray | None:
    """Seconds from the first of some dates; None where any is none."""
    try:
        return seconds_from_first(written.tolist())
    except ValueError:
        return None


def _dated(table: Table, known: Collection[str | None]) -> str | None:
    """A column of dates that rise from row to row, beside columns of several kinds."""
    if not several_kinds(table):
        return None
    for name, written in table.labels.items():
        seconds = None if name in known else _seconds(written)
        if seconds is not None and len(seconds) > 2 and (np.diff(seconds) > 0).all():
            return name
    return None


def _check_dates(path: Path, table: Table) -> None:
    """Refuse points at dates in unequal steps, of which nothing was said."""
    for name, written in table.labels.items():
        seconds = _seconds(written)
        if seconds is not None and uneven(seconds.tolist()):
            raise StorageError(
                f"{path}: column '{name}' has dates in unequal steps: say positions: {name}"
            )


def _promises_curves(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or arrays.readable(path)


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    """Values with NaN behind them along the last axis, up to a length."""
    width = [(0, 0)] * (values.ndim - 1) + [(0, length - values.shape[-1])]
    return np.pad(values.astype(np.float64), width, constant_values=np.nan)
