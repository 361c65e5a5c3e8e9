"""How far the drift of the reverse equation moves a state in each step of a grid of times."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, get_args

import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from fsdiff.analyses.base import Analysis, results, wrong_point
from fsdiff.analyses.modes import constant_noise
from fsdiff.blocks.explain import Problem
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.diffusion.samplers.times import Spacing, Steps, time_grid
from fsdiff.measures.manifolds import ManifoldLaw
from fsdiff.randomness import generator
from fsdiff.streams import Stream

LATE = 0.1
"""Where t is small enough for what the theory says of it."""


@dataclass(frozen=True, kw_only=True)
class StepDrift(Analysis):
    """g²|S| Δt in each step, for grids of times that are spaced in different ways.

    Off the support the drift is of the size 1/t at a fixed point, and the exponential grid is the
    one whose largest step, of the size Δt/t, is least (Lu, Wang & Bal, arXiv 2301.07882, eqs. (40)
    and (41)). States are not at fixed points: those of the law of X_t are at a distance like √t
    from the support, where the drift is of the size 1/√t, and a grid that is uniform in √t has the
    least. Both are measured, for all steps and for those that start where r² is below ``LATE``,
    relative to what the exponential grid has.
    """

    numbers: ClassVar[tuple[str, ...]] = ("largest", "relative", "unevenness")

    law: ManifoldLaw
    point: tuple[float, ...] = (1.0, -0.1)
    process: GaussianPath = field(default_factory=OrnsteinUhlenbeck)
    steps: Steps = 200
    samples: PositiveInt = 1000
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    kind: Literal["step_drift"] = "step_drift"

    def check(self) -> Iterator[Problem]:
        """Refuse a point of another dimension than the law, and grids without late steps."""
        yield from constant_noise(self.process)
        yield from wrong_point(self.point, self.law.coordinates)
        if not self._late(self._grids()).any(1).all():
            yield (
                ("steps",),
                f"on a grid of times no step starts where r² <= {LATE:g}; use more steps, or a "
                "process with less noise at its smallest time",
            )

    def run(self) -> xr.Dataset:
        """``drift`` (seed, where, spacing, step) and its ``largest`` (…, part)."""
        spacings, grids = get_args(Spacing), self._grids()
        drift = torch.stack(
            [torch.stack([self._drift(t, seed) for t in grids], dim=1) for seed in self.seeds]
        )
        late = self._late(grids)
        of_late = torch.where(late, drift, -torch.inf)
        largest = torch.stack([drift.amax(3), of_late.amax(3)], dim=3)
        relative = largest / largest[:, :, spacings.index("exponential"), None]
        uneven = of_late.amax(3) / torch.where(late, drift, torch.inf).amin(3)
        by_grid = ("seed", "where", "spacing")
        return results(
            {
                "drift": ((*by_grid, "step"), drift, "mean drift of a step"),
                "step_time": (("spacing", "step"), grids[:, :-1], "time at the start of the step"),
                "largest": ((*by_grid, "part"), largest, "largest drift of a step"),
                "relative": ((*by_grid, "part"), relative, "over that of exponential times"),
                "unevenness": (by_grid, uneven, "largest over least drift of late steps"),
            },
            {
                "where": ("where", ["point", "states"], "where the drift is"),
                "spacing": ("spacing", list(spacings), "what times are equidistant in"),
                "part": ("part", ["all", "late"], "which steps"),
                "seed": ("seed", list(self.seeds), "seed"),
            },
        )

    def _grids(self) -> Tensor:
        """The times of each spacing, (spacing, time)."""
        return torch.stack([time_grid(self.process, self.steps, s) for s in get_args(Spacing)])

    def _late(self, grids: Tensor) -> Tensor:
        """Which steps start where there is little noise."""
        return self.process.noise_variance(grids[:, :-1], torch.zeros(())) <= LATE

    def _drift(self, times: Tensor, seed: int) -> Tensor:
        """g²|S| Δt at the point and averaged over states, (where, step)."""
        exact = self.law.exact(self.process)
        random = generator(seed, Stream.DRIFT)
        data = self.law.sample(random, self.samples)[..., None]
        noise = torch.from_numpy(random.standard_normal(data.shape))
        fixed = torch.tensor(self.point, dtype=torch.float64).view(1, -1, 1)
        drift = []
        for t, length in zip(times[:-1], times[:-1] - times[1:], strict=True):
            marginal = exact.law.marginal(t.view(1), 1)
            states = marginal.mean_scale * data + marginal.noise_scale * noise
            score = exact.estimate(torch.cat([fixed, states]), marginal).score.flatten(1)
            rate = self.process.diffusion(t, torch.zeros_like(t)).square()
            sizes = rate * length * score.norm(dim=1)
            drift.append(torch.stack([sizes[0], sizes[1:].mean()]))
        return torch.stack(drift, dim=1)
