"""Means over cells: coarse pixels, from which super-resolution and depixelation start."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from fsdiff.inverse.observations.axis_functionals import (
    means_over,
    refuse_arbitrary_points,
    values_at,
)
from fsdiff.inverse.observations.gridded import Gridded
from fsdiff.spaces.basis import Basis


@dataclass(frozen=True, kw_only=True)
class Averages(Gridded):
    """Means over the cells of the grid of level ``resolution``, integrals of the series.

    Cells are a side's length over their number wide; along held axes values at the nodes are
    observed instead. ``noise`` is that of a mean.
    """

    kind: Literal["averages"] = "averages"

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse functions that have no series."""
        refuse_arbitrary_points(basis)

    def along(self, basis: Basis, n: int, number: int) -> Tensor:
        """Means over the cells along an axis."""
        axis, cells = basis.axes[number], basis.grid(self.resolution)[number]
        if axis.held:
            return values_at(basis, n, number, basis.axis_nodes(self.resolution)[number])
        return means_over(basis, n, number, axis.side * np.linspace(0, 1, cells + 1))

    def places(self, basis: Basis) -> tuple[np.ndarray, ...]:
        """The middles of the cells."""
        return tuple(
            nodes if axis.held else axis.side * (np.arange(len(nodes)) + 0.5) / len(nodes)
            for axis, nodes in zip(basis.axes, basis.axis_nodes(self.resolution), strict=True)
        )
