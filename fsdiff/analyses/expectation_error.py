"""Networks on curves whose conditional expectation is known: how near they come to it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from fsdiff.analyses.base import Analysis, NetworkFactory, results
from fsdiff.analyses.fitting import fit, initialised
from fsdiff.blocks.explain import Location, Problem
from fsdiff.data.sources.quadratic import UNITS, Quadratic
from fsdiff.data.sources.source import Source
from fsdiff.diffusion.denoiser import Denoiser, DenoiserLike
from fsdiff.diffusion.exact import ExactDenoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.diffusion.predictions import Prediction, Wiener
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import CosineVariancePreserving
from fsdiff.diffusion.samplers.base import Run, Sampler
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.diffusion.time_sampling import TimeSampling, UniformLogSignalToNoise
from fsdiff.measures.priors.kernel import Exponential
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.metrics.parabolas import fitted
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.spectrum import MeasuredSpectrum
from fsdiff.streams import Stream

LEVELS = (-4.0, 4.0)
"""ln(m/r) of the earliest and the latest states that estimates are compared at."""


@dataclass(frozen=True, kw_only=True)
class ExpectationError(Analysis):
    """Trains a network on random parabolas and compares E[X_0 | X_t] with the exact one.

    Errors are root mean squares over states of the process, relative to that of the data, at
    ``times`` values of ln(m/r) from −4 to 4. ``sampler`` draws curves with the
    network and with the exact expectation, which says what the sampler leaves of the error.
    Training is on ``curves`` curves, one set for each of the ``seeds``.
    """

    numbers: ClassVar[tuple[str, ...]] = (
        "mean_error",
        "error",
        "positive",
        "spread",
        "amplitude",
        "residual",
    )
    shares = ("positive",)

    network: NetworkFactory
    source: Source = field(default_factory=Quadratic)
    prior: SpectralPrior = field(default_factory=lambda: Exponential(length=0.1))
    process: GaussianPath = field(default_factory=CosineVariancePreserving)
    prediction: Prediction = field(default_factory=Wiener)
    time_sampling: TimeSampling = field(default_factory=UniformLogSignalToNoise)
    sampler: Sampler = field(default_factory=lambda: DPMSolver(steps=20))
    curves: PositiveInt = 1000
    steps: PositiveInt = 2000
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 2e-3
    times: Annotated[int, Field(ge=2)] = 17
    test_fields: PositiveInt = 256
    samples: Annotated[int, Field(ge=2)] = 1000
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    kind: Literal["expectation_error"] = "expectation_error"

    def __post_init__(self) -> None:
        """Refuse other curves."""
        if not isinstance(self.source, Quadratic):
            raise ValueError("source: give quadratic, whose conditional expectation is known")

    def check(self) -> Iterator[Problem]:
        """Refuse curves whose law is not known in their basis."""
        try:
            self._source.law()
        except ValueError as error:
            yield ("source", "basis"), str(error)

    def grids(self) -> Iterator[tuple[Location, Basis, int]]:
        """The curves."""
        yield ("source", "resolution"), self._source.basis, self._source.resolution

    def run(self) -> xr.Dataset:
        """``error`` (seed, level) and moments of parabolas (seed, expectation)."""
        exact, levels = self.exact(), torch.linspace(*LEVELS, self.times, dtype=torch.float64)
        errors, moments = [], []
        for seed in self.seeds:
            denoiser = self.trained(seed).eval()
            errors.append([self.error(denoiser, exact, float(level), seed) for level in levels])
            moments.append([self._moments(each, seed) for each in (denoiser, exact)])
        rows, columns = np.array(errors), np.array(moments).transpose(2, 0, 1)
        where = ("seed", "expectation")
        return results(
            {
                "error": (("seed", "level"), rows, "relative error of the conditional expectation"),
                "mean_error": ("seed", rows.mean(1), "relative error, mean over ln(m/r)"),
                **{
                    name: (where, values, meaning)
                    for (name, meaning), values in zip(MOMENTS, columns, strict=True)
                },
            },
            {
                "seed": ("seed", list(self.seeds), "seed"),
                "level": ("level", levels, "ln(m/r)"),
                "expectation": ("expectation", ["network", "exact"], "whose expectation"),
            },
        )

    def exact(self) -> ExactDenoiser:
        """The exact conditional expectation."""
        return ExactDenoiser(self._source.law(), noise=self.prior, process=self.process)

    def trained(self, seed: int) -> Denoiser:
        """The network after training."""
        data, n = self._source.law(), self._source.resolution
        spectrum = MeasuredSpectrum(data.spectrum(n), data.basis, n)
        law = Law(basis=data.basis, noise=self.prior, process=self.process, data=spectrum)
        denoiser = Denoiser(law, initialised(self.network, 1, seed), self.prediction)
        made = self._source.generate(range(self.curves), seed)["field"]
        curves = torch.from_numpy(made.values)
        for _ in fit(
            DenoisingLoss(denoiser, self.time_sampling),
            lambda random: curves[random.integers(self.curves, size=self.batch_size)],
            steps=self.steps,
            learning_rate=self.learning_rate,
            seed=seed,
            decay=True,
        ):
            pass
        return denoiser

    @torch.no_grad()
    def error(self, denoiser: DenoiserLike, exact: ExactDenoiser, level: float, seed: int) -> float:
        """√(E‖x̂_0 − E[X_0 | X_t]‖²/E‖X_0‖²) where ln(m/r) is ``level``."""
        random = generator(seed, Stream.EXPECTATION, round(1000 * (level - LEVELS[0])))
        n, basis = self._source.resolution, exact.law.basis
        t = self.process.time_of(torch.tensor([level], dtype=torch.float64))
        marginal = exact.law.marginal(t, n)
        data = exact.data.sample(random, self.test_fields, n)
        white = basis.white_noise(random.standard_normal((self.test_fields, 1, basis.size(n))), n)
        noise = basis.inverse(white * exact.law.noise_spectrum(n).sqrt(), n)
        x = marginal.apply(marginal.mean_scale, data) + marginal.apply(marginal.noise_scale, noise)
        true, found = exact(x, t).data, denoiser(x.float(), t.float()).data.double()
        return math.sqrt(float((found - true).square().mean() / data.square().mean()))

    @torch.no_grad()
    def _moments(self, denoiser: DenoiserLike, seed: int) -> tuple[float, ...]:
        """Those of curves that are drawn, as parabolas."""
        n = self._source.resolution
        run = Run(denoiser, n, seed, torch.float32, torch.device("cpu"))
        (state,) = self.sampler.draw(run, [tuple(range(self.samples))])
        (nodes,), (axis,) = denoiser.law.basis.axis_nodes(n), denoiser.law.basis.axes
        places = torch.as_tensor(nodes) / axis.side
        a, shift, rest = fitted(places, state.fields[:, 0], *UNITS)
        moments = (a > 0).double().mean(), shift.std(), a.abs().std(), rest.square().mean().sqrt()
        return tuple(map(float, moments))

    @property
    def _source(self) -> Quadratic:
        assert isinstance(self.source, Quadratic)
        return self.source


MOMENTS = (
    ("positive", "share of a > 0"),
    ("spread", "standard deviation of ε"),
    ("amplitude", "standard deviation of |a|"),
    ("residual", "rms of what is no parabola"),
)
"""Moments of parabolas, and what they are."""
