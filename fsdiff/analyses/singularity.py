"""What a network would have to represent near t = 0 when the data have no density."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from fsdiff.analyses.base import Analysis, results, wrong_point
from fsdiff.analyses.modes import constant_noise
from fsdiff.blocks.explain import Problem
from fsdiff.diffusion.denoiser import Estimate
from fsdiff.diffusion.exact import ExactDenoiser
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.diffusion.samplers.times import time_grid
from fsdiff.measures.manifolds import ManifoldLaw
from fsdiff.randomness import generator
from fsdiff.streams import Stream

EARLY = 0.05
"""Noise r below which exponents are fitted: t = 0.0025 in an Ornstein–Uhlenbeck process."""


@dataclass(frozen=True, kw_only=True)
class Singularity(Analysis):
    """Exact score, noise and data estimates as t → 0, at a point and on average.

    At a point x at distance δ > 0 from the support the score grows like δ/r², the estimate of the
    noise like δ/r, and that of the data stays bounded (Lu, Wang & Bal, arXiv 2301.07882, Theorem
    3.5, where r² is t to first order): −r² S tends to x − P x, the vector from the nearest point.
    ``exponents`` are in powers of r, so that all processes have the same. Where two points are
    nearest, which the theorem excludes, it tends to another vector, whose length over δ is the
    ``constant``. The least loss of a data prediction, E‖X_0 − E[X_0|X_t]‖², says which weight keeps
    it of one size at all times; theirs is m²/r² = 1/(eᵗ − 1) (Remark 3.9, Figure 8). Times it, it
    tends to the dimension of the support.
    """

    numbers: ClassVar[tuple[str, ...]] = ("exponent", "constant", "misdirected", "local_dimension")
    of_functions = True

    law: ManifoldLaw
    point: tuple[float, ...] = (1.0, -0.1)
    process: GaussianPath = field(default_factory=OrnsteinUhlenbeck)
    times: Annotated[int, Field(ge=3)] = 41
    samples: PositiveInt = 2000
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    kind: Literal["singularity"] = "singularity"

    def check(self) -> Iterator[Problem]:
        """Refuse a point of another dimension than the law, and noise that does not vanish."""
        yield from constant_noise(self.process)
        yield from wrong_point(self.point, self.law.coordinates)

    def run(self) -> xr.Dataset:
        """``size`` (quantity, time) at the point; ``least_loss`` (seed, time)."""
        exact = self.law.exact(self.process)
        t = time_grid(self.process, self.times, "exponential")
        shape = exact.data.means.shape[1:]
        x = torch.tensor(self.point, dtype=torch.float64).view(1, *shape)
        estimate = exact(x.expand(len(t), *shape), t)
        sizes = torch.stack([_norm(u) for u in (estimate.score, estimate.noise, estimate.data)])
        zero = torch.zeros((), dtype=torch.float64)
        weight = (2 * self.process.log_ratio(t, zero)).exp()
        loss = torch.stack([self._least_loss(exact, t, seed) for seed in self.seeds])
        noise = self.process.noise_scale(t, zero)
        early = noise <= max(EARLY, float(noise[-3]))
        slopes = [_slope(noise[early], size[early]) for size in sizes]
        vector, limit = self._limit(x, estimate)
        return results(
            {
                "size": (("quantity", "time"), sizes, "norm of the exact estimate"),
                "exponent": ("quantity", slopes, "power of r with which the estimate grows"),
                "distance": ((), float(_norm(vector)), "distance of the point from the support"),
                "constant": ((), float(_norm(limit) / _norm(vector)), "r²|S| over the distance"),
                "misdirected": (
                    (),
                    float(_norm(limit - vector) / _norm(vector)),
                    "|−r² S − (x − P x)| over the distance",
                ),
                "least_loss": (("seed", "time"), loss, "E‖X_0 − E[X_0|X_t]‖²"),
                "weight": ("time", weight, "m²/r²"),
                "local_dimension": ("seed", (weight * loss)[:, early].mean(1), "m²/r² times it"),
            },
            {
                "quantity": ("quantity", ["score", "noise", "data"], "what is estimated"),
                "time": ("time", t, "time"),
                "seed": ("seed", list(self.seeds), "seed"),
            },
        )

    def _limit(self, x: Tensor, estimate: Estimate) -> tuple[Tensor, Tensor]:
        """x − P x, and −r² S at the last time."""
        near = self.law.nearest(x.flatten(1)).view_as(x)
        marginal = estimate.marginal
        score = marginal.apply(marginal.noise_scale.square(), estimate.score)
        return x - near, -score[-1:]

    def _least_loss(self, exact: ExactDenoiser, times: Tensor, seed: int) -> Tensor:
        """Mean square of the error of the best estimate of X_0, at each time."""
        random = generator(seed, Stream.SINGULARITY)
        data = self.law.sample(random, self.samples).view(-1, *exact.data.means.shape[1:])
        noise = exact.law.colour(torch.from_numpy(random.standard_normal(data.shape)))
        losses = []
        for t in times:
            marginal = exact.law.marginal(t.view(1), exact.law.basis.resolution(data))
            x = marginal.apply(marginal.mean_scale, data)
            x = x + marginal.apply(marginal.noise_scale, noise)
            error = exact.estimate(x, marginal).data - data
            losses.append(_norm(error).square().mean())
        return torch.stack(losses)


def _norm(u: Tensor) -> Tensor:
    """Norms of fields (batch, channel, node): Σ over channels of means over nodes."""
    return u.square().mean(2).sum(1).sqrt()


def _slope(x: Tensor, y: Tensor) -> float:
    """The power of x that y grows with, by least squares of logarithms; 0 where y vanishes."""
    if float(y.min()) <= 0:
        return 0.0
    a, b = x.log() - x.log().mean(), y.log() - y.log().mean()
    return float((a * b).sum() / a.square().sum())
