"""Sensors: values of a function at points."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from fsdiff.inverse.observations.axis_functionals import values_at
from fsdiff.inverse.observations.base import LinearObservation
from fsdiff.inverse.observations.maps import Functionals
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream


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

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse points of another dimension than the box, or beyond it."""
        places = self.coordinates(basis)
        if places.ndim != 2 or places.shape[1] != basis.dimension:
            raise ValueError(
                f"points: give {basis.dimension} coordinates for each, "
                f"{', '.join(axis.name for axis in basis.axes)}"
            )
        for number, axis in enumerate(basis.axes):
            outside = (places[:, number] < 0) | (places[:, number] > axis.side)
            if outside.any():
                raise ValueError(
                    f"points: {axis.name} = {places[outside, number][0]:g} is outside of the box, "
                    f"whose axis {axis.name} goes from 0 to {axis.side:g}"
                )


@dataclass(frozen=True, kw_only=True)
class Points(Sensors):
    """Sensors at given physical coordinates, one for each axis, in the order of the axes."""

    points: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1)]
    kind: Literal["points"] = "points"

    def __post_init__(self) -> None:
        """Take lists of coordinates, too."""
        object.__setattr__(self, "points", tuple(tuple(map(float, p)) for p in self.points))
        if len({len(point) for point in self.points}) != 1:
            raise ValueError("points: give as many coordinates for each")

    def coordinates(self, basis: Basis) -> np.ndarray:
        """As they are given."""
        return np.asarray(self.points)


@dataclass(frozen=True, kw_only=True)
class RandomPoints(Sensors):
    """``number`` sensors at independent uniform places of the box, which the seed decides.

    Fewer of them are the first of more.
    """

    number: PositiveInt = 64
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
        """Sensors elsewhere, from ``fewest`` to as many as these."""
        number = int(random.integers(fewest or self.number, self.number + 1))
        return replace(self, number=number, seed=int(random.integers(2**53)))

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
        along = [
            axis.side * np.arange(1, m + 1) / (m + 1)
            for axis, m in zip(basis.axes, self.shape, strict=True)
        ]
        return np.stack(np.meshgrid(*along, indexing="ij"), -1).reshape(-1, basis.dimension)
