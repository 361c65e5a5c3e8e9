"""What observations share: a map for every grid, noise, and data drawn from functions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field
from torch import Tensor

from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.randomness import normals
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask
from fsdiff.streams import Stream

Deviation = Annotated[float, Field(ge=0)]
"""Standard deviation of the noise of a datum, in the unit of the field."""


@dataclass(frozen=True, kw_only=True)
class Observation(ABC):
    """y = G(u) + ε with independent noise ε, of fields (channel, *grid) on any grid."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its name in configurations."""

    @property
    def differentiable(self) -> bool:
        """Whether G has a derivative."""
        return True

    @property
    def affine(self) -> bool:
        """Whether G is linear but for a constant."""
        return True

    @abstractmethod
    def on(self, basis: Basis, channels: int, n: int) -> ForwardMapLike:
        """G on the grid of level n, for fields (..., channels, *grid)."""

    @abstractmethod
    def deviations(self, basis: Basis, channels: int) -> Tensor:
        """Standard deviations of the noise, (size of the data,), float64."""

    def variances(self, basis: Basis, channels: int) -> Tensor:
        """The diagonal of Γ, (size of the data,), float64."""
        return self.deviations(basis, channels).square()

    def check(self, basis: Basis, channels: int) -> None:  # noqa: B027 (some suit every basis)
        """Raise ValueError, naming the setting, where there is nothing to observe like this."""

    @property
    def random(self) -> bool:
        """Whether a seed decides what is observed, such as where sensors are."""
        return False

    def most(self, basis: Basis, channels: int) -> int:
        """How many places are observed at random, or else how many data there are."""
        return len(self.deviations(basis, channels))

    def another(self, basis: Basis, random: np.random.Generator, fewest: int | None) -> Self:
        """The same at random elsewhere, at from ``fewest`` to all places; by default at all."""
        return self

    def named(self, names: Sequence[str]) -> Self:
        """The same with numbers for names of channels; ``names`` are those of the fields."""
        return self

    def placed(self, nodes: Sequence[np.ndarray], basis: Basis) -> Self:
        """The same with coordinates of the box for those of the data.

        ``nodes`` are the physical coordinates of some level's nodes along each axis.
        """
        return self

    @abstractmethod
    def where_present(self, mask: Mask, basis: Basis) -> "Observation":
        """What can be seen of data with nodes without values; ValueError where there is no such.

        ``mask`` is that of all channels.
        """

    def coordinates(self, basis: Basis) -> np.ndarray | None:
        """Where each datum of a channel lies, (places, axes), physical; None if it has no place."""
        return None

    def places_of_data(self, basis: Basis, channels: int) -> np.ndarray | None:
        """Where each of all data lies, (size, axes), physical; None if one of them has no place."""
        own = self.coordinates(basis)
        if own is None:
            return None
        return np.resize(own, (len(self.deviations(basis, channels)), basis.dimension))

    def draw(self, u: Tensor, basis: Basis, seed: int, indices: Sequence[int]) -> Tensor:
        """Data (cases, size) of fields (cases, channel, *grid), one index for each; float64.

        The noise of a case depends on (seed, index) only, whatever the grid.
        """
        if len(indices) != len(u):
            raise ValueError(f"{len(indices)} indices for {len(u)} cases: give one for each")
        channels = u.shape[-1 - basis.dimension]
        exact = self.on(basis, channels, basis.resolution(u)).forward(u.double())
        white = normals(seed, indices, (exact.shape[-1],), Stream.OBSERVATION)
        return exact + self.deviations(basis, channels) * torch.from_numpy(white)


def standard_deviations(noise: ArrayLike) -> float | tuple[float, ...]:
    """Standard deviations, one or one for each datum; ValueError where these are none."""
    values = np.asarray(noise, dtype=np.float64)
    if values.ndim > 1:
        raise ValueError(
            f"noise of shape {values.shape}: give a standard deviation, or one for each datum; "
            "errors are independent"
        )
    if not ((values >= 0) & np.isfinite(values)).all():
        raise ValueError("noise: standard deviations are finite, and zero or more")
    return tuple(values.tolist()) if values.ndim else float(values)


@dataclass(frozen=True, kw_only=True)
class Component(Observation):
    """What several observations can be made of: all but several themselves."""

    def where_present(self, mask: Mask, basis: Basis) -> "Component":
        """What can be seen of such data; of most nothing."""
        raise ValueError(
            f"{self.kind} looks at nodes without values (gaps: mask), too: observe such data at "
            "points, random_points or grid_of_points, or by a mask"
        )


@dataclass(frozen=True, kw_only=True)
class Whole(Component):
    """What some of the data can be chosen of."""


@dataclass(frozen=True, kw_only=True)
class Elementary(Whole):
    """An observation that is not made of others."""


@dataclass(frozen=True, kw_only=True)
class LinearObservation(Elementary):
    """An observation that sees all channels alike, each datum with noise N(0, noise²).

    ``noise`` is one number, or one for each datum of a channel.
    """

    noise: Deviation | tuple[Deviation, ...] = 0.0

    def __post_init__(self) -> None:
        """Take arrays of deviations, too; refuse what is none."""
        object.__setattr__(self, "noise", standard_deviations(self.noise))

    def deviations(self, basis: Basis, channels: int) -> Tensor:
        """Standard deviations, channel by channel."""
        each = self.count(basis)
        if isinstance(self.noise, tuple) and len(self.noise) != each:
            raise ValueError(
                f"noise: {len(self.noise)} numbers for {each} data of a channel; give one, or one "
                "for each"
            )
        values = torch.tensor(self.noise, dtype=torch.float64).expand(each)
        return values.repeat(channels)

    @abstractmethod
    def count(self, basis: Basis) -> int:
        """How many data there are of each channel."""
