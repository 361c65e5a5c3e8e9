"""An observation of some of the channels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeInt
from torch import Tensor

from fsdiff.inverse.observations.base import Component, Elementary, Whole
from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.inverse.observations.some import Some
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask

ChannelName = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Channel(Whole):
    """What ``observation`` sees of one channel; nothing is seen of the others.

    ``channel`` is its number, counted from 0, or in configurations its name.
    """

    channel: NonNegativeInt | ChannelName
    observation: Elementary
    kind: Literal["channel"] = "channel"

    @property
    def differentiable(self) -> bool:
        """Whether that of the observation has one."""
        return self.observation.differentiable

    @property
    def affine(self) -> bool:
        """As that of the observation."""
        return self.observation.affine

    def on(self, basis: Basis, channels: int, n: int) -> ForwardMapLike:
        """The observation of fields with all channels."""
        number = self._number(channels)
        own = basis.select((number,))
        return ChannelMap(self.observation.on(own, 1, n), number, channels, basis.dimension)

    def deviations(self, basis: Basis, channels: int) -> Tensor:
        """Those of the observation."""
        return self.observation.deviations(basis.select((self._number(channels),)), 1)

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse a channel that does not exist, and what the observation refuses."""
        self.observation.check(basis.select((self._number(channels),)), 1)

    def coordinates(self, basis: Basis) -> np.ndarray | None:
        """Those of the observation."""
        return self.observation.coordinates(basis.select((self._numbered(),)))

    @property
    def random(self) -> bool:
        """As that of the observation."""
        return self.observation.random

    def most(self, basis: Basis, channels: int) -> int:
        """Those of the observation."""
        return self.observation.most(basis.select((self._number(channels),)), 1)

    def another(self, basis: Basis, random: np.random.Generator, fewest: int | None) -> Self:
        """Elsewhere in the channel."""
        own = basis.select((self._numbered(),))
        return replace(self, observation=self.observation.another(own, random, fewest))

    def named(self, names: Sequence[str]) -> Self:
        """The same with the channel's number among the names of all; ValueError if it has none."""
        if isinstance(self.channel, int):
            return self
        if self.channel not in names:
            known = ", ".join(names) or "none, as there is but one"
            raise ValueError(f"channel = {self.channel}: no such channel; known: {known}")
        return replace(self, channel=list(names).index(self.channel))

    def placed(self, nodes: Sequence[np.ndarray], basis: Basis) -> Self:
        """The same with coordinates of the box for those of the data."""
        return replace(self, observation=self.observation.placed(nodes, basis))

    def where_present(self, mask: Mask, basis: Basis) -> Component:
        """What is seen where the channel has values."""
        number = self._number(len(mask.present))
        own = basis.select((number,))
        seen = self.observation.where_present(Mask(mask.present[[number]], own), own)
        return replace(seen, observation=self) if isinstance(seen, Some) else self

    def _numbered(self) -> int:
        if isinstance(self.channel, int):
            return self.channel
        raise ValueError(f"channel = {self.channel}: fields have no names: give a number from 0")

    def _number(self, channels: int) -> int:
        """The channel's number; ValueError if fields have fewer ``channels``."""
        number = self._numbered()
        if number >= channels:
            known = f"{channels}, counted from 0 to {channels - 1}" if channels > 1 else "one, 0"
            raise ValueError(f"channel = {number}: fields have {known}")
        return number


@dataclass(frozen=True)
class ChannelMap:
    """A map of one channel as a map of all."""

    map: ForwardMapLike
    channel: int
    channels: int
    dimension: int

    @property
    def size(self) -> int:
        """That of the map."""
        return self.map.size

    @property
    def affine(self) -> bool:
        """As the map."""
        return self.map.affine

    def forward(self, u: Tensor) -> Tensor:
        """Of the one channel."""
        return self.map.forward(self._select(u))

    def jvp(self, u: Tensor, direction: Tensor) -> Tensor:
        """Of the one channel."""
        return self.map.jvp(self._select(u), self._select(direction))

    def vjp(self, u: Tensor, data: Tensor) -> Tensor:
        """Zero in the other channels."""
        own = self.map.vjp(self._select(u), data)
        axis = -1 - self.dimension
        shape = list(own.shape)
        shape[axis] = self.channels
        fields = own.new_zeros(shape)
        fields.narrow(axis, self.channel, 1).copy_(own)
        return fields

    def _select(self, u: Tensor) -> Tensor:
        return u.narrow(-1 - self.dimension, self.channel, 1)
