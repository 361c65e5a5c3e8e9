"""Several observations of the same function at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fsdiff.inverse.observations.base import Component, Observation
from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask


@dataclass(frozen=True, kw_only=True)
class Several(Observation):
    """All of these observations; data are theirs, one after the other."""

    observation: Annotated[tuple[Component, ...], Field(min_length=1)]
    kind: Literal["several"] = "several"

    def __post_init__(self) -> None:
        """Take lists, too."""
        object.__setattr__(self, "observation", tuple(self.observation))

    @property
    def differentiable(self) -> bool:
        """Whether all have one."""
        return all(part.differentiable for part in self.observation)

    @property
    def affine(self) -> bool:
        """Whether all are."""
        return all(part.affine for part in self.observation)

    @property
    def random(self) -> bool:
        """Whether one of them is."""
        return any(part.random for part in self.observation)

    def most(self, basis: Basis, channels: int) -> int:
        """Of the one with the fewest places, if there are random ones; else all data."""
        random = [part.most(basis, channels) for part in self.observation if part.random]
        return min(random, default=len(self.deviations(basis, channels)))

    def another(self, basis: Basis, random: np.random.Generator, fewest: int | None) -> Self:
        """Each of them elsewhere."""
        parts = [part.another(basis, random, fewest) for part in self.observation]
        return replace(self, observation=tuple(parts))

    def on(self, basis: Basis, channels: int, n: int) -> ForwardMapLike:
        """Their maps beside each other."""
        return SeveralMaps([part.on(basis, channels, n) for part in self.observation])

    def deviations(self, basis: Basis, channels: int) -> Tensor:
        """Theirs, one after the other."""
        return torch.cat([part.deviations(basis, channels) for part in self.observation])

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse what one of them refuses."""
        for part in self.observation:
            part.check(basis, channels)

    def named(self, names: Sequence[str]) -> Self:
        """All with numbers for names of channels."""
        return replace(self, observation=tuple(part.named(names) for part in self.observation))

    def placed(self, nodes: Sequence[np.ndarray], basis: Basis) -> Self:
        """All with coordinates of the box for those of the data."""
        parts = tuple(part.placed(nodes, basis) for part in self.observation)
        return replace(self, observation=parts)

    def places_of_data(self, basis: Basis, channels: int) -> np.ndarray | None:
        """Theirs, one after the other."""
        parts = [part.places_of_data(basis, channels) for part in self.observation]
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if len(known) == len(parts) else None

    def where_present(self, mask: Mask, basis: Basis) -> "Several":
        """All of them where there are values."""
        parts = tuple(part.where_present(mask, basis) for part in self.observation)
        return replace(self, observation=parts)


@dataclass(frozen=True)
class SeveralMaps:
    """Maps of the same fields, whose data are put one after the other."""

    maps: Sequence[ForwardMapLike]

    @property
    def size(self) -> int:
        """Of all data."""
        return sum(part.size for part in self.maps)

    @property
    def affine(self) -> bool:
        """Whether all are."""
        return all(part.affine for part in self.maps)

    def forward(self, u: Tensor) -> Tensor:
        """All data."""
        return torch.cat([part.forward(u) for part in self.maps], -1)

    def jvp(self, u: Tensor, direction: Tensor) -> Tensor:
        """All derivatives."""
        return torch.cat([part.jvp(u, direction) for part in self.maps], -1)

    def vjp(self, u: Tensor, data: Tensor) -> Tensor:
        """The sum of the adjoints."""
        parts = data.split([part.size for part in self.maps], -1)
        return sum(
            (part.vjp(u, own) for part, own in zip(self.maps, parts, strict=True)),
            start=torch.zeros((), dtype=data.dtype, device=data.device),
        )
