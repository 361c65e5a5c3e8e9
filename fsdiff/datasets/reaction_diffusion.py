"""Reaction–diffusion patterns: fields at one or several times, from random initial states."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, FiniteFloat, PositiveFloat

from fsdiff.bases import CosineBasis
from fsdiff.datasets.labels import label
from fsdiff.initial import GaussianRandomField, Initial
from fsdiff.pde.integrators import IntegrationError
from fsdiff.pde.reaction_diffusion import ReactionDiffusion

Time = Annotated[FiniteFloat, Field(ge=0)]
PositiveTime = Annotated[FiniteFloat, Field(gt=0)]


@dataclass(frozen=True)
class ReactionDiffusionData:
    """The two-species system of PDEBench (Takamoto et al. 2022, appendix D.9).

    Sample i is the solution of ``fsdiff.pde.ReactionDiffusion`` from the i-th field of ``initial``,
    on ``resolution`` cells per axis. A single ``time`` gives fields, several (increasing) give
    series. PDEBench starts from white noise on the grid and stores both channels at 101 times.
    """

    resolution: Annotated[int, Field(ge=2)] = 128
    time: PositiveTime | tuple[Time, ...] = 2.5
    channels: Annotated[tuple[Literal["u", "v"], ...], Field(min_length=1)] = ("u",)
    initial: Initial = field(default_factory=GaussianRandomField)
    diffusivity_u: PositiveFloat = 1e-3
    diffusivity_v: PositiveFloat = 5e-3
    k: FiniteFloat = 5e-3
    length: PositiveFloat = 2.0
    kind: Literal["reaction_diffusion"] = "reaction_diffusion"

    def __post_init__(self) -> None:
        if len(set(self.channels)) != len(self.channels):
            raise ValueError(f"channels = {self.channels}: name each channel once")
        times = self.times
        if not times or any(a >= b for a, b in pairwise(times)):
            raise ValueError(f"time = {self.time}: give one time or several, strictly increasing")

    @property
    def basis(self) -> CosineBasis:
        """Cosines: no flux across the walls."""
        return CosineBasis()

    @property
    def times(self) -> tuple[float, ...]:
        """The times that are kept."""
        return self.time if isinstance(self.time, tuple) else (self.time,)

    @property
    def system(self) -> ReactionDiffusion:
        """The equations."""
        return ReactionDiffusion(self.diffusivity_u, self.diffusivity_v, self.k, self.length)

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, y, x), float32, with a dimension ``time`` after
        ``sample`` if there are several times. ``progress`` is called with the number of samples
        finished since the last call. Raises ``IntegrationError`` with the sample's index.
        """
        n, times = self.resolution, self.times
        fields = np.empty((len(indices), len(times), len(self.channels), n, n), np.float32)
        for position, index in enumerate(indices):
            fields[position] = self._series(index, seed)
            if progress is not None:
                progress(1)
        return self._label(fields, indices)

    def _series(self, index: int, seed: int) -> np.ndarray:
        """One sample, shape (time, channel, y, x)."""
        initial = self.initial.sample(self.basis, self.resolution, [index], seed, channels=2)
        try:
            states = self.system.solve(initial, self.times)[0]
        except IntegrationError as error:
            message = f"sample {index} of seed {seed}: {error}"
            raise IntegrationError(message, error.time) from error
        kept = [("u", "v").index(name) for name in self.channels]
        return states[:, kept].to(torch.float32).numpy()

    def _label(self, fields: np.ndarray, indices: Sequence[int]) -> xr.Dataset:
        series = label(
            fields,
            indices,
            basis=self.basis,
            nodes=(self.basis.nodes(self.resolution) - 0.5) * self.length,
            measured_from="centre",
            channels=self.channels,
            meaning="concentration",
            times=self.times,
        )
        return series if isinstance(self.time, tuple) else series.isel(time=0)
