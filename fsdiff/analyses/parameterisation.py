"""What a network learns of data without a density, by what it is asked to predict."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
import xarray as xr
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.analyses.agreement import MEANINGS, agreement
from fsdiff.analyses.base import Analysis, NetworkFactory, results, wrong_point
from fsdiff.analyses.fitting import initialised
from fsdiff.analyses.regression import Inputs, PlainDenoiser, Problem, regress
from fsdiff.analyses.runs import Recorder, called, ensemble
from fsdiff.blocks import explain
from fsdiff.diffusion.denoiser import Denoiser, DenoiserLike, Estimate
from fsdiff.diffusion.exact import POINTS, STANDARD_NORMAL
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.predictions import Data, Prediction
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.euler_maruyama import EulerMaruyama
from fsdiff.diffusion.samplers.times import time_grid
from fsdiff.diffusion.time_sampling import TimeSampling, Uniform
from fsdiff.measures.manifolds import ManifoldLaw
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.spectrum import MeasuredSpectrum
from fsdiff.streams import Stream

SHOWN = 1000
"""How many samples of the first seed are kept, and points that errors are averaged over."""


@dataclass(frozen=True, kw_only=True)
class Parameterisation(Analysis):
    """Trains a network on points of a law and compares it with the exact expectations.

    Whatever is predicted, the loss is ‖x̂_0 − X_0‖² with the weight m²/r² raised to
    ``weight_power``: with 1 it is the usual loss of score and noise, and that of Lu, Wang & Bal
    (arXiv 2301.07882, eq. (34), Remark 3.9) for data. So predictions differ by what the network has
    to represent alone. m²/r² is clamped at ``largest_weight``, by default what it is at t = 0.01
    in an Ornstein–Uhlenbeck process: the few earlier times would otherwise decide every step that
    holds one. With ``plain`` inputs the network sees x and t, as in the published code.

    One network is trained for each of the ``seeds``, and every sampler draws from each. Samples are
    compared before the last estimate of the data, which hides how far they are from the support.
    """

    numbers: ClassVar[tuple[str, ...]] = (*MEANINGS, "error", "learned")

    law: ManifoldLaw
    network: NetworkFactory
    prediction: Prediction = field(default_factory=lambda: Data(largest_weight=1e6))
    weight_power: NonNegativeFloat = 1.0
    largest_weight: PositiveFloat = 100.0
    inputs: Inputs = "normalised"
    process: GaussianPath = field(default_factory=OrnsteinUhlenbeck)
    time_sampling: TimeSampling = field(default_factory=Uniform)
    samplers: Annotated[tuple[Sampler, ...], Field(min_length=1)] = field(
        default_factory=lambda: (EulerMaruyama(spacing="exponential"),)
    )
    point: tuple[float, ...] = (1.0, -0.1)
    steps: PositiveInt = 2000
    batch_size: PositiveInt = 1000
    learning_rate: PositiveFloat = 1e-3
    samples: PositiveInt = 10000
    times: PositiveInt = 31
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    kind: Literal["parameterisation"] = "parameterisation"

    def check(self) -> Iterator[explain.Problem]:
        """Refuse a point of another dimension than the law."""
        yield from wrong_point(self.point, self.law.coordinates)

    def grids(self) -> Iterator[tuple[explain.Location, Basis, int]]:
        """Points are fields on one node."""
        yield ("law",), POINTS, 1

    def run(self) -> xr.Dataset:
        """Agreement (seed, sampler), errors (seed, quantity, time), estimates and states."""
        t = time_grid(self.process, self.times, "exponential")
        exact = self.law.exact(self.process)
        learned, errors, found = [], [], []
        shown: list[Tensor] = []
        for seed in self.seeds:
            denoiser = self.trained(seed).eval()
            learned.append(self._at_point(denoiser, t))
            errors.append(torch.stack([self.errors(denoiser, time, seed) for time in t], dim=1))
            drawn = [self._states(denoiser, sampler, seed) for sampler in self.samplers]
            found.append([agreement(self.law, states, seed) for states in drawn])
            shown = shown or [states[:SHOWN] for states in drawn]
        where = ("quantity", "time", "axis")
        return results(
            {
                "state": (("sampler", "sample", "axis"), torch.stack(shown), "last states"),
                "data": (("point", "axis"), self._points(SHOWN, 0), "points of the law"),
                "error": (
                    ("seed", "quantity", "time"),
                    torch.stack(errors),
                    "mean square error of each estimate",
                ),
                "learned": (("seed", *where), torch.stack(learned), "estimates at the point"),
                "exact": (where, self._at_point(exact, t), "exact expectations at the point"),
                **{
                    name: (("seed", "sampler"), [[a[name] for a in row] for row in found], meaning)
                    for name, meaning in MEANINGS.items()
                    if name in found[0][0]
                },
            },
            {
                "quantity": ("quantity", ["score", "noise", "data"], "what is estimated"),
                "time": ("time", t, "time"),
                "axis": ("axis", torch.arange(len(self.point)), "coordinate"),
                "seed": ("seed", list(self.seeds), "seed"),
                "sampler": ("sampler", called(self.samplers), "sampler"),
            },
        ).assign_attrs(parameters=sum(p.numel() for p in denoiser.parameters()))

    def trained(self, seed: int) -> Denoiser:
        """The network after training."""
        denoiser = self.denoiser(seed)
        regress(
            Problem(denoiser, self.time_sampling, self.weight),
            self.law.sample,
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=seed,
        )
        return denoiser

    def denoiser(self, seed: int) -> Denoiser:
        """The network before training."""
        law = self.law.mixture()
        known = Law(
            basis=POINTS,
            noise=STANDARD_NORMAL,
            process=self.process,
            data=MeasuredSpectrum(law.spectrum(1), POINTS, 1),
        )
        kind = PlainDenoiser if self.inputs == "plain" else Denoiser
        return kind(known, initialised(self.network, law.channels, seed), self.prediction)

    def weight(self, t: Tensor) -> Tensor:
        """The weight of ‖x̂_0 − X_0‖² at times t (batch,)."""
        ratio = 2 * self.process.half_log_signal_to_noise(t)
        return (self.weight_power * ratio.clamp_max(math.log(self.largest_weight))).exp()

    def _states(self, denoiser: Denoiser, sampler: Sampler, seed: int) -> Tensor:
        """Samples before the last estimate, (samples, axis)."""
        recorder = Recorder(denoiser)
        ensemble(sampler, recorder, self.samples, seed, torch.float32)
        return recorder.states[-1][1][..., 0]

    @torch.no_grad()
    def _at_point(self, denoiser: DenoiserLike, t: Tensor) -> Tensor:
        """Estimates at the point, (quantity, time, axis)."""
        x = torch.tensor(self.point)[:, None].expand(len(t), -1, 1)
        return _estimates(denoiser(x, t.float()))

    @torch.no_grad()
    def errors(self, denoiser: DenoiserLike, t: Tensor, seed: int) -> Tensor:
        """Mean square errors over the law of X_t, (quantity,)."""
        exact = self.law.exact(self.process)
        data = self._points(SHOWN, seed)[..., None].float()
        marginal = exact.law.marginal(t.view(1).float(), 1)
        noise = torch.from_numpy(
            generator(seed, Stream.PARAMETERISATION, 2).standard_normal(data.shape)
        )
        x = marginal.mean_scale * data + marginal.noise_scale * noise.float()
        time = t.view(1).float()
        missed = _estimates(denoiser(x, time)) - _estimates(exact(x, time))
        return missed.square().sum(2).mean(1)

    def _points(self, count: int, seed: int) -> Tensor:
        """Independent points of the law, (count, axis)."""
        return self.law.sample(generator(seed, Stream.PARAMETERISATION, 0), count)


def _estimates(estimate: Estimate) -> Tensor:
    """Score, noise and data of points, (quantity, batch, axis)."""
    return torch.stack([estimate.score, estimate.noise, estimate.data])[..., 0]
