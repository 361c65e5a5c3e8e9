"""Sampling a finite set of points with its exact conditional expectation."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.analyses.base import Analysis, results
from fsdiff.analyses.runs import Recorder, ensemble
from fsdiff.diffusion.exact import STANDARD_NORMAL, ExactDenoiser
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.euler_maruyama import EulerMaruyama
from fsdiff.measures.planar import PlanarLaw

SHOWN = 1000
"""How many samples are kept for figures."""


@dataclass(frozen=True, kw_only=True)
class Absorption(Analysis):
    """How often samples end at each of a set of points, and how close they come.

    The conditional expectation of the points is exact, so errors are the sampler's alone (Lu, Wang
    & Bal, arXiv 2301.07882, §4.2 and Table 1). Sampling stops at each of ``smallest_times`` in
    turn; states there, before the last estimate of the data which would be a point, are at the mean
    distance r√(π/2) from theirs if they follow the law of X_t (their Figure 7). Results that are
    not by ``smallest_time`` are of the first.
    """

    law: PlanarLaw
    sampler: Sampler = field(default_factory=lambda: EulerMaruyama(spacing="exponential"))
    process: GaussianPath = field(default_factory=OrnsteinUhlenbeck)
    samples: PositiveInt = 10000
    smallest_times: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1e-4,)
    snapshots: tuple[PositiveFloat, ...] = (10.0, 2.0, 1.0, 0.3, 0.1, 1e-4)
    seed: NonNegativeInt = 0
    kind: Literal["absorption"] = "absorption"

    def run(self) -> xr.Dataset:
        """``frequency`` (point), ``distance`` (smallest_time), ``state`` (time, sample, axis)."""
        points = self.law.mixture().means[..., 0]
        runs = [self._sample(t) for t in self.smallest_times]
        nearest = [torch.cdist(states[-1][1][..., 0], points).min(1) for states in runs]
        counts = torch.bincount(nearest[0].indices, minlength=len(points))
        times = torch.tensor(self.smallest_times, dtype=torch.float64)
        noise = self.process.noise_variance(times, torch.zeros(())).sqrt()
        shown = [min(runs[0], key=lambda state: abs(state[0] - t)) for t in self.snapshots]
        return results(
            {
                "count": ("point", counts, "samples absorbed"),
                "frequency": ("point", counts / self.samples, "frequency of absorption"),
                "distance": (
                    "smallest_time",
                    [float(near.values.mean()) for near in nearest],
                    "mean distance to the nearest point, before the last estimate",
                ),
                "expected_distance": (
                    "smallest_time",
                    noise * (torch.pi / 2) ** 0.5,
                    "that of the exact law",
                ),
                "state": (
                    ("time", "sample", "axis"),
                    torch.stack([x[:SHOWN, :, 0] for _, x in shown]),
                    "samples on their way",
                ),
                "position": (("point", "axis"), points, "the points"),
            },
            {
                "smallest_time": ("smallest_time", times, "time at which sampling stops"),
                "time": ("time", [t for t, _ in shown], "time"),
                "axis": ("axis", ["x", "y"], "axis"),
            },
        )

    def _sample(self, smallest_time: float) -> list[tuple[float, Tensor]]:
        """All states of all samples that stop at a time."""
        process = dataclasses.replace(self.process, smallest_time=smallest_time)
        exact = ExactDenoiser(self.law.mixture(), noise=STANDARD_NORMAL, process=process)
        recorder = Recorder(exact)
        ensemble(self.sampler, recorder, self.samples, self.seed)
        return recorder.states
