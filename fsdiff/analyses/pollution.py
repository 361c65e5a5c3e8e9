"""What a network that cannot be large makes of data without a density."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.analyses.base import Analysis, results
from fsdiff.analyses.runs import Recorder, ensemble
from fsdiff.diffusion.denoiser import DenoiserLike, Estimate
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.euler_maruyama import EulerMaruyama
from fsdiff.measures.manifolds import ManifoldLaw


@dataclass(frozen=True, kw_only=True)
class Pollution(Analysis):
    """Samples with the exact score of a law, cut off at each of the ``bounds`` on its length.

    The paper concludes from Theorem 3.7 that a network bounded by b adds independent Gaussian
    noise, of a deviation like 1/b, to data of a lower dimension (Lu, Wang & Bal, arXiv 2301.07882,
    §3.2). ``deviation`` and ``mean_distance`` of samples from the support are in units of 1/b; the
    kurtosis of a normal law is 3.
    """

    numbers: ClassVar[tuple[str, ...]] = ("deviation", "mean_distance", "kurtosis")

    law: ManifoldLaw
    bounds: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (5.0, 20.0, 80.0, 300.0)
    sampler: Sampler = field(default_factory=lambda: EulerMaruyama(spacing="exponential"))
    process: GaussianPath = field(default_factory=lambda: OrnsteinUhlenbeck(smallest_time=1e-7))
    samples: PositiveInt = 10000
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    kind: Literal["pollution"] = "pollution"

    def run(self) -> xr.Dataset:
        """Moments of the last states across the support, (seed, bound), and some (bound, axis)."""
        exact = self.law.exact(self.process)
        found, shown = [], []
        for seed in self.seeds:
            row = []
            for bound in self.bounds:
                recorder = Recorder(Bounded(exact, bound))
                ensemble(self.sampler, recorder, self.samples, seed)
                states = recorder.states[-1][1][..., 0]
                across = states - self.law.nearest(states)
                row.append(self._moments(across, bound))
                shown.append(states[:1000])
            found.append(row)
        moments = torch.tensor(found, dtype=torch.float64)
        where = ("seed", "bound")
        return results(
            {
                "deviation": (where, moments[..., 0], "deviation from the support, times b"),
                "mean_distance": (where, moments[..., 1], "mean distance from it, times b"),
                "kurtosis": (where, moments[..., 2], "kurtosis of the deviation"),
                "state": (
                    ("bound", "sample", "axis"),
                    torch.stack(shown[: len(self.bounds)]),
                    "last states",
                ),
            },
            {
                "bound": ("bound", list(self.bounds), "bound b on the length of the score"),
                "axis": ("axis", torch.arange(states.shape[1]), "coordinate"),
                "seed": ("seed", list(self.seeds), "seed"),
            },
        )

    def _moments(self, across: Tensor, bound: float) -> tuple[float, float, float]:
        """Root mean square and mean of the distance, in 1/b, and the kurtosis in one direction."""
        squared = across.square().sum(1)
        codimension = across.shape[1] - self.law.dimension
        shape = codimension * (codimension + 2) / 3  # E|Z|⁴ of a normal vector over 3 E²|Z|²
        ratio = squared.square().mean() / squared.mean().square() * codimension**2
        deviation = (squared.mean() / codimension).sqrt()
        return (
            bound * float(deviation),
            bound * float(squared.sqrt().mean()),
            float(ratio / shape),
        )


class Bounded:
    """Estimates of a denoiser with its score shortened to a bound where it is longer."""

    def __init__(self, denoiser: DenoiserLike, bound: float) -> None:
        self.denoiser, self.law, self.bound = denoiser, denoiser.law, bound

    def estimate(self, x: Tensor, marginal: Marginal, condition: Tensor | None = None) -> Estimate:
        """Noise of a bounded score, and the data that x would be made of with it."""
        score = self.denoiser.estimate(x, marginal, condition).score
        length = score.flatten(1).norm(dim=1).view(-1, *[1] * (score.ndim - 1))
        score = score * (self.bound / length.clamp_min(self.bound))
        noise = -marginal.apply(marginal.noise_scale, score)
        return Estimate(marginal.data_from_noise(x, noise), noise, marginal)

    def __call__(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Estimate:
        """The same, at times t (batch,) or (1,)."""
        return self.estimate(x, self.law.marginal(t, self.law.basis.resolution(x)), condition)
