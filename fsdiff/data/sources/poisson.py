"""Poisson's equation: random sources and their potentials, all of it linear and Gaussian."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, PositiveFloat
from torch import Tensor

from fsdiff.data.sources.labels import label
from fsdiff.data.sources.source import Source, check_channels
from fsdiff.measures.initial import FieldLaw, PowerLawField, check_random
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.bases import SineBasis
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.trigonometric import TrigonometricBasis
from fsdiff.threads import single_thread


@dataclass(frozen=True)
class PoissonData(Source):
    """A source f and the solution u of −Δu = f, u = 0 on the boundary.

    Sample i has the i-th field of ``measure`` as its source. Both are expanded in ``basis``, sines
    by default, in which −Δ is diagonal: u is exact for the source on the grid, and fields on a
    coarser grid are the restrictions of those on a finer one. The basis may be that of any box with
    walls at which functions vanish. With a Gaussian measure f and u are jointly Gaussian.
    ``length`` is the unit of the box's sides, in which −Δ is taken.

    Good values: the default is the source of the published data sets, N(0, (−Δ + 9)⁻²), here with
    the Laplacian of functions that vanish on the boundary.
    """

    resolution: Annotated[Nodes, Field(ge=2)] = 64
    basis: Basis = field(default_factory=SineBasis)
    measure: FieldLaw = field(default_factory=lambda: PowerLawField(1.0, 9.0, 2.0))
    channels: Annotated[tuple[Literal["source", "solution"], ...], Field(min_length=1)] = (
        "source",
        "solution",
    )
    length: PositiveFloat = 1.0
    kind: Literal["poisson"] = "poisson"

    def __post_init__(self) -> None:
        check_channels(self.channels)
        if not isinstance(self.basis, TrigonometricBasis) or self.basis.constants:
            raise ValueError(
                f"basis '{self.basis.kind}' does not vanish on any wall: use sine, or a box with "
                "an axis of kind dirichlet"
            )

    @property
    def node_positions(self) -> dict[str, np.ndarray]:
        """Coordinates of the nodes along each axis, in the unit of ``length``."""
        return {name: along * self.length for name, along in super().node_positions.items()}

    def check(self) -> None:
        """Refuse sources that are zero everywhere."""
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
        n = self.resolution
        fields = np.empty((len(indices), len(self.channels), *self.basis.grid(n)), np.float32)
        for position, index in enumerate(indices):
            source = self.measure.sample(self.basis, n, [index], seed, channels=1)
            fields[position] = self.pair(source)[0].numpy()
            if progress is not None:
                progress(1)
        return label(
            fields,
            indices,
            basis=self.basis,
            nodes=self.node_positions,
            measured_from="wall",
            channels=self.channels,
            meaning=" and ".join(self.channels),
        )

    def pair(self, source: Tensor) -> Tensor:
        """The channels, in their order, of sources (batch, 1, *grid)."""
        each = {"source": source}
        if "solution" in self.channels:
            each["solution"] = self.solve(source)
        return torch.cat([each[name] for name in self.channels], 1)

    @single_thread()
    def solve(self, source: Tensor) -> Tensor:
        """u = (−Δ)⁻¹ f for sources (..., *grid): û_k = length² f̂_k/|ω_k|²; its own adjoint."""
        squared = self.basis.omega_squared(self.basis.resolution(source))
        return self.basis.multiply(source, (self.length**2 / squared).to(source))
