"""Random fields of a known law: data of which everything can be computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, PositiveFloat

from fsdiff.data.sources.labels import label
from fsdiff.data.sources.source import Source, check_channels
from fsdiff.measures.initial import FieldLaw, GaussianRandomField, check_random
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.bases import FourierBasis
from fsdiff.spaces.basis import Basis


@dataclass(frozen=True)
class RandomFieldData(Source):
    """Sample i is the i-th field of ``measure`` in ``basis``; channels are independent.

    Fields are periodic in the Fourier basis, have no normal derivative at the walls in the cosine
    basis and vanish there in the sine basis; in a box each axis has its own kind. ``resolution`` is
    the level, the number of nodes along the longest axis, and ``length`` the unit of the sides.
    With a Gaussian measure, fields on a coarser grid are the restrictions of those on a finer one,
    and the exact score of a diffusion model is known.
    """

    resolution: Annotated[Nodes, Field(ge=2)] = 64
    basis: Basis = field(default_factory=FourierBasis)
    measure: FieldLaw = field(default_factory=GaussianRandomField)
    channels: Annotated[tuple[str, ...], Field(min_length=1)] = ("u",)
    length: PositiveFloat = 1.0
    kind: Literal["random_field"] = "random_field"

    def __post_init__(self) -> None:
        check_channels(self.channels)

    @property
    def node_positions(self) -> dict[str, np.ndarray]:
        """Coordinates of the nodes along each axis, in the unit of ``length``."""
        return {name: along * self.length for name, along in super().node_positions.items()}

    def check(self) -> None:
        """Refuse fields that are zero everywhere."""
        check_random(measure=self.measure)

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, *axes of the basis), float32. ``progress`` is
        called with the number of samples finished since the last call.
        """
        n, channels = self.resolution, len(self.channels)
        fields = torch.empty(len(indices), channels, *self.basis.grid(n))
        for position, index in enumerate(indices):
            sample = self.measure.sample(self.basis, n, [index], seed, channels=channels)
            fields[position] = sample[0]
            if progress is not None:
                progress(1)
        return label(
            fields.numpy(),
            indices,
            basis=self.basis,
            nodes=self.node_positions,
            measured_from="corner",
            channels=self.channels,
            meaning="random field",
        )
