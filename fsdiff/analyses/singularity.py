"""What a network would have to represent near t = 0 when the data have no density."""

from dataclasses import dataclass, field
from typing import Literal

import torch
import xarray as xr
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from fsdiff.analyses.base import Analysis, results
from fsdiff.analyses.modes import squared_scales
from fsdiff.diffusion.exact import STANDARD_NORMAL, ExactDenoiser
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.diffusion.samplers.times import time_grid
from fsdiff.measures.planar import PlanarLaw
from fsdiff.randomness import generator
from fsdiff.streams import Stream


@dataclass(frozen=True, kw_only=True)
class Singularity(Analysis):
    """Exact score, noise and data estimates as t → 0, at a point and on average.

    At a point at distance δ > 0 from the support the score grows like δ/r² = O(1/t), the estimate
    of the noise like δ/r = O(1/√t), and that of the data stays bounded (Lu, Wang & Bal, arXiv
    2301.07882, Theorem 3.5). The least loss of a data prediction, E‖X_0 − E[X_0|X_t]‖², says which
    weight keeps it of one size at all times; theirs is m²/r² = 1/(eᵗ − 1) (Remark 3.9, Figure 8).
    """

    law: PlanarLaw
    point: tuple[float, float] = (1.0, -0.1)
    process: GaussianPath = field(default_factory=OrnsteinUhlenbeck)
    times: PositiveInt = 41
    samples: PositiveInt = 2000
    seed: NonNegativeInt = 0
    kind: Literal["singularity"] = "singularity"

    def run(self) -> xr.Dataset:
        """``size`` (quantity, time) at the point; ``least_loss`` and ``weight`` (time)."""
        law = self.law.mixture()
        exact = ExactDenoiser(law, noise=STANDARD_NORMAL, process=self.process)
        t = time_grid(self.process, self.times, "exponential")
        x = torch.tensor(self.point, dtype=torch.float64)[:, None].expand(len(t), 2, 1)
        estimate = exact(x, t)
        size = torch.stack([estimate.score, estimate.noise, estimate.data]).norm(dim=2)[..., 0]
        near = exact(x[-1:], t[-1:])
        kept, spread = squared_scales(self.process, t)
        return results(
            {
                "size": (("quantity", "time"), size, "Euclidean norm of the exact estimate"),
                "distance": (
                    (),
                    float((x[-1] - near.data[0]).norm()),
                    "distance of the point from the support",
                ),
                "least_loss": ("time", self._least_loss(exact, t), "E‖X_0 − E[X_0|X_t]‖²"),
                "weight": ("time", kept / spread, "m²/r²"),
            },
            {
                "quantity": ("quantity", ["score", "noise", "data"], "what is estimated"),
                "time": ("time", t, "time"),
            },
        )

    def _least_loss(self, exact: ExactDenoiser, times: Tensor) -> Tensor:
        """Mean square of the error of the best estimate of X_0, at each time."""
        random = generator(self.seed, Stream.SINGULARITY)
        data = exact.data.sample(random, self.samples, 1)
        noise = torch.from_numpy(random.standard_normal(data.shape))
        losses = []
        for t in times:
            kept, spread = squared_scales(self.process, t)
            x = kept.sqrt() * data + spread.sqrt() * noise
            error = exact(x, t.view(1)).data - data
            losses.append(error.square().sum(1).mean())
        return torch.stack(losses)
