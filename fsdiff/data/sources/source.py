"""What all data sets have in common, and the checks that several of them make."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
import torch
import xarray as xr
from pydantic import Field, FiniteFloat

from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask

Time = Annotated[FiniteFloat, Field(ge=0, le=10**6)]
PositiveTime = Annotated[FiniteFloat, Field(gt=0, le=10**6)]


class Source(ABC):
    """Where fields come from: a law that they are drawn from, or files.

    Subclasses are frozen dataclasses with, as fields or properties, ``resolution``, the number of
    nodes per axis, and ``basis``, what fields are expanded in, which says where their nodes are.
    Those that solve equations do so on ``device``.
    """

    device = torch.device("cpu")
    """Where equations are solved; no part of what describes a data set."""
    locations: ClassVar[tuple[str, ...]] = ()
    """Settings that say where files are: samples depend on what is in these."""

    if TYPE_CHECKING:  # where these are fields a property would be in the way

        @property
        @abstractmethod
        def resolution(self) -> int:
            """Nodes along the longest axis that is refined."""

        @property
        @abstractmethod
        def basis(self) -> Basis:
            """What fields are expanded in."""

    @abstractmethod
    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, y, x), float32 or, where that has too few
        digits for what varies, float64, with a dimension ``time`` after ``sample`` for series.
        ``progress`` is called with the number of samples finished since the last call.
        """

    def on(self, device: torch.device | str) -> Self:
        """The same source, whose equations are solved on a device.

        Random numbers are drawn on the processor, so that samples agree up to rounding.
        """
        placed = copy.copy(self)
        object.__setattr__(placed, "device", torch.device(device))
        return placed

    @property
    def values(self) -> int:
        """How many numbers a sample has at each node: one for each channel of each frame."""
        return len(getattr(self, "channels", ("one",)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels, in their order; none where there is but one."""
        return tuple(getattr(self, "channels", ()))

    @property
    def node_positions(self) -> dict[str, np.ndarray]:
        """Physical coordinates of the nodes along each axis, by its name."""
        own = self.basis.axis_nodes(self.resolution)
        return {axis.name: along for axis, along in zip(self.basis.axes, own, strict=True)}

    @property
    def mask(self) -> Mask | None:
        """The nodes that have values, frames being channels; None where all have."""
        return None

    def check(self) -> None:  # noqa: B027 (what is drawn can always be had)
        """Raise ValueError where the data cannot be had; called before any job starts."""

    @property
    def available(self) -> int | None:
        """How many samples there are; None where any number can be drawn."""
        return None

    @property
    def seeded(self) -> bool:
        """Whether samples depend on the data set's seed."""
        return True

    @property
    def label(self) -> str | None:
        """The coordinate that says what class each sample is of; None where there are none."""
        return None

    def boundaries(self, seed: int) -> Sequence[int]:
        """Numbers of samples at which a group of them ends, where splits must not divide groups."""
        return ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of the data although it is no reason to refuse them."""
        return ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the samples are read from."""
        return ()

    @property
    def content(self) -> str | None:
        """A digest of what these files hold; None where nothing is read."""
        return None


def check_channels(channels: Sequence[str]) -> None:
    """Refuse channels that are named twice."""
    if len(set(channels)) != len(channels):
        raise ValueError(f"channels = {channels}: name each channel once")


def check_times(times: Sequence[float]) -> None:
    """Refuse times that do not increase, and an empty series."""
    if not times or any(a >= b for a, b in pairwise(times)):
        raise ValueError(f"time = {times}: give one time or several, strictly increasing")
