"""One reverse step, as an Euler step of the stochastic equation and as DDPM writes it."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from fsdiff.analyses.base import Analysis, results
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.measures.manifolds import ManifoldLaw
from fsdiff.randomness import generator
from fsdiff.streams import Stream


@dataclass(frozen=True, kw_only=True)
class Discretisation(Analysis):
    """How far the step of DDPM is from an Euler step, as both become shorter.

    With α = e^{−h} the Euler step is x + h (x/2 + S), with noise of variance h, and that of DDPM
    (x − (1 − α) η̂/r)/√α, with noise of variance 1 − α (Lu, Wang & Bal, arXiv 2301.07882, Remark
    3.3): means and variances differ by O(h²), and 1 − α is h up to that.
    """

    numbers: ClassVar[tuple[str, ...]] = ("order",)

    law: ManifoldLaw
    time: PositiveFloat = 1.0
    steps: Annotated[tuple[PositiveFloat, ...], Field(min_length=2)] = (0.1, 0.05, 0.025, 0.0125)
    samples: PositiveInt = 1000
    seed: NonNegativeInt = 0
    kind: Literal["discretisation"] = "discretisation"

    def run(self) -> xr.Dataset:
        """``difference`` (quantity, step) and its ``order`` (quantity)."""
        exact = self.law.exact(OrnsteinUhlenbeck())
        random = generator(self.seed, Stream.DRIFT, 1)
        data = self.law.sample(random, self.samples)[..., None]
        marginal = exact.law.marginal(torch.tensor([self.time], dtype=torch.float64), 1)
        noise = torch.from_numpy(random.standard_normal(data.shape))
        x = marginal.mean_scale * data + marginal.noise_scale * noise
        estimate = exact.estimate(x, marginal)
        means, variances = [], []
        for h in self.steps:
            left = -math.expm1(-h)
            euler = x + h * (x / 2 + estimate.score)
            ddpm = (x - left * estimate.noise / marginal.noise_scale) * math.exp(h / 2)
            means.append(float((euler - ddpm).flatten(1).norm(dim=1).mean()))
            variances.append(h - left)
        found = torch.tensor([means, variances], dtype=torch.float64)
        lengths = torch.tensor(self.steps, dtype=torch.float64).log()
        slopes = (found[:, -1] / found[:, 0]).log() / (lengths[-1] - lengths[0])
        return results(
            {
                "difference": (("quantity", "step"), found, "difference of the two steps"),
                "order": ("quantity", slopes, "power of the length with which it falls"),
            },
            {
                "quantity": ("quantity", ["mean", "variance"], "of the next state"),
                "step": ("step", list(self.steps), "length h of the step"),
            },
        )
