"""Sampling a finite set of points with its exact conditional expectation."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp, lgamma
from typing import Annotated, ClassVar, Literal

import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.analyses.agreement import chi_squared
from fsdiff.analyses.base import Analysis, results
from fsdiff.analyses.runs import Recorder, ensemble
from fsdiff.blocks.explain import Problem
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.euler_maruyama import EulerMaruyama
from fsdiff.measures.manifolds import ManifoldLaw

SHOWN = 1000
"""How many samples are kept for figures."""
AT_ONCE = 20000
"""How many samples are drawn as one batch."""

States = list[tuple[float, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Absorption(Analysis):
    """How often samples end at each of a set of points, and how close they come.

    The conditional expectation of the points is exact, so errors are the sampler's alone (Lu, Wang
    & Bal, arXiv 2301.07882, §4.2 and Table 1). Sampling stops at each of ``smallest_times`` in
    turn; states there, before the last estimate of the data which would be a point, are at the mean
    distance √2 Γ((d + 1)/2)/Γ(d/2) r from theirs, the mean length of d normal numbers, if they
    follow the law of X_t (their Figure 7). Results that are not by ``smallest_time`` are of the
    first.
    """

    numbers: ClassVar[tuple[str, ...]] = ("frequency", "chi_squared", "distance", "relative")
    shares = ("frequency",)

    law: ManifoldLaw
    sampler: Sampler = field(default_factory=lambda: EulerMaruyama(spacing="exponential"))
    process: GaussianPath = field(default_factory=OrnsteinUhlenbeck)
    samples: PositiveInt = 10000
    smallest_times: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1e-4,)
    snapshots: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (
        *(10.0, 2.0, 1.0, 0.3, 0.1, 1e-4),
    )
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    kind: Literal["absorption"] = "absorption"

    def check(self) -> Iterator[Problem]:
        """Refuse times that are none of the process."""
        for i, time in enumerate(self.smallest_times):
            try:
                self._until(time)
            except ValueError as error:
                yield ("smallest_times", i), str(error)

    def run(self) -> xr.Dataset:
        """``count`` (seed, point), ``distance`` (seed, smallest_time), ``state`` of the first."""
        points = self.law.mixture().means.flatten(1)
        counts = torch.zeros((len(self.seeds), len(points)), dtype=torch.float64)
        distances = torch.zeros((len(self.seeds), len(self.smallest_times)), dtype=torch.float64)
        shown: States = []
        for i, seed in enumerate(self.seeds):
            for j, t in enumerate(self.smallest_times):
                for first in range(0, self.samples, AT_ONCE):
                    states = self._sample(t, seed, first)
                    near = torch.cdist(states[-1][1].flatten(1), points).min(1)
                    distances[i, j] += near.values.sum() / self.samples
                    if j == 0:
                        counts[i] += torch.bincount(near.indices, minlength=len(points))
                    shown = shown or self._shown(states)
        times = torch.tensor(self.smallest_times, dtype=torch.float64)
        noise = self.process.noise_variance(times, torch.zeros(())).sqrt()
        expected = noise * mean_length(points.shape[1])
        by_time = ("seed", "smallest_time")
        return results(
            {
                "count": (("seed", "point"), counts, "samples absorbed"),
                "frequency": (("seed", "point"), counts / self.samples, "frequency of absorption"),
                "chi_squared": ("seed", [chi_squared(count) for count in counts], "χ² of counts"),
                "distance": (
                    by_time,
                    distances,
                    "mean distance to the nearest point, before the last estimate",
                ),
                "expected_distance": ("smallest_time", expected, "that of the exact law"),
                "relative": (by_time, distances / expected, "distance over that of the exact law"),
                "state": (
                    ("time", "sample", "axis"),
                    torch.stack([x for _, x in shown]),
                    "samples on their way",
                ),
                "position": (("point", "axis"), points, "the points"),
            },
            {
                "smallest_time": ("smallest_time", times, "time at which sampling stops"),
                "time": ("time", [t for t, _ in shown], "time"),
                "axis": ("axis", torch.arange(points.shape[1]), "coordinate"),
                "seed": ("seed", list(self.seeds), "seed"),
            },
        )

    def _shown(self, states: States) -> States:
        """The states nearest to each of the times that are shown."""
        near = [min(states, key=lambda state: abs(state[0] - t)) for t in self.snapshots]
        return [(t, x[:SHOWN].flatten(1).clone()) for t, x in near]

    def _sample(self, smallest_time: float, seed: int, first: int) -> States:
        """All states of a batch of samples that stop at a time."""
        recorder = Recorder(self.law.exact(self._until(smallest_time)))
        count = min(AT_ONCE, self.samples - first)
        ensemble(self.sampler, recorder, count, seed, batch=first // AT_ONCE)
        return recorder.states

    def _until(self, smallest_time: float) -> GaussianPath:
        """The process with another smallest time."""
        return dataclasses.replace(self.process, smallest_time=smallest_time)


def mean_length(dimension: int) -> float:
    """E|ξ| of ξ ~ N(0, I) in so many dimensions."""
    return 2**0.5 * exp(lgamma((dimension + 1) / 2) - lgamma(dimension / 2))
