"""Values at some of the nodes of a grid: all that a mask leaves of an image."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from fsdiff.inverse.observations.axis_functionals import values_at
from fsdiff.inverse.observations.base import Component
from fsdiff.inverse.observations.gridded import Gridded
from fsdiff.inverse.observations.present import some_present
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask as SpaceMask
from fsdiff.streams import Stream


@dataclass(frozen=True, kw_only=True)
class Mask(Gridded):
    """Values at a random ``share`` of the nodes of level ``resolution``, decided by the seed.

    Nodes are kept in blocks of ``block`` nodes along each refined axis, the last of which may be
    cut off: one node by itself, unless more are asked for; of the blocks the share, rounded, and
    at least one. Along held axes, such as time, the same places are seen. On finer and coarser
    grids it is the same places where the function's series is evaluated.
    """

    share: Annotated[float, Field(gt=0, le=1)]
    block: PositiveInt = 1
    seed: NonNegativeInt = 0
    kind: Literal["mask"] = "mask"

    @property
    def random(self) -> bool:
        """The seed decides the places."""
        return True

    def most(self, basis: Basis, channels: int) -> int:
        """The places of a channel."""
        return self.count(basis)

    def another(self, basis: Basis, random: np.random.Generator, fewest: int | None) -> Self:
        """Other nodes, from about ``fewest`` to as many as these; ValueError for noise of each."""
        if isinstance(self.noise, tuple):
            raise ValueError("noise: other nodes are seen each time; give one number for all")
        count = len(self.kept(basis))
        number = int(random.integers(fewest or count, count + 1))
        share = self.share * number / count
        return replace(self, share=share, seed=int(random.integers(2**53)))

    def where_present(self, mask: SpaceMask, basis: Basis) -> Component:
        """Those of the nodes that have values."""
        return some_present(self, self.coordinates(basis), mask, basis)

    def along(self, basis: Basis, n: int, number: int) -> Tensor:
        """Values at the nodes of level ``resolution``."""
        return values_at(basis, n, number, basis.axis_nodes(self.resolution)[number])

    def kept(self, basis: Basis) -> np.ndarray:
        """Nodes in blocks that are kept."""
        grid = basis.grid(self.resolution)
        along = [
            np.zeros(nodes, int) if axis.held else np.arange(nodes) // self.block
            for axis, nodes in zip(basis.axes, grid, strict=True)
        ]
        blocks = [indices[-1] + 1 for indices in along]
        total = int(np.prod(blocks))
        order = generator(self.seed, Stream.SENSORS).permutation(total)
        chosen = np.zeros(total, bool)
        chosen[order[: max(1, round(self.share * total))]] = True
        return np.flatnonzero(chosen.reshape(blocks)[np.ix_(*along)])
