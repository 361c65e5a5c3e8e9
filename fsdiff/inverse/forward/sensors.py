"""Values of a field at points of the unit square, from those at cell centres."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fsdiff.randomness import generator
from fsdiff.streams import Stream

Point = tuple[float, float]
"""Coordinates (y, x), in units of the side."""


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """The ``per_axis``² interior points (i/(per_axis + 1), j/(per_axis + 1)) of a uniform grid."""

    per_axis: Annotated[int, Field(ge=1, le=128)] = 8
    kind: Literal["lattice"] = "lattice"

    @property
    def points(self) -> tuple[Point, ...]:
        """Row by row."""
        places = np.arange(1, self.per_axis + 1) / (self.per_axis + 1)
        return tuple((float(y), float(x)) for y in places for x in places)


@dataclass(frozen=True, kw_only=True)
class Scattered:
    """Independent, uniform points of the square; more of them begin with the same ones."""

    count: Annotated[int, Field(ge=1, le=16384)] = 64
    seed: Annotated[int, Field(ge=0)] = 0
    kind: Literal["scattered"] = "scattered"

    @property
    def points(self) -> tuple[Point, ...]:
        """In the order in which they are drawn."""
        drawn = generator(self.seed, Stream.SENSORS).random((self.count, 2))
        return tuple((float(y), float(x)) for y, x in drawn)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Points (y, x) of the unit square, one by one."""

    at: Annotated[tuple[Point, ...], Field(min_length=1)]
    kind: Literal["places"] = "places"

    def __post_init__(self) -> None:
        """Refuse points outside, by their number."""
        for number, (y, x) in enumerate(self.at):
            if not (0 <= y <= 1 and 0 <= x <= 1):
                raise ValueError(f"at: point {number}, ({y:g}, {x:g}), is outside [0, 1]²")

    @property
    def points(self) -> tuple[Point, ...]:
        """As given."""
        return self.at


Sensors = Annotated[Lattice | Scattered | Places, Field(discriminator="kind")]
"""Any set of points of this module, told apart by ``kind``."""


class Interpolation:
    """Bilinear interpolation of cell-centred values (batch, n, n) that vanish on the walls.

    Between the outermost centres and the walls values fall linearly to zero. Second order.
    ``transpose`` is the transpose in the sum over cells.
    """

    def __init__(self, points: Sequence[Point], n: int) -> None:
        self.n = n
        along = np.array(points, dtype=np.float64).reshape(-1, 2) * n - 0.5
        lower = np.clip(np.floor(along), -1, n - 1).astype(int)
        upper_weight = along - lower
        # In the half cell beside a wall the distance to it is ½, not 1.
        first, last = lower == -1, lower == n - 1
        upper_weight = np.where(first, 2 * upper_weight - 1, upper_weight)
        lower_weight = np.where(last, 1 - 2 * upper_weight, 1 - upper_weight)
        places, weights = [], []
        for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
            row, column = lower[:, 0] + y, lower[:, 1] + x
            inside = (row >= 0) & (row < n) & (column >= 0) & (column < n)
            factor_y = upper_weight[:, 0] if y else lower_weight[:, 0]
            factor_x = upper_weight[:, 1] if x else lower_weight[:, 1]
            places.append(np.where(inside, row * n + column, 0))
            weights.append(np.where(inside, factor_y * factor_x, 0.0))
        self.places = torch.from_numpy(np.stack(places))
        self.weights = torch.from_numpy(np.stack(weights))

    def apply(self, u: Tensor) -> Tensor:
        """Values at the points, (batch, points)."""
        flat, weights = u.flatten(1), self.weights.to(u)
        return (flat[:, self.places.to(u.device)] * weights).sum(1)

    def transpose(self, values: Tensor) -> Tensor:
        """Fields (batch, n, n) from weights of the points (batch, points)."""
        spread = (values[:, None] * self.weights.to(values)).flatten(1)
        places = self.places.to(values.device).flatten().expand(len(values), -1)
        flat = values.new_zeros(len(values), self.n**2).scatter_add_(1, places, spread)
        return flat.unflatten(1, (self.n, self.n))
