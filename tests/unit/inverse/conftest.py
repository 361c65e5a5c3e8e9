"""Gaussian laws of functions whose posteriors are known."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from fsdiff.diffusion.exact import ExactDenoiser, gaussian
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.inverse.recursion import Normal, posterior
from fsdiff.measures.mixtures import GaussianMixture
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.channels import ChannelBasis

BASES = {
    "interval": CosineBasis(1),
    "circle": FourierBasis(1),
    "sines": SineBasis(2),
    "torus": FourierBasis(2),
    "cube": CosineBasis(3),
    "channel_flow": Box(
        axes=(
            Axis(kind="dirichlet", name="y", nodes=6, side=0.5),
            Axis(kind="periodic", name="x", nodes=12, side=2.0),
        )
    ),
    "series": Box(
        axes=(
            Axis(kind="neumann", name="t", nodes=4, held=True, side=3.0),
            Axis(kind="periodic", name="x", nodes=12),
        )
    ),
    "pressure_and_permeability": ChannelBasis(bases=(SineBasis(2), CosineBasis(2))),
}


@dataclass(frozen=True)
class GaussianProblem:
    """Gaussian data of one channel, their exact denoiser, and posteriors in closed form."""

    data: GaussianMixture
    denoiser: ExactDenoiser

    @classmethod
    def on(cls, basis, *, power=1.5, noise=None, process=None, zero_mean=False):
        data = gaussian(basis, Bessel(power=power, zero_mean=zero_mean))
        noise = noise or Bessel(zero_mean=zero_mean)
        exact = ExactDenoiser(data, noise=noise, process=process or VariancePreserving())
        return cls(data, exact)

    @property
    def basis(self):
        return self.data.basis

    def prior(self, n):
        """N(0, C) on the nodes."""
        size = self.basis.size(n)
        units = torch.eye(size, dtype=torch.float64).view(size, *self.basis.grid(n))
        matrix = size * self.basis.multiply(units, self.data.covariance(n)[0])
        return Normal(torch.zeros(size, dtype=torch.float64), matrix.reshape(size, size))

    def matrix(self, observation, n):
        """H on nodal values."""
        size = self.basis.size(n)
        units = torch.eye(size, dtype=torch.float64).view(size, 1, *self.basis.grid(n))
        return observation.on(self.basis, 1, n).forward(units).T

    def posterior(self, observation, y, n):
        noise = observation.variances(self.basis, 1)
        return posterior(self.prior(n), self.matrix(observation, n), noise, y)

    def data_of_a_draw(self, observation, n=32, seed=3):
        """y of a function drawn at level n."""
        u = self.data.sample(np.random.default_rng(seed), 1, n)
        return observation.draw(u, self.basis, seed, [0])[0]


@dataclass(frozen=True)
class Told:
    """A denoiser that is told one condition."""

    denoiser: object
    condition: torch.Tensor

    @property
    def law(self):
        return self.denoiser.law

    def estimate(self, x, marginal, condition=None):
        shape = (len(x), *self.condition.shape)
        return self.denoiser.estimate(x, marginal, self.condition.expand(shape))


@pytest.fixture(scope="session")
def told():
    """Makes denoisers that are told one condition."""
    return Told


@pytest.fixture(scope="session")
def problem():
    """Makes Gaussian problems."""
    return GaussianProblem.on


@pytest.fixture(params=BASES.values(), ids=BASES)
def any_basis(request):
    """Boxes of one to three dimensions, with walls of any kind and held axes."""
    return request.param
