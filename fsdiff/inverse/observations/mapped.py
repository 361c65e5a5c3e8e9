"""Data that a map gives which is no functional of the field: the solution of an equation."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.inverse.observations.base import Deviation, Elementary, standard_deviations
from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.spaces.basis import Basis


@dataclass(frozen=True, kw_only=True)
class Mapped(Elementary):
    """What a map with a derivative gives of fields on any grid, each datum with noise.

    Such are the maps of ``fsdiff.inverse.forward``: pressures at sensors given the permeability.
    """

    map: ForwardMapLike
    noise: Deviation
    kind: Literal["mapped"] = "mapped"

    def __post_init__(self) -> None:
        """Refuse what is no deviation."""
        object.__setattr__(self, "noise", standard_deviations(self.noise))

    def check(self, basis: Basis, channels: int) -> None:
        """As the map, if that says anything."""
        if (check := getattr(self.map, "check", None)) is not None:
            check(basis, channels)

    @property
    def differentiable(self) -> bool:
        """Whether the map has one."""
        return getattr(self.map, "differentiable", True)

    @property
    def affine(self) -> bool:
        """As the map."""
        return self.map.affine

    def on(self, basis: Basis, channels: int, n: int) -> ForwardMapLike:
        """The map, which solves its equation on the grid of the field."""
        return self.map

    def places_of_data(self, basis: Basis, channels: int) -> np.ndarray | None:
        """Where the map says that its data lie, which are no values of the fields there."""
        return getattr(self.map, "places", None)

    def deviations(self, basis: Basis, channels: int) -> Tensor:
        """The same for all data."""
        return torch.full((self.map.size,), self.noise, dtype=torch.float64)
