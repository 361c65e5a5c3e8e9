"""Observations of physical fields, as maps of the normalised fields that models know."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fsdiff.data.statistics import Statistics
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.maps import ForwardMapLike, functionals
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class Physical(Observation):
    """What ``observation`` sees of physical fields, of which models know the normalised ones.

    Data and noise are physical. Without transforms of the data a linear observation stays affine,
    y = H mean + H(scale · z) + ε.
    """

    observation: Observation
    statistics: Statistics

    @property
    def kind(self) -> str:
        """That of the observation."""
        return self.observation.kind

    @property
    def affine(self) -> bool:
        """Whether that of the observation is, and there are no transforms."""
        return self.observation.affine and self.statistics.transforms is None

    def on(self, basis: Basis, channels: int, n: int) -> ForwardMapLike:
        """The observation of normalised fields."""
        return PhysicalMap(self.observation.on(basis, channels, n), self.statistics)

    def deviations(self, basis: Basis, channels: int) -> Tensor:
        """Those of the observation."""
        return self.observation.deviations(basis, channels)

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse what the observation refuses."""
        self.observation.check(basis, channels)

    def where_present(self, mask: Mask, basis: Basis) -> "Physical":
        """That of the observation."""
        return replace(self, observation=self.observation.where_present(mask, basis))

    def coordinates(self, basis: Basis) -> np.ndarray | None:
        """Those of the observation."""
        return self.observation.coordinates(basis)

    def places_of_data(self, basis: Basis, channels: int) -> np.ndarray | None:
        """Those of the observation."""
        return self.observation.places_of_data(basis, channels)


@dataclass(frozen=True, eq=False)
class PhysicalMap:
    """A map of physical fields as one of normalised fields."""

    map: ForwardMapLike
    statistics: Statistics

    @property
    def size(self) -> int:
        """That of the map."""
        return self.map.size

    @property
    def affine(self) -> bool:
        """Whether the map is, and fields are physical but for mean and scale."""
        return self.map.affine and self.statistics.transforms is None

    def forward(self, u: Tensor) -> Tensor:
        """Of the physical field."""
        return self.map.forward(self.statistics.denormalise(u))

    def jvp(self, u: Tensor, direction: Tensor) -> Tensor:
        """By the chain rule."""
        physical, slope = self._linearised(u)
        return self.map.jvp(physical, slope * direction).to(direction)

    def vjp(self, u: Tensor, data: Tensor) -> Tensor:
        """By the chain rule."""
        physical, slope = self._linearised(u)
        return (slope * self.map.vjp(physical, data.to(physical))).to(data)

    def jacobian(self, u: Tensor) -> Tensor:
        """The derivative of each datum at one field, (1, size, channel, *grid)."""
        physical, slope = self._linearised(u)
        return (slope * functionals(self.map, physical)).to(u)[None]

    def _linearised(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """The physical field, and its derivative at every node, with respect to the normalised."""
        with torch.enable_grad():
            z = u.detach().requires_grad_()
            physical = self.statistics.denormalise(z)
            slope = torch.autograd.grad(physical.sum(), z)[0]
        return physical.detach(), slope
