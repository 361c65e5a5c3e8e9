"""Data with a density, as narrow as one likes: a law on a manifold, blurred."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
import xarray as xr
from pydantic import Field, PositiveFloat, PositiveInt

from fsdiff.analyses.base import Analysis, results, wrong_point
from fsdiff.blocks.explain import Problem
from fsdiff.diffusion.exact import STANDARD_NORMAL, ExactDenoiser
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.diffusion.samplers.times import time_grid
from fsdiff.measures.manifolds import ManifoldLaw, blurred


@dataclass(frozen=True, kw_only=True)
class Blur(Analysis):
    """The exact score as t → 0, at a point, of a law that was blurred by N(0, s²).

    It is bounded by (x − E[Y|X_0 = x])/s², which it tends to (Lu, Wang & Bal, arXiv 2301.07882,
    Theorem 3.7), and which grows like δ/s² as the ``deviations`` s fall: the singularity of the law
    itself is what is left of the bound.
    """

    numbers: ClassVar[tuple[str, ...]] = ("relative", "growth")

    law: ManifoldLaw
    deviations: Annotated[tuple[PositiveFloat, ...], Field(min_length=2)] = (0.3, 0.1, 0.03)
    point: tuple[float, ...] = (1.0, -0.1)
    process: GaussianPath = field(default_factory=OrnsteinUhlenbeck)
    times: PositiveInt = 41
    kind: Literal["blur"] = "blur"

    def check(self) -> Iterator[Problem]:
        """Refuse a point of another dimension than the law."""
        yield from wrong_point(self.point, self.law.coordinates)

    def run(self) -> xr.Dataset:
        """``size`` (deviation, time) of the score, its ``limit`` (deviation) and the growth."""
        law = self.law.mixture()
        t = time_grid(self.process, self.times, "exponential")
        x = torch.tensor(self.point, dtype=torch.float64).view(1, -1, 1)
        sizes, limits = [], []
        for s in self.deviations:
            wide = ExactDenoiser(blurred(law, s), noise=STANDARD_NORMAL, process=self.process)
            sizes.append(wide(x.expand(len(t), -1, 1), t).score.flatten(1).norm(dim=1))
            limits.append(float((x - self._centre(x, s)).norm()) / s**2)
        size = torch.stack(sizes)
        limit = torch.tensor(limits, dtype=torch.float64)
        away = float((x.flatten(1) - self.law.nearest(x.flatten(1))).norm())
        scaled = limit * torch.tensor(self.deviations).double().square() / away
        where = ("deviation", "time")
        return results(
            {
                "size": (where, size, "norm of the exact score"),
                "limit": ("deviation", limit, "|x − E[Y|X_0 = x]|/s²"),
                "relative": ("deviation", size[:, -1] / limit, "score at the last time over it"),
                "growth": ("deviation", scaled, "the limit times s² over the distance"),
            },
            {
                "deviation": ("deviation", list(self.deviations), "deviation of the blur"),
                "time": ("time", t, "time"),
            },
        )

    def _centre(self, x: torch.Tensor, deviation: float) -> torch.Tensor:
        """E[Y | Y + s Z = x]: the expectation that a process with m = 1, r = s asks for.

        An Ornstein–Uhlenbeck process is one, at the time with r/m = s and the state m x.
        """
        t = torch.tensor([1 + deviation**2], dtype=torch.float64).log()
        exact = self.law.exact(OrnsteinUhlenbeck(smallest_time=1e-12))
        return exact((-t / 2).exp() * x, t).data
