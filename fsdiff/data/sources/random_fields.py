"""Random fields of a known law: data of which everything can be computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
import xarray as xr
from pydantic import Field, PositiveFloat

from fsdiff.data.sources.labels import label
from fsdiff.data.sources.source import Source, check_channels, check_plane
from fsdiff.measures.initial import FieldLaw, GaussianRandomField
from fsdiff.spaces.bases import Basis, FourierBasis, Nodes


@dataclass(frozen=True)
class RandomFieldData(Source):
    """Sample i is the i-th field of ``measure`` in ``basis``; channels are independent.

    Fields are periodic in the Fourier basis, have no normal derivative at the walls in the cosine
    basis and vanish there in the sine basis. With a Gaussian measure, those on a coarser grid are
    the restrictions of those on a finer one, and the exact score of a diffusion model is known.
    """

    resolution: Annotated[Nodes, Field(ge=2)] = 64
    basis: Basis = field(default_factory=FourierBasis)
    measure: FieldLaw = field(default_factory=GaussianRandomField)
    channels: Annotated[tuple[str, ...], Field(min_length=1)] = ("u",)
    length: PositiveFloat = 1.0
    kind: Literal["random_field"] = "random_field"

    def __post_init__(self) -> None:
        check_plane(self.basis)
        check_channels(self.channels)

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, y, x), float32. ``progress`` is called with the
        number of samples finished since the last call.
        """
        n, channels = self.resolution, len(self.channels)
        fields = torch.empty(len(indices), channels, n, n)
        for position, index in enumerate(indices):
            sample = self.measure.sample(self.basis, n, [index], seed, channels=channels)
            fields[position] = sample[0]
            if progress is not None:
                progress(1)
        nodes = self.basis.nodes(n) * self.length
        return label(
            fields.numpy(),
            indices,
            basis=self.basis,
            y=nodes,
            x=nodes,
            measured_from="corner",
            channels=self.channels,
            meaning="random field",
        )
