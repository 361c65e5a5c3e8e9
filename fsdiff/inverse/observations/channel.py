"""An observation of some of the channels."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import NonNegativeInt
from torch import Tensor

from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.spaces.basis import Basis


@dataclass(frozen=True, kw_only=True)
class Channel(Observation):
    """What ``observation`` sees of one channel, counted from 0; nothing is seen of the others."""

    channel: NonNegativeInt
    observation: Observation
    kind: Literal["channel"] = "channel"

    def on(self, basis: Basis, channels: int, n: int) -> ForwardMapLike:
        """The observation of fields with all channels."""
        self._check_channel(channels)
        own = basis.select((self.channel,))
        return ChannelMap(self.observation.on(own, 1, n), self.channel, channels, basis.dimension)

    def deviations(self, basis: Basis, channels: int) -> Tensor:
        """Those of the observation."""
        self._check_channel(channels)
        return self.observation.deviations(basis.select((self.channel,)), 1)

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse a channel that does not exist, and what the observation refuses."""
        self._check_channel(channels)
        self.observation.check(basis.select((self.channel,)), 1)

    def coordinates(self, basis: Basis) -> np.ndarray | None:
        """Those of the observation."""
        return self.observation.coordinates(basis.select((self.channel,)))

    def _check_channel(self, channels: int) -> None:
        if self.channel >= channels:
            raise ValueError(
                f"channel = {self.channel}: fields have {channels}, counted from 0 to "
                f"{channels - 1}"
            )


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
