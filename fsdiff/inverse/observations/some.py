"""Some of the data of an observation, such as those of sensors that work."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor

from fsdiff.inverse.observations.base import Component, Whole
from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask


@dataclass(frozen=True, kw_only=True)
class Some(Component):
    """Those of the ``data`` of ``observation`` with these numbers, counted from 0, in their order.

    Data are channel by channel. Of data with nodes without values (gaps: mask) those at nodes that
    have one are chosen so.
    """

    observation: Whole
    data: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    kind: Literal["some"] = "some"

    def __post_init__(self) -> None:
        """Take lists and arrays of numbers, too."""
        object.__setattr__(self, "data", tuple(map(int, self.data)))

    @property
    def differentiable(self) -> bool:
        """Whether that of the observation has a derivative."""
        return self.observation.differentiable

    @property
    def affine(self) -> bool:
        """As the observation."""
        return self.observation.affine

    def on(self, basis: Basis, channels: int, n: int) -> ForwardMapLike:
        """Some of the data of the observation's map."""
        self.check(basis, channels)
        return SomeOfMap(self.observation.on(basis, channels, n), torch.tensor(self.data))

    def deviations(self, basis: Basis, channels: int) -> Tensor:
        """Those of the chosen data."""
        self.check(basis, channels)
        return self.observation.deviations(basis, channels)[list(self.data)]

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse data that do not exist, or are named twice, and what the observation refuses."""
        self.observation.check(basis, channels)
        count = len(self.observation.deviations(basis, channels))
        if max(self.data) >= count:
            raise ValueError(f"data = {max(self.data)}: there are {count}, counted from 0")
        if len(set(self.data)) < len(self.data):
            raise ValueError("data: each number once")

    def named(self, names: Sequence[str]) -> Self:
        """Of the observation with numbers for names of channels."""
        return replace(self, observation=self.observation.named(names))

    def placed(self, nodes: Sequence[np.ndarray], basis: Basis) -> Self:
        """Of the observation with coordinates of the box for those of the data."""
        return replace(self, observation=self.observation.placed(nodes, basis))

    def where_present(self, mask: Mask, basis: Basis) -> Self:
        """Those of the chosen data that are seen."""
        seen = self.observation.where_present(mask, basis)
        if not isinstance(seen, Some):
            return self
        kept = tuple(number for number in self.data if number in set(seen.data))
        if not kept:
            raise ValueError("some: all of these data are where the fields have no values")
        return replace(self, data=kept)

    def coordinates(self, basis: Basis) -> np.ndarray | None:
        """Where the chosen data lie, if all channels are seen at the same places."""
        places = self.observation.coordinates(basis)
        if places is None or max(self.data) >= len(places):
            return None
        return places[list(self.data)]

    def places_of_data(self, basis: Basis, channels: int) -> np.ndarray | None:
        """Those of the chosen data, of all channels."""
        places = self.observation.places_of_data(basis, channels)
        return None if places is None else places[list(self.data)]


@dataclass(frozen=True, eq=False)
class SomeOfMap:
    """Some of the data of a map."""

    map: ForwardMapLike
    chosen: Tensor

    @property
    def size(self) -> int:
        """How many are chosen."""
        return len(self.chosen)

    @property
    def affine(self) -> bool:
        """As the map."""
        return self.map.affine

    def forward(self, u: Tensor) -> Tensor:
        """The chosen data."""
        return self._of(self.map.forward(u))

    def jvp(self, u: Tensor, direction: Tensor) -> Tensor:
        """Of the chosen data."""
        return self._of(self.map.jvp(u, direction))

    def vjp(self, u: Tensor, data: Tensor) -> Tensor:
        """That of the map, with zero for all other data."""
        whole = data.new_zeros(*data.shape[:-1], self.map.size)
        return self.map.vjp(u, whole.index_copy(-1, self.chosen.to(data.device), data))

    def _of(self, data: Tensor) -> Tensor:
        return data[..., self.chosen.to(data.device)]
