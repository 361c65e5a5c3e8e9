"""Regression with Gaussian processes: posteriors from kernels, at context and target points.

The laws are those of Dutordoir et al. (Neural diffusion processes): functions on [−2, 2], here of
unit length, with kernels of length ¼, seen with noise of deviation 0.05 at up to ten places.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
import torch

import fsdiff as fs
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.exact import ExactDenoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.predictions import Data
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import DPMSolver
from fsdiff.inverse.conditions.kriging import Kriging
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.points import Points
from fsdiff.inverse.recursion import Normal, law_of_samples
from fsdiff.measures.mixtures import GaussianMixture
from fsdiff.measures.priors.kernel import RBF, Matern
from fsdiff.spaces.gram import GramBasis

TARGETS, NOISE = 50, 0.05
KERNELS = {
    "squared_exponential": RBF(length=0.0625),
    "matern": Matern(smoothness=2.5, length=0.0625),
}


@dataclass(frozen=True)
class Regression:
    """Values of a Gaussian process at context and target points, some of the former observed."""

    kernel: RBF | Matern
    places: np.ndarray
    seen: np.ndarray
    y: torch.Tensor

    @classmethod
    def of(cls, kernel, context, seed=0):
        """A draw of the process, seen with noise."""
        random = np.random.default_rng(seed)
        places = np.sort(random.random(context + TARGETS))
        seen = np.sort(random.permutation(len(places))[:context])
        found = cls(kernel, places, seen, torch.zeros(context))
        values, vectors = np.linalg.eigh(found.covariance)
        u = vectors @ (values.clip(0) ** 0.5 * random.standard_normal(len(places)))
        y = torch.from_numpy(u[seen] + NOISE * random.standard_normal(context))
        return cls(kernel, places, seen, y)

    @property
    def n(self):
        return len(self.places)

    @cached_property
    def covariance(self):
        distances = np.abs(self.places[:, None] - self.places)
        return self.kernel.correlation(torch.from_numpy(distances)).numpy()

    @property
    def basis(self):
        return GramBasis(points=tuple(self.places), covariance=self.kernel)

    @property
    def context(self):
        return Points(points=[(x,) for x in self.places[self.seen]], noise=NOISE)

    @property
    def data(self):
        return GaussianMixture(
            self.basis,
            torch.zeros(1, 1, self.n).double(),
            lambda n: self.kernel.eigenvalues(self.basis, n)[None],
            torch.ones(1).double(),
        )

    @property
    def law(self):
        return Law(
            basis=self.basis, noise=self.kernel, process=VariancePreserving(), data=self.data
        )

    @cached_property
    def posterior(self):
        """That of the Gaussian process, by kernels alone."""
        bracket = self.covariance[np.ix_(self.seen, self.seen)]
        bracket = bracket + NOISE**2 * np.eye(len(self.seen))
        gain = np.linalg.solve(bracket, self.covariance[self.seen]).T
        left = self.covariance - gain @ self.covariance[self.seen]
        return Normal(torch.from_numpy(gain) @ self.y, torch.from_numpy(left))

    def check(self, found):
        """Mean and standard deviation at all points to 2 %."""
        exact = self.posterior
        assert (found.mean - exact.mean).norm() < 0.02 * exact.mean.norm()
        deviation, its = (law.covariance.diagonal().clamp_min(0).sqrt() for law in (exact, found))
        assert (its - deviation).norm() < 0.02 * deviation.norm()
        # Not met by the prior: some places are known well and others are not.
        assert deviation.max() > 0.5 > deviation.min()


@pytest.fixture(params=KERNELS.values(), ids=KERNELS)
def kernel(request):
    return request.param


@pytest.mark.parametrize("context", [2, 10])
def test_a_process_guided_by_context_points_is_the_conditional_one(kernel, context):
    regression = Regression.of(kernel, context)
    denoiser = ExactDenoiser(regression.data, noise=kernel, process=VariancePreserving())
    guided = WienerGuidance()(denoiser, regression.context, regression.y)
    regression.check(law_of_samples(DPMSolver(steps=32), guided, regression.n))


class Plain(Data):
    """The data, from fields as they are."""

    def network_input(self, x, marginal):
        return x


class ExactNetwork(torch.nn.Module):
    """E[X_0 − μ | X_t − m μ] given the data of a condition, as a network without error has it.

    It is told the places by the covariance P of X_0, and of the data's values nothing.
    """

    def __init__(self, regression):
        super().__init__()
        values, vectors = torch.linalg.eigh(torch.from_numpy(regression.covariance))
        kept = values > 1e-13 * values[-1]
        self.whiten = vectors[:, kept] / values[kept].sqrt()
        self.gain = regression.posterior.covariance @ self.whiten
        self.left = self.whiten.T @ self.gain
        self.process = regression.law.process

    def forward(self, x, noise_level, condition):
        t, one = self.process.time_of(-noise_level[:1].double()), torch.ones(1).double()
        m, r = self.process.mean_scale(t, one), self.process.noise_scale(t, one)
        variance = m**2 * self.left + r**2 * torch.eye(len(self.left))
        weights = torch.linalg.solve(variance, (x.flatten(1) @ self.whiten).T)
        return (m * self.gain @ weights).T.view_as(x)


@pytest.mark.parametrize("context", [2, 10])
def test_a_process_told_of_context_points_is_the_conditional_one(told, kernel, context):
    """The denoiser, its condition and a network without error, all as they are in training."""
    regression = Regression.of(kernel, context)
    statistics = fs.Statistics(
        mean=torch.zeros(1).double(),
        scale=torch.ones(1).double(),
        spectrum=kernel.eigenvalues(regression.basis, regression.n)[None],
        resolution=regression.n,
    )
    operator = regression.context
    known = Kriging(operator=operator).conditioning(regression.basis, statistics)
    denoiser = Denoiser(regression.law, ExactNetwork(regression), Plain(), known)
    condition = known.given(operator, regression.y, regression.n)
    regression.check(law_of_samples(DPMSolver(steps=32), told(denoiser, condition), regression.n))
