"""Observations on the grid of a level: functionals along each axis, all products of them."""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fsdiff.inverse.observations.base import LinearObservation
from fsdiff.inverse.observations.maps import Functionals
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.basis import Basis


@dataclass(frozen=True, kw_only=True)
class Gridded(LinearObservation):
    """Data of every channel on the grid of level ``resolution``, or at some of its nodes."""

    resolution: Nodes

    @abstractmethod
    def along(self, basis: Basis, n: int, number: int) -> Tensor:
        """The functionals along an axis as a matrix (functionals, nodes at level n)."""

    def kept(self, basis: Basis) -> np.ndarray | None:
        """Which nodes are observed, increasing indices into the flattened grid; None means all."""
        return None

    def count(self, basis: Basis) -> int:
        """As many as nodes are observed."""
        kept = self.kept(basis)
        return basis.size(self.resolution) if kept is None else len(kept)

    def places(self, basis: Basis) -> tuple[np.ndarray, ...]:
        """Where data lie along each axis, physical: at the nodes."""
        return basis.axis_nodes(self.resolution)

    def coordinates(self, basis: Basis) -> np.ndarray:
        """Those of the places that are observed."""
        along = np.meshgrid(*self.places(basis), indexing="ij")
        places = np.stack(along, -1).reshape(-1, basis.dimension)
        kept = self.kept(basis)
        return places if kept is None else places[kept]

    def on(self, basis: Basis, channels: int, n: int) -> Functionals:
        """The functionals on the grid of level n."""
        self.check(basis, channels)
        each = [
            [self.along(own, n, number) for number in range(basis.dimension)]
            for own in basis.by_channel(channels)
        ]
        kept = self.kept(basis)
        return Functionals(basis, n, each, kept=None if kept is None else torch.from_numpy(kept))
