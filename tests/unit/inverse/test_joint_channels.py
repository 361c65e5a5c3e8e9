"""Channels that know of each other: what is seen of one tells of the others, exactly."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
import torch

import fsdiff as fs
from fsdiff.diffusion.denoiser import Estimate
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.processes.heat import StochasticHeat
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import DPMSolver
from fsdiff.inverse.conditions.kriging import Kriging
from fsdiff.inverse.guidance.daps import DecoupledAnnealing
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.smc import TwistedSMC
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.inverse.observations.several import Several
from fsdiff.inverse.recursion import Normal, law_of_samples, posterior
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.channels import ChannelBasis
from fsdiff.spaces.spectrum import MeasuredSpectrum

N = 16
SENSORS = Channel(channel=0, observation=RandomPoints(number=5, noise=0.3))
BOTH = Several(
    observation=(SENSORS, Channel(channel=1, observation=Averages(resolution=4, noise=0.2)))
)
BASES = {
    "cosine": CosineBasis(1),
    "fourier": FourierBasis(1),
    "apart": ChannelBasis(bases=(SineBasis(1), SineBasis(1), CosineBasis(1))),
}


@dataclass(frozen=True, eq=False)
class Channels:
    """Gaussian data the second channel of which is the first one, smoothed and moved, and noise.

    With a third one that knows nothing of them, where there is one.
    """

    basis: object
    process: object = VariancePreserving()

    @property
    def channels(self):
        return len(self.basis.bases) if isinstance(self.basis, ChannelBasis) else 2

    @cached_property
    def data(self):
        """With the coherence h √c/√(|h|²c + d) of both, h = 0.9 exp(iω/5)/(1 + ω²/200)."""
        own = self.basis.by_channel(self.channels)[0]
        omega = own.omega_squared(N).sqrt()
        c, d = Bessel(power=1.5).eigenvalues(own, N), 0.3 * Bessel(power=1.0).eigenvalues(own, N)
        h = 0.9 / (1 + omega**2 / 200)
        if own.half_axis is not None:
            h = h * torch.exp(1j * omega / 5)
        second = h.abs() ** 2 * c + d
        spectra = torch.stack([c, second, c][: self.channels])
        shape = (self.channels, *spectra.shape)
        coherence = torch.eye(self.channels, dtype=h.dtype).view(*shape[:2], 1).repeat(1, 1, N)
        coherence = coherence[..., : c.shape[-1]].clone()
        coherence[1, 0] = h * (c / second).sqrt()
        coherence[0, 1] = coherence[1, 0].conj()
        return MeasuredSpectrum(spectra, self.basis, N, coherence)

    @cached_property
    def law(self):
        return Law(basis=self.basis, noise=Bessel(), process=self.process, data=self.data)

    def estimate(self, x, marginal, condition=None):
        """E[X_0 | X_t = x], channels of each mode together."""
        time = marginal.time.flatten()[:1]
        exact = self.law.marginal(time.double(), N)
        joint = self.data.joint(N).movedim(-1, 0)
        shape = (self.channels, joint.shape[0])
        m = exact.mean_scale[0].expand(shape).T[:, None]
        noise = (exact.noise_scale[0].square() * exact.noise_spectrum).expand(shape).T
        seen = m.mT * joint * m + torch.diag_embed(noise)
        inverse = torch.linalg.pinv(seen, rtol=1e-14, hermitian=True)
        gain = (inverse @ (m.mT * joint)).mH
        coefficients = self.basis.forward(x.double()).movedim(-1, -2)[..., None].to(gain)
        data = (gain @ coefficients)[..., 0].movedim(-2, -1)
        data = self.basis.inverse(data, N).to(x)
        return Estimate(data, marginal.noise_from_data(x, data), marginal)

    def __call__(self, x, t, condition=None):
        return self.estimate(x, self.law.marginal(t, N))

    @cached_property
    def prior(self):
        """N(0, C) on the nodes of all channels, from the columns of C."""
        size = self.channels * N
        units = torch.eye(size, dtype=torch.float64).view(size, self.channels, N)
        coefficients = self.basis.forward(units)
        spread = torch.einsum(
            "abk,sbk->sak", self.data.joint(N), coefficients.to(self.data.coherence)
        )
        return Normal(
            torch.zeros(size).double(), N * self.basis.inverse(spread, N).reshape(size, size)
        )

    def matrix(self, observation):
        size = self.channels * N
        units = torch.eye(size, dtype=torch.float64).view(size, self.channels, N)
        return observation.on(self.basis, self.channels, N).forward(units).T

    def posterior(self, observation, y):
        noise = observation.variances(self.basis, self.channels)
        return posterior(self.prior, self.matrix(observation), noise, y)

    def data_of_a_draw(self, observation):
        u = torch.linalg.cholesky(self.prior.covariance + 1e-12 * torch.eye(self.channels * N))
        u = u @ torch.from_numpy(np.random.default_rng(3).standard_normal(len(u)))
        return observation.draw(u.view(1, self.channels, N), self.basis, 3, [0])[0]


class Alone(Channels):
    """The same, with a denoiser's law that knows nothing of coherence."""

    @cached_property
    def law(self):
        data = MeasuredSpectrum(self.data.values, self.basis, N)
        return Law(basis=self.basis, noise=Bessel(), process=self.process, data=data)


@pytest.fixture(params=BASES.values(), ids=BASES)
def basis(request):
    return request.param


def test_the_guided_estimate_is_the_conditional_mean(basis):
    """E[X_0 | X_t = x, y] by matrices, to 10⁻¹⁰."""
    channels, observation = Channels(basis), BOTH
    y, t = channels.data_of_a_draw(observation), torch.tensor([0.4], dtype=torch.float64)
    x = channels.prior.covariance[:1].view(1, channels.channels, N)
    found = WienerGuidance()(channels, observation, y)(x, t).data.flatten()
    marginal = channels.law.marginal(t, N)
    units = torch.eye(channels.channels * N).double().view(-1, channels.channels, N)
    m = marginal.apply(marginal.mean_scale, units).flatten(1).T
    colour = marginal.noise_scale.square() * marginal.noise_spectrum
    noise = N * marginal.apply(colour * torch.ones(channels.channels, 1), units).flatten(1)
    seen = torch.cat([m, channels.matrix(observation)])
    variances = torch.diag(observation.variances(basis, channels.channels))
    bracket = seen @ channels.prior.covariance @ seen.T + torch.block_diag(noise, variances)
    values, vectors = torch.linalg.eigh(bracket)
    kept = values > 1e-13 * values[-1]
    solved = vectors[:, kept] / values[kept] @ vectors[:, kept].T @ torch.cat([x.flatten(), y])
    torch.testing.assert_close(
        found, channels.prior.covariance @ seen.T @ solved, rtol=1e-9, atol=1e-10
    )


@pytest.mark.parametrize("process", [VariancePreserving(), StochasticHeat(length=0.05)])
@pytest.mark.parametrize("steps", [2, 5])
def test_decoupled_annealing_draws_all_channels_exactly(basis, process, steps):
    channels = Channels(basis, process)
    y = channels.data_of_a_draw(SENSORS)
    problem = Problem(channels.law, SENSORS)
    guided = DecoupledAnnealing().conditional(channels, problem, y, DPMSolver(steps=steps))
    law = law_of_samples(guided.func, channels, N)
    exact = channels.posterior(SENSORS, y)
    assert (law.mean - exact.mean).abs().max() < 1e-10
    assert (law.covariance - exact.covariance).abs().max() < 1e-10


def test_samples_of_both_channels_are_those_of_the_posterior(basis):
    """To one per cent; without coherence the channel that is not observed learns nothing."""
    channels, alone = Channels(basis), Alone(basis)
    y = channels.data_of_a_draw(SENSORS)
    exact = channels.posterior(SENSORS, y)

    def error(denoiser):
        law = law_of_samples(DPMSolver(steps=32), WienerGuidance()(denoiser, SENSORS, y), N)
        return law.distance(exact) / exact.size

    assert error(channels) < 0.01
    assert error(alone) > 0.05


def test_particles_of_joint_channels_have_the_evidence():
    basis = FourierBasis(1)
    channels = Channels(basis)
    y = channels.data_of_a_draw(SENSORS)
    matrix, noise = channels.matrix(SENSORS), SENSORS.variances(basis, channels.channels)
    covariance = matrix @ channels.prior.covariance @ matrix.T + torch.diag(noise)
    exact = torch.distributions.MultivariateNormal(torch.zeros(len(y)).double(), covariance)
    problem = Problem(channels.law, SENSORS)
    smc = TwistedSMC().conditional(channels, problem, y, DPMSolver(steps=16))
    found = smc.run(N, 0, 0, dtype=torch.float64)
    assert found.log_evidence == pytest.approx(float(exact.log_prob(y)), abs=0.1)


def test_kriging_conditions_tell_of_channels_that_are_not_observed(basis):
    channels = Channels(basis)
    y = channels.data_of_a_draw(SENSORS)
    coherence = channels.data.coherence
    statistics = fs.Statistics(
        mean=torch.zeros(channels.channels).double(),
        scale=torch.ones(channels.channels).double(),
        spectrum=channels.data.values,
        resolution=N,
        coherence=torch.view_as_real(coherence) if coherence.is_complex() else coherence,
    )
    known = Kriging(operator=SENSORS).conditioning(basis, statistics)
    estimate, deviation = known.given(SENSORS, y, N).double().split(channels.channels)
    exact = channels.posterior(SENSORS, y)
    assert torch.allclose(estimate.flatten(), exact.mean, atol=1e-5)
    exact_deviation = exact.covariance.diagonal().clamp_min(0).sqrt().view_as(deviation)
    assert torch.allclose(deviation, basis.resample(exact_deviation, N), atol=1e-4)
