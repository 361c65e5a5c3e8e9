"""What a network learns of data without a density, by what it is asked to predict."""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
import xarray as xr
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.analyses.base import Analysis, NetworkFactory, results
from fsdiff.analyses.fitting import fit, initialised
from fsdiff.analyses.runs import Recorder, ensemble
from fsdiff.diffusion.denoiser import Denoiser, DenoiserLike, Estimate
from fsdiff.diffusion.exact import POINTS, STANDARD_NORMAL, ExactDenoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.diffusion.predictions import Data, Prediction
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.euler_maruyama import EulerMaruyama
from fsdiff.diffusion.samplers.times import time_grid
from fsdiff.diffusion.time_sampling import TimeSampling, Uniform
from fsdiff.measures.planar import PlanarLaw
from fsdiff.randomness import generator
from fsdiff.spaces.spectrum import MeasuredSpectrum
from fsdiff.streams import Stream

COMPARED = 1000
"""How many samples are kept, and compared with as many points of the law."""


@dataclass(frozen=True, kw_only=True)
class Parameterisation(Analysis):
    """Trains a network on points of the plane and compares it with the exact expectations.

    Whatever is predicted, the loss is ‖x̂_0 − X_0‖² with the weight m²/r² raised to
    ``weight_power``: with 1 it is the usual loss of score and noise, and that of Lu, Wang & Bal
    (arXiv 2301.07882, eq. (34), Remark 3.9) for data. So predictions differ by what the network has
    to represent alone. m²/r² is clamped at ``largest_weight``, by default what it is at t = 0.01
    in an Ornstein–Uhlenbeck process, where the published training starts: the few earlier times
    would otherwise decide every step that holds one. Samples are recorded before the last estimate
    of the data, which hides how far they are from the support, and after it.
    """

    law: PlanarLaw
    network: NetworkFactory
    prediction: Prediction = field(default_factory=lambda: Data(largest_weight=1e6))
    weight_power: NonNegativeFloat = 1.0
    largest_weight: PositiveFloat = 100.0
    process: GaussianPath = field(default_factory=OrnsteinUhlenbeck)
    time_sampling: TimeSampling = field(default_factory=Uniform)
    sampler: Sampler = field(default_factory=lambda: EulerMaruyama(spacing="exponential"))
    point: tuple[float, float] = (1.0, -0.1)
    steps: PositiveInt = 2000
    batch_size: PositiveInt = 1000
    learning_rate: PositiveFloat = 1e-3
    samples: PositiveInt = 10000
    times: PositiveInt = 31
    seed: NonNegativeInt = 0
    kind: Literal["parameterisation"] = "parameterisation"

    def run(self) -> xr.Dataset:
        """Samples; errors (quantity, time); estimates and exact ones (quantity, time, axis)."""
        denoiser = self.trained()
        t = time_grid(self.process, self.times, "exponential")
        learned, known = self._at_point(denoiser, t), self._at_point(self._exact(), t)
        errors = torch.stack([self.errors(denoiser, time) for time in t], dim=1)
        recorder = Recorder(denoiser.eval())
        samples = ensemble(self.sampler, recorder, self.samples, self.seed, torch.float32)
        states = recorder.states[-1][1][..., 0]
        where, near = ("quantity", "time", "axis"), ("sample", "axis")
        return results(
            {
                "state": (near, states[:COMPARED], "samples before the last estimate"),
                "sample": (near, samples[:COMPARED], "samples"),
                "data": (("point", "axis"), self._points(COMPARED, 0), "points of the law"),
                "distance": ((), self._distance(states), "mean distance of states to the support"),
                "wasserstein": ((), self._wasserstein(states, 0), "W₂ of states to points"),
                "floor": ((), self._wasserstein(self._points(COMPARED, 1), 0), "that of points"),
                "error": (("quantity", "time"), errors, "mean square error"),
                "learned": (where, learned, "estimates at the point"),
                "exact": (where, known, "exact expectations at the point"),
            },
            {
                "quantity": ("quantity", ["score", "noise", "data"], "what is estimated"),
                "time": ("time", t, "time"),
                "axis": ("axis", ["x", "y"], "axis"),
            },
        ).assign_attrs(parameters=sum(p.numel() for p in denoiser.parameters()))

    def trained(self) -> Denoiser:
        """The network after training."""
        law = self.law.mixture()
        network = initialised(self.network, law.channels, self.seed)
        known = Law(
            basis=POINTS,
            noise=STANDARD_NORMAL,
            process=self.process,
            data=MeasuredSpectrum(law.spectrum(1), POINTS, 1),
        )
        denoiser = Denoiser(known, network, self.prediction)
        for _ in fit(
            DenoisingLoss(denoiser, self.time_sampling),
            lambda random: law.sample(random, self.batch_size, 1).float(),
            steps=self.steps,
            learning_rate=self.learning_rate,
            seed=self.seed,
            weight=self.further_weight,
        ):
            pass
        return denoiser

    def _exact(self) -> ExactDenoiser:
        return ExactDenoiser(self.law.mixture(), noise=STANDARD_NORMAL, process=self.process)

    def further_weight(self, t: Tensor) -> Tensor:
        """The weight over m²/r², which the loss of the predictions has already."""
        ratio = 2 * self.process.half_log_signal_to_noise(t)
        clamped = ratio.clamp_max(math.log(self.largest_weight))
        return (self.weight_power * clamped - ratio).exp()

    @torch.no_grad()
    def _at_point(self, denoiser: DenoiserLike, t: Tensor) -> Tensor:
        """Estimates at the point, (quantity, time, axis)."""
        x = torch.tensor(self.point)[:, None].expand(len(t), 2, 1)
        return _estimates(denoiser(x, t.float()))

    @torch.no_grad()
    def errors(self, denoiser: DenoiserLike, t: Tensor) -> Tensor:
        """Mean square errors over the law of X_t, (quantity,)."""
        exact = self._exact()
        data = self._points(COMPARED, 0)[..., None].float()
        marginal = exact.law.marginal(t.view(1).float(), 1)
        noise = torch.from_numpy(
            generator(self.seed, Stream.PARAMETERISATION, 2).standard_normal(data.shape)
        )
        x = marginal.mean_scale * data + marginal.noise_scale * noise.float()
        time = t.view(1).float()
        missed = _estimates(denoiser(x, time)) - _estimates(exact(x, time))
        return missed.square().sum(2).mean(1)

    def _points(self, count: int, stream: int) -> Tensor:
        """Independent points of the law, (count, axis)."""
        random = generator(self.seed, Stream.PARAMETERISATION, stream)
        return self.law.mixture().sample(random, count, 1)[..., 0]

    def _distance(self, points: Tensor) -> float:
        """Mean distance to the support, which is that to the best estimate at the last time."""
        x, t = points.double()[..., None], torch.tensor([self.process.smallest_time]).double()
        return float((self._exact()(x, t).data - x).norm(dim=1).mean())

    def _wasserstein(self, points: Tensor, stream: int) -> float:
        """W₂ between as many points and points of the law."""
        from ot import emd2  # a second that only those pay who need it

        ours = points[:COMPARED].double()
        theirs = self._points(len(ours), stream)
        cost = torch.cdist(ours, theirs).square()
        return float(emd2([], [], cost.numpy())) ** 0.5


def _estimates(estimate: Estimate) -> Tensor:
    """Score, noise and data of points, (quantity, batch, axis)."""
    return torch.stack([estimate.score, estimate.noise, estimate.data])[..., 0]
