"""Nodes at which fields have values, on every grid: land in fields of the sea, and the like."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis

HALF = 0.5 - 1e-9
"""The share of a cell that makes a node present, a half but for rounding."""


@dataclass(frozen=True, eq=False)
class Mask:
    """The part of a box on which the functions of each channel are known.

    ``present`` (channel, *grid) is true at nodes that have values, on the grid of the data. It
    stands for a set of cells, each as wide as the nodes are apart with its node in the middle. On
    any other grid, coarser or finer, a node is present where at least half of its cell lies in this
    set: rules for a grid do not depend on those in between, and where cells lie within those of the
    data, as they do between walls on twice as many nodes, they are what these are.
    """

    present: Tensor
    basis: Basis

    def __post_init__(self) -> None:
        """Refuse masks of another grid, cells of many sizes, and channels without any value."""
        basis, n = self.basis, self.basis.resolution(self.present)
        for axis, nodes in zip(basis.axes, basis.axis_nodes(n), strict=True):
            if not np.allclose(nodes, axis.side * axis.positions(len(nodes))):
                raise ValueError(
                    f"nodes along {axis.name} are not equally spaced, so that values may be "
                    "missing at none of them: leave such nodes out"
                )
        if not self.present.flatten(1).any(1).all():
            raise ValueError("a channel has no values at any node: leave it out")

    def at(self, n: int) -> Tensor:
        """Which nodes of level n have values, (channel, *grid)."""
        if n not in self._levels:
            self._levels[n] = self._on_level(n)
        return self._levels[n]

    @cached_property
    def _levels(self) -> dict[int, Tensor]:
        """What is known of levels: losses ask again in every step."""
        return {}

    def _on_level(self, n: int) -> Tensor:
        if self.present.shape[1:] == self.basis.grid(n):
            return self.present
        shares = self.present.double()
        for number, (axis, nodes) in enumerate(
            zip(self.basis.axes, self.basis.grid(n), strict=True), start=1
        ):
            weights = torch.from_numpy(overlaps(axis, shares.shape[number], nodes))
            shares = (shares.movedim(number, -1) @ weights.T).movedim(-1, number)
        present = shares >= HALF
        if not present.flatten(1).any(1).all():
            raise ValueError(
                f"a channel has values in less than half of every cell at level {n}: leave this "
                "resolution out, or the channel"
            )
        return present

    def mean(self, fields: Tensor) -> Tensor:
        """The mean of fields (..., channel, *grid) over the nodes that are present."""
        present = self.at(self.basis.resolution(fields)).to(fields)
        grid = self.basis.grid_axes()
        return (fields * present).sum(grid) / present.sum(grid)

    def emptied(self, fields: Tensor) -> Tensor:
        """Fields (..., channel, *grid) with NaN where there are no values."""
        present = self.at(self.basis.resolution(fields)).to(fields.device)
        return fields.masked_fill(~present, torch.nan)


def overlaps(axis: Axis, nodes: int, others: int) -> np.ndarray:
    """Which share of each of ``others`` cells along an axis each of ``nodes`` cells covers."""
    first, second = (_edges(axis, count) for count in (nodes, others))
    shifts = (-1.0, 0.0, 1.0) if axis.periodic else (0.0,)
    lengths = np.zeros((others, nodes))
    for shift in shifts:
        low = np.maximum(second[:-1, None], first[None, :-1] + shift)
        high = np.minimum(second[1:, None], first[None, 1:] + shift)
        lengths += np.maximum(high - low, 0.0)
    return lengths * others


def _edges(axis: Axis, count: int) -> np.ndarray:
    """Where cells end, in units of the side."""
    return (np.arange(count + 1) - (0.5 if axis.periodic else 0.0)) / count
