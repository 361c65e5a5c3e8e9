"""How well a network learns a score that is known, on the grid it is trained on and a finer one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.analyses.base import Analysis, NetworkFactory, results
from fsdiff.analyses.fitting import fit, initialised
from fsdiff.analyses.modes import constant_noise
from fsdiff.blocks.explain import Problem
from fsdiff.diffusion.denoiser import Denoiser, DenoiserLike
from fsdiff.diffusion.exact import ExactDenoiser, mixture
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.diffusion.predictions import Prediction, Score
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.time_sampling import TimeSampling, Uniform
from fsdiff.measures.mixtures import GaussianMixture
from fsdiff.measures.priors.convolution import Combined, ConvolutionPrior
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.randomness import generator
from fsdiff.spaces.bases import Basis, FourierBasis, Nodes
from fsdiff.spaces.downsampling import Downsampling, Fourier
from fsdiff.spaces.spectrum import MeasuredSpectrum
from fsdiff.streams import Stream

NO_CONVOLUTION = (
    "the data are made with the symbol of a convolution; use combined, fno, laplacian, bessel or "
    "standard"
)


@dataclass(frozen=True, kw_only=True)
class ScoreError(Analysis):
    """Score error over training on a mixture of two Gaussians N(μ_i, Q) of functions.

    μ_1 = K x and μ_2 = K(1 − y), with K the convolution of the prior, so K K* ∝ Q (Hagemann et al.,
    arXiv 2303.04772, §5.1). Fields are drawn on ``data_resolution`` nodes, taken to
    ``training_resolution`` and multiplied by ``scale`` there. A scale of 1/2 for a grid half as
    fine is what averaging of arrays in Euclidean coordinates does, their baseline.

    Errors are E g²‖S_θ − S‖² over uniform times, in the norm of functions, relative to E g²‖S‖².
    The exact score is that of the law that is restricted to the grid. Every seed has weights,
    training data and test fields of its own.
    """

    numbers: ClassVar[tuple[str, ...]] = ("last", "least", "first")
    levelled: ClassVar[tuple[str, ...]] = ("training_resolution", "resolutions")

    network: NetworkFactory
    basis: Basis = field(default_factory=FourierBasis)
    prior: SpectralPrior = field(default_factory=lambda: Combined(modes=(14, 7), normalize=False))
    process: GaussianPath = field(default_factory=VariancePreserving)
    prediction: Prediction = field(default_factory=Score)
    time_sampling: TimeSampling = field(default_factory=Uniform)
    downsampling: Downsampling = field(default_factory=Fourier)
    scale: PositiveFloat = 1.0
    data_resolution: Nodes = 64
    training_resolution: Nodes = 32
    resolutions: Annotated[tuple[Nodes, ...], Field(min_length=1)] = (32, 64)
    steps: PositiveInt = 3000
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 6e-4
    measure_every: PositiveInt = 100
    test_fields: PositiveInt = 128
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    kind: Literal["score_error"] = "score_error"

    def check(self) -> Iterator[Problem]:
        """Refuse what the data are not made of, and a process whose g, their weight, is zero."""
        yield from constant_noise(self.process)
        if not isinstance(self.prior, ConvolutionPrior):
            yield ("prior",), NO_CONVOLUTION
        n = self.data_resolution
        if len(self.basis.axes) != 2 or self.basis.grid(n) != (n, n):
            yield ("basis",), "the data are functions on a square: use one of dimension: 2"
            return
        if self.training_resolution > n:
            yield ("training_resolution",), f"the data are coarser; use training_resolution <= {n}"
            return
        try:
            self.downsampling.check(n, self.training_resolution, self.basis)
            self.downsampling.check_fields(1, transformed=False)
        except ValueError as error:
            yield ("downsampling",), f"from data_resolution to training_resolution: {error}"

    def run(self) -> xr.Dataset:
        """``error`` (seed, step, resolution), and the ``first``, ``least`` and ``last`` of steps.

        All are relative to ``size`` (seed, resolution), the mean square of the score.
        """
        errors, sizes = zip(*(self.errors(seed) for seed in self.seeds), strict=True)
        error, each = np.array(errors), ("seed", "resolution")
        return results(
            {
                "error": (("seed", "step", "resolution"), error, "relative score error"),
                "first": (each, error[:, 0], "relative score error before training"),
                "least": (each, error.min(1), "least relative score error during training"),
                "last": (each, error[:, -1], "relative score error at the end"),
                "size": (each, np.array(sizes), "mean square of g S"),
            },
            {
                "seed": ("seed", list(self.seeds), "seed"),
                "step": ("step", list(self.measured), "optimiser steps"),
                "resolution": ("resolution", list(self.resolutions), "nodes per axis"),
            },
        ).assign_attrs(training_resolution=self.training_resolution)

    @property
    def measured(self) -> tuple[int, ...]:
        """The steps after which errors are measured: multiples, and the last one."""
        return (*range(0, self.steps, self.measure_every), self.steps)

    def errors(self, seed: int) -> tuple[list[list[float]], list[float]]:
        """Errors (step, resolution) of a network that is trained with a seed, and sizes."""
        law, denoiser, errors, measured = self.law(), self.denoiser(seed), [], self.measured
        tests = [self.test(law, n, seed) for n in self.resolutions]
        for step in fit(
            DenoisingLoss(denoiser, self.time_sampling),
            lambda random: self.training_fields(law, random),
            steps=self.steps,
            learning_rate=self.learning_rate,
            seed=seed,
        ):
            if step in measured:
                errors.append([test.error(denoiser) for test in tests])
        return errors, [float(test.target.square().mean()) for test in tests]

    @property
    def _convolution(self) -> ConvolutionPrior:
        """The prior, which must be one by convolution."""
        if not isinstance(self.prior, ConvolutionPrior):
            raise ValueError(f"prior.kind = {self.prior.kind}: {NO_CONVOLUTION}")
        return self.prior

    def law(self) -> GaussianMixture:
        """The data."""
        basis, n = self.basis, self.data_resolution
        y, x = (torch.from_numpy(nodes) for nodes in basis.axis_nodes(n))
        ramps = torch.stack([x.expand(n, n), (1 - y)[:, None].expand(n, n)])[:, None]
        means = basis.multiply(ramps, self._convolution.multiplier(basis, n))
        return mixture(basis, means, lambda n: self.prior.eigenvalues(basis, n)[None])

    def denoiser(self, seed: int) -> Denoiser:
        """The network to be trained, with its first weights."""
        spectrum = self.law().spectrum(self.data_resolution)
        law = Law(
            basis=self.basis,
            noise=self.prior,
            process=self.process,
            data=MeasuredSpectrum(spectrum, self.basis, self.data_resolution),
        )
        return Denoiser(law, initialised(self.network, 1, seed), self.prediction)

    def training_fields(self, law: GaussianMixture, random: np.random.Generator) -> Tensor:
        """A batch of fields as the network is shown them."""
        fields = law.sample(random, self.batch_size, self.data_resolution)
        coarse = self.downsampling(fields, self.training_resolution, self.basis)
        return (self.scale * coarse).float()

    def test(self, law: GaussianMixture, n: int, seed: int) -> "_Test":
        """States of the process on n nodes, restrictions of the same functions for all n."""
        exact = ExactDenoiser(law, noise=self.prior, process=self.process)
        random = generator(seed, Stream.SCORE_ERROR)
        fields = law.sample(random, self.test_fields, self.data_resolution)
        centred = mixture(self.basis, 0 * law.means[:1], law.covariance)
        noise = centred.sample(random, self.test_fields, self.data_resolution)
        part = (torch.arange(self.test_fields, dtype=torch.float64) + 0.5) / self.test_fields
        t = Uniform().quantiles(exact.law.marginal(part[:1], n))(part)
        return _Test.of(exact, self.basis.resample(fields, n), self.basis.resample(noise, n), t)


@dataclass(frozen=True)
class _Test:
    """States X_t with g S, the diffusion times the exact score, (batch, 1, *grid)."""

    x: Tensor
    t: Tensor
    diffusion: Tensor
    target: Tensor

    @classmethod
    def of(cls, exact: ExactDenoiser, data: Tensor, noise: Tensor, t: Tensor) -> "_Test":
        """From data and noise on one grid, at times t (batch,)."""
        marginal = exact.law.marginal(t, exact.law.basis.resolution(data))
        x = marginal.apply(marginal.mean_scale, data) + marginal.apply(marginal.noise_scale, noise)
        diffusion = marginal.process.diffusion(marginal.time, torch.zeros((), dtype=torch.float64))
        return cls(x, t, diffusion, diffusion * exact(x, t).score)

    @torch.no_grad()
    def error(self, denoiser: DenoiserLike) -> float:
        """E g²‖S_θ − S‖²/E g²‖S‖²."""
        parts = zip(self.x.float().split(16), self.t.float().split(16), strict=True)
        scores = [denoiser(x, t).score for x, t in parts]
        missed = self.diffusion * torch.cat(scores).double() - self.target
        return float(missed.square().mean() / self.target.square().mean())
