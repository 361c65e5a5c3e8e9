"""Sliced Wasserstein-2 distance between the laws of local patches, which sees structure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from fsdiff.metrics.base import Draws, Metric
from fsdiff.metrics.fields import blocks
from fsdiff.metrics.sliced import squared_wasserstein
from fsdiff.metrics.words import Words
from fsdiff.randomness import generator
from fsdiff.spaces.bases import Basis

PROJECTED = 2**26
"""Numbers that are projected at once: the patches of all fields, by some of the directions."""
LARGEST = 4096
"""Nodes per side that fields are brought to at most."""


@dataclass(frozen=True)
class PatchSlicedWasserstein(Metric):
    """Sliced W₂ between the laws of a field's restriction to a random patch of the box.

    Each field is brought to the level ``divisions * points`` (the same function where this resolves
    it, its projection where not) and cut into ``divisions`` patches of ``points`` nodes per side,
    which cover the box once; patches of all fields and places form one set, their means kept. Axes
    with fewer nodes have fewer patches, one at least; what is left over at their end has no part.
    Directions have independent normal entries, scaled so that two point masses are at the distance
    of their root mean squares over a patch, as in ``SlicedWasserstein``.

    While a patch is no longer than the correlation length, its projections do not become Gaussian:
    the measure sees the one-point law and the shape of fronts together. On longer patches it loses
    this, as the distance of whole fields does; choose ``divisions`` by the data. It takes the same
    value on every grid that resolves the fields.

    Returns ``patch_sliced_wasserstein``, in deviations of the channels.
    """

    divisions: PositiveInt = 8
    points: PositiveInt = 8
    projections: Draws = 100
    seed: NonNegativeInt = 0
    continued: ClassVar[bool] = True
    kind: Literal["patch_sliced_wasserstein"] = "patch_sliced_wasserstein"
    words = (Words("patch_sliced_wasserstein", "sliced Wasserstein of patches", "structure"),)

    def __post_init__(self) -> None:
        if (nodes := self.divisions * self.points) > LARGEST:
            raise ValueError(
                f"divisions = {self.divisions}: patches of {self.points} points are {nodes} nodes "
                f"per side; use divisions * points <= {LARGEST}"
            )

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The distance between two sets of fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        channels, patches = samples.shape[1], self._patches(basis)
        rows = max(patches * max(len(samples), len(reference)), channels * self._nodes(basis))
        total, size = 0.0, max(1, PROJECTED // rows)
        for first in range(0, self.projections, size):
            indices = range(first, min(first + size, self.projections))
            directions = self._directions(indices, channels, basis).to(samples.device)
            squared = squared_wasserstein(
                torch.cat([patch @ directions for patch in self.patches(samples, basis)]),
                torch.cat([patch @ directions for patch in self.patches(reference, basis)]),
            )
            total += float(squared.sum())
        return {"patch_sliced_wasserstein": (total / self.projections) ** 0.5}

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse patches of volumes so fine that one field would fill the memory."""
        side = self.divisions * self.points
        if basis.size(side) > LARGEST**2:
            most = basis.finest(LARGEST**2)
            raise ValueError(
                f"brings fields to {side} nodes per side, which is out of reach in "
                f"{basis.dimension}-D; use divisions * points <= {most}"
            )

    def _nodes(self, basis: Basis) -> int:
        """Nodes of a patch."""
        return prod(self._sides(basis))

    def _patches(self, basis: Basis) -> int:
        """Patches of a field."""
        grid = basis.grid(self.divisions * self.points)
        return prod(n // side for n, side in zip(grid, self._sides(basis), strict=True))

    def _sides(self, basis: Basis) -> list[int]:
        """Nodes along each side of a patch."""
        return [min(self.points, n) for n in basis.grid(self.divisions * self.points)]

    def patches(self, fields: Tensor, basis: Basis) -> Iterator[Tensor]:
        """Blocks (patches, channels * nodes) of the patches of all fields, float64."""
        for block in blocks(fields):
            u = basis.resample(block, self.divisions * self.points)
            for axis, side in enumerate(self._sides(basis), start=2):
                u = u.unfold(axis, side, side)
            # (fields, channels, *places, *nodes) -> (fields, *places, channels, *nodes)
            u = u.movedim(1, 1 + basis.dimension)
            yield u.flatten(1 + basis.dimension).flatten(0, basis.dimension)

    def _directions(self, indices: Sequence[int], channels: int, basis: Basis) -> Tensor:
        """Directions as columns, (channels * nodes, len(indices))."""
        nodes = self._nodes(basis)
        columns = [
            generator(self.seed, index).standard_normal(channels * nodes) for index in indices
        ]
        return torch.from_numpy(np.stack(columns, axis=1)) / nodes**0.5
