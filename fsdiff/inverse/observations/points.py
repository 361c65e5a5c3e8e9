"""Sensors: values of a function at points."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from fsdiff.inverse.observations.axis_functionals import values_at
from fsdiff.inverse.observations.base import Component, LinearObservation
from fsdiff.inverse.observations.maps import Functionals
from fsdiff.inverse.observations.present import present_at, some_present
from fsdiff.randomness import generator
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask
from fsdiff.streams import Stream

ROUNDING = 1e-9
"""Of coordinates, in units of a side."""

MOST = 10**6
"""Sensors of one observation; more would not fit into memory with fields."""


@dataclass(frozen=True, kw_only=True)
class Sensors(LinearObservation):
    """Values of every channel at points of the box: those of the series, not of nearby nodes."""

    @abstractmethod
    def coordinates(self, basis: Basis) -> np.ndarray:
        """Physical coordinates (points, axes), in the order of the axes."""

    def count(self, basis: Basis) -> int:
        """One datum for each point."""
        return len(self.coordinates(basis))

    def on(self, basis: Basis, channels: int, n: int) -> Functionals:
        """Evaluation at the points on the grid of level n."""
        self.check(basis, channels)
        places = self.coordinates(basis).T
        each = [
            [values_at(own, n, number, along) for number, along in enumerate(places)]
            for own in basis.by_channel(channels)
        ]
        return Functionals(basis, n, each, scattered=True)

    def where_present(self, mask: Mask, basis: Basis) -> Component:
        """Those of the sensors that are nearest to a node with a value."""
        return some_present(self, self.coordinates(basis), mask, basis)

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse points of another dimension than the box, or beyond it."""
        places = self.coordinates(basis)
        check_dimension(places, basis)
        for number, axis in enumerate(basis.axes):
            outside = ~((places[:, number] >= 0) & (places[:, number] <= axis.side))
            if outside.any():
                raise ValueError(
                    f"points: {axis.name} = {places[outside, number][0]:g} is outside of the box, "
                    f"whose axis {axis.name} goes from 0 to {axis.side:g}"
                )


@dataclass(frozen=True, kw_only=True)
class Points(Sensors):
    """Sensors at given points, with one coordinate for each axis, in the order of the axes.

    ``measured`` says in which: those of the ``box``, from 0 to the side of each axis, or those of
    the ``data``, such as degrees of latitude and longitude. Along periodic axes any turn will do.
    Where a file of measurements says where these were taken, none are given.
    """

    points: tuple[tuple[float, ...], ...] = ()
    measured: Literal["box", "data"] = "box"
    kind: Literal["points"] = "points"

    def __post_init__(self) -> None:
        """Take lists of coordinates, too."""
        super().__post_init__()
        if any(np.ndim(point) != 1 for point in self.points):
            raise ValueError("points: give the coordinates of each, such as ((0.2,), (0.7,))")
        object.__setattr__(self, "points", tuple(tuple(map(float, p)) for p in self.points))
        if len({len(point) for point in self.points}) > 1:
            raise ValueError("points: give as many coordinates for each")

    def coordinates(self, basis: Basis) -> np.ndarray:
        """As they are given."""
        if not self.points:
            raise ValueError("points: there are none: give some")
        if self.measured == "data":
            raise ValueError(
                "points are coordinates of data (measured: data): take placed(nodes, basis), which "
                "knows these"
            )
        return np.asarray(self.points)

    def where_present(self, mask: Mask, basis: Basis) -> Component:
        """The same; ValueError for a point where there is nothing to be seen."""
        places = self.coordinates(basis)
        if not (there := present_at(places, mask, basis).all(0)).all():
            pairs = zip(basis.axes, places[~there][0], strict=True)
            where = ", ".join(f"{axis.name} = {place:g}" for axis, place in pairs)
            raise ValueError(
                f"points: {where} in the box is where the data have no values (gaps: mask): leave "
                "it out"
            )
        return self

    def placed(self, nodes: Sequence[np.ndarray], basis: Basis) -> Self:
        """With coordinates of the box; refuses points that the data do not reach."""
        if self.measured == "box" or not self.points:
            return self
        check_dimension(np.asarray(self.points), basis)
        own = basis.axis_nodes(_level(nodes, basis))
        given = np.asarray(self.points).T
        pairs = zip(given, basis.axes, nodes, own, strict=True)
        along = [_in_box(*each) for each in pairs]
        return replace(self, points=tuple(map(tuple, np.stack(along, 1).tolist())), measured="box")


def check_dimension(places: np.ndarray, basis: Basis) -> None:
    """ValueError for places that have not one coordinate for each axis."""
    if places.ndim != 2 or places.shape[1] != basis.dimension:
        raise ValueError(
            f"points: give {basis.dimension} coordinates for each, "
            f"{', '.join(axis.name for axis in basis.axes)}"
        )


def _level(nodes: Sequence[np.ndarray], basis: Basis) -> int:
    """The level that has as many nodes."""
    return basis.resolution(np.empty([len(along) for along in nodes]))


def _interpolated(x: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Linear between increasing ``known`` places and beyond them."""
    after = np.clip(np.searchsorted(known, x), 1, len(known) - 1)
    slopes = np.diff(values) / np.diff(known)
    return values[after - 1] + slopes[after - 1] * (x - known[after - 1])


def _in_box(places: np.ndarray, axis: Axis, nodes: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Places along an axis in coordinates of the box, from those of its nodes in both."""
    if len(nodes) == 1:
        return places - nodes[0] + own[0]
    if axis.held:  # whose nodes may be at any distances from each other
        order = np.argsort(nodes)
        found = _interpolated(places, nodes[order], own[order])
    else:
        scale = (nodes[-1] - nodes[0]) / (own[-1] - own[0])
        found = (places - nodes[0]) / scale + own[0]
    if axis.periodic:
        return np.mod(found, axis.side)
    beyond = (found < -ROUNDING * axis.side) | (found > (1 + ROUNDING) * axis.side)
    if beyond.any():
        first, last = _interpolated(np.array([0, axis.side]), own, nodes)
        raise ValueError(
            f"points: {axis.name} = {places[beyond][0]:g} is outside of the data, whose axis "
            f"{axis.name} goes from {min(first, last):g} to {max(first, last):g}"
        )
    return found.clip(0, axis.side)


@dataclass(frozen=True, kw_only=True)
class RandomPoints(Sensors):
    """``number`` sensors at independent uniform places of the box, which the seed decides.

    Fewer of them are the first of more.
    """

    number: Annotated[int, Field(gt=0, le=MOST)] = 64
    seed: NonNegativeInt = 0
    kind: Literal["random_points"] = "random_points"

    @property
    def random(self) -> bool:
        """The seed decides the places."""
        return True

    def count(self, basis: Basis) -> int:
        """As many as sensors."""
        return self.number

    def check(self, basis: Basis, channels: int) -> None:
        """Random places are always in the box."""

    def most(self, basis: Basis, channels: int) -> int:
        """The places of a channel."""
        return self.number

    def another(self, basis: Basis, random: np.random.Generator, fewest: int | None) -> Self:
        """Sensors elsewhere, from ``fewest`` to as many, with the noise of some of these."""
        number = int(random.integers(fewest or self.number, self.number + 1))
        seed, noise = int(random.integers(2**53)), self.noise
        if isinstance(noise, tuple) and number < self.number:
            chosen = sorted(random.permutation(self.number)[:number].tolist())
            noise = tuple(noise[i] for i in chosen)
        return replace(self, number=number, seed=seed, noise=noise)

    def coordinates(self, basis: Basis) -> np.ndarray:
        """Uniform in the box."""
        random = generator(self.seed, Stream.SENSORS)
        sides = np.asarray([axis.side for axis in basis.axes])
        return sides * random.random((self.number, basis.dimension))


@dataclass(frozen=True, kw_only=True)
class GridOfPoints(Sensors):
    """Sensors on a grid inside the box: along an axis of side L with m of them, at i L/(m + 1)."""

    shape: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=3)]
    kind: Literal["grid_of_points"] = "grid_of_points"

    def coordinates(self, basis: Basis) -> np.ndarray:
        """All products of the places along the axes."""
        if len(self.shape) != basis.dimension:
            raise ValueError(f"shape: give {basis.dimension} numbers, one for each axis")
        if (number := prod(self.shape)) > MOST:
            raise ValueError(f"shape: {number} sensors; use {MOST} or fewer")
        along = [
            axis.side * np.arange(1, m + 1) / (m + 1)
            for axis, m in zip(basis.axes, self.shape, strict=True)
        ]
        return np.stack(np.meshgrid(*along, indexing="ij"), -1).reshape(-1, basis.dimension)
