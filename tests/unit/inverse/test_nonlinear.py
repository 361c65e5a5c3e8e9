"""Observations that are not linear: the chain rule, Gauss–Newton, Crank–Nicolson."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import torch

from fsdiff.data.statistics import Statistics
from fsdiff.data.transforms import Log, Transforms
from fsdiff.diffusion.samplers import DPMSolver
from fsdiff.diffusion.samplers.base import Run
from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.guidance.daps import DecoupledAnnealing, _Annealing
from fsdiff.inverse.guidance.dps import PosteriorSampling
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.pigdm import PseudoinverseGuidance
from fsdiff.inverse.guidance.problem import Problem, wiener_covariance
from fsdiff.inverse.guidance.question import Question
from fsdiff.inverse.guidance.replacement import Replacement
from fsdiff.inverse.guidance.smc import TwistedSMC
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.base import Component
from fsdiff.inverse.observations.mapped import Mapped
from fsdiff.inverse.observations.physical import Physical
from fsdiff.inverse.observations.points import GridOfPoints, RandomPoints
from fsdiff.inverse.recursion import law_of_samples
from fsdiff.spaces.bases import CosineBasis

SENSORS = RandomPoints(number=4, noise=0.05)


@dataclass(frozen=True)
class CubicMap:
    """u ↦ H u + strength (H u)³."""

    linear: object
    strength: float
    affine = False

    @property
    def size(self):
        return self.linear.size

    def forward(self, u):
        values = self.linear.forward(u)
        return values + self.strength * values**3

    def _slope(self, u):
        return 1 + 3 * self.strength * self.linear.forward(u) ** 2

    def jvp(self, u, direction):
        return self._slope(u) * self.linear.forward(direction)

    def vjp(self, u, data):
        return self.linear.adjoint(self._slope(u) * data)


@dataclass(frozen=True, kw_only=True)
class Cubic(Component):
    """Sensors whose reading grows faster than the field."""

    strength: float
    noise: float = 0.05
    kind: Literal["cubic"] = "cubic"

    def on(self, basis, channels, n):
        return CubicMap(SENSORS.on(basis, channels, n), self.strength)

    def deviations(self, basis, channels):
        return torch.full((4,), self.noise, dtype=torch.float64)


def physical(statistics):
    return Physical(observation=SENSORS, statistics=statistics)


def statistics(transforms=None):
    return Statistics(
        mean=torch.tensor([0.7]).double(),
        scale=torch.tensor([1.3]).double(),
        spectrum=torch.ones(1, 8).double(),
        resolution=8,
        transforms=transforms,
    )


def test_physical_data_of_normalised_fields(problem):
    """y = H(mean + scale z): samples are those of the posterior of z given (y − mean)/scale."""
    gaussian, n = problem(CosineBasis(1)), 32
    observation = physical(statistics())
    z = gaussian.data.sample(np.random.default_rng(0), 1, n)
    y = observation.draw(z, gaussian.basis, 0, [0])[0]
    expected = SENSORS.draw(0.7 + 1.3 * z, gaussian.basis, 0, [0])[0]
    torch.testing.assert_close(y, expected)
    law = law_of_samples(
        DPMSolver(steps=32), WienerGuidance()(gaussian.denoiser, observation, y), n
    )
    scaled = RandomPoints(number=4, noise=0.05 / 1.3)
    exact = gaussian.posterior(scaled, (y - 0.7) / 1.3, n)
    assert law.distance(exact) < 0.01 * exact.size


@pytest.mark.parametrize("name", ["cubic", "transformed"])
def test_derivatives(name):
    """jvp by differences; vjp is its adjoint."""
    basis, n = CosineBasis(1), 16
    log = Transforms((Log(),), basis)
    observation = Cubic(strength=0.3) if name == "cubic" else physical(statistics(log))
    observed = observation.on(basis, 1, n)
    random = torch.Generator().manual_seed(0)
    u, direction = (0.3 * torch.randn(1, 1, n, generator=random).double() for _ in range(2))
    data = torch.randn(1, 4, generator=random).double()
    step = 1e-5
    ends = [observed.forward(u + sign * step * direction) for sign in (1, -1)]
    slope = observed.jvp(u, direction)
    torch.testing.assert_close(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-7, atol=1e-8)
    adjoint = (observed.vjp(u, data) * direction).mean()
    torch.testing.assert_close((slope * data).sum(), adjoint)


def test_gauss_newton_finds_the_most_likely_field(problem):
    """The limit is stationary: V⁻¹(u − x̂_0) = G′(u)* Γ⁻¹ (y − G(u))."""
    gaussian, n = problem(CosineBasis(1)), 16
    observation = Cubic(strength=0.3)
    y = gaussian.data_of_a_draw(observation, n)
    x, t = gaussian.data.sample(np.random.default_rng(1), 1, n), torch.tensor([0.3]).double()
    u = WienerGuidance(iterations=30)(gaussian.denoiser, observation, y)(x, t).data
    marginal = gaussian.denoiser.law.marginal(t, n)
    noise = marginal.noise_scale**2 * marginal.noise_spectrum
    covariance = marginal.data_spectrum * noise / marginal.variance
    observed = observation.on(gaussian.basis, 1, n)
    pull = observed.vjp(u, (y - observed.forward(u)) / 0.05**2)
    expected = gaussian.basis.multiply(pull, covariance)
    moved = u - gaussian.denoiser(x, t).data
    torch.testing.assert_close(moved, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "guidance",
    [
        WienerGuidance(iterations=3),
        MomentGuidance(iterations=20, tolerance=1e-10),
        PseudoinverseGuidance(),
        DecoupledAnnealing(corrections=5),
    ],
    ids=lambda g: g.kind,
)
def test_data_are_fitted_to_their_noise(problem, guidance):
    """Samples given a cubic observation agree with the data; those of the prior do not."""
    gaussian, n = problem(CosineBasis(1)), 32
    observation = Cubic(strength=0.3)
    y = gaussian.data_of_a_draw(observation, n)
    drawn = guidance.draw(
        gaussian.denoiser, observation, y, DPMSolver(steps=12), n, range(3), 0, dtype=torch.float64
    )
    observed = observation.on(gaussian.basis, 1, n)

    def misfit(fields):
        return float(((observed.forward(fields) - y) / 0.05).square().mean())

    prior = gaussian.data.sample(np.random.default_rng(5), 8, n)
    assert misfit(drawn.fields) < 10
    assert misfit(prior) > 50


@pytest.mark.parametrize(
    "guidance",
    [
        WienerGuidance(iterations=3),
        MomentGuidance(iterations=20, tolerance=1e-10),
        PseudoinverseGuidance(),
        PosteriorSampling(scale=0.05),
        PosteriorSampling(scale=0.5, weight="residual"),
    ],
    ids=lambda g: getattr(g, "weight", g.kind),
)
def test_estimates_do_not_depend_on_the_grid(problem, guidance):
    """Those at 64 and 256 nodes of one function differ by less than a per cent of what y adds."""
    gaussian, observation = problem(CosineBasis(1)), Cubic(strength=0.3)
    basis, y = gaussian.basis, gaussian.data_of_a_draw(Cubic(strength=0.3), 256)
    x, t = gaussian.data.sample(np.random.default_rng(1), 1, 64), torch.tensor([0.3]).double()
    guided = guidance(gaussian.denoiser, observation, y)
    coarse, fine = guided(x, t).data, basis.restrict(guided(basis.prolong(x, 256), t).data, 64)
    added = coarse - gaussian.denoiser(x, t).data
    assert (coarse - fine).norm() < 0.01 * added.norm()


def test_what_needs_linear_observations_says_so(problem):
    gaussian, n = problem(CosineBasis(1)), 16
    observation = Cubic(strength=0.3)
    y = gaussian.data_of_a_draw(observation, n)
    x, t = gaussian.data.sample(np.random.default_rng(1), 1, n), torch.tensor([0.3]).double()
    with pytest.raises(ValueError, match="replacement needs an observation that is linear"):
        Replacement()(gaussian.denoiser, observation, y)(x, t)
    with pytest.raises(ValueError, match="smc: data of an observation that is not linear need noi"):
        TwistedSMC().check(DPMSolver(steps=4), affine=False, noisy=False)


def test_long_chains_forget_where_they_started(problem):
    """Decoupled annealing gives the posterior's mean; the reference weighs draws of the prior."""
    gaussian, n = problem(CosineBasis(1)), 8
    observation = Cubic(strength=1.0, noise=0.4)
    y = gaussian.data_of_a_draw(observation, n, seed=1) + 0.5
    annealing = _Annealing(
        guidance=DecoupledAnnealing(corrections=20, step_size=0.6),
        sampler=DPMSolver(steps=3),
        problem=Problem(gaussian.denoiser.law, observation),
        data=y,
    )
    run = Run(gaussian.denoiser, n, 0, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        found = annealing.draw(run, [tuple(range(200))])[0].fields.flatten(1)
    observed = observation.on(gaussian.basis, 1, n)
    prior = gaussian.data.sample(np.random.default_rng(5), 100_000, n)
    weights = torch.softmax(-0.5 * ((observed.forward(prior) - y) / 0.4).square().sum(-1), 0)
    mean = (weights[:, None] * prior.flatten(1)).sum(0)
    deviation = (weights[:, None] * (prior.flatten(1) - mean) ** 2).sum(0).sqrt()
    assert float(1 / weights.square().sum()) > 1000
    assert float(mean.norm()) > 0.3 * float(deviation.norm())
    assert (found.mean(0) - mean).norm() < 0.15 * deviation.norm()
    assert (found.std(0) - deviation).norm() < 0.15 * deviation.norm()


def test_pressures_of_darcy_flow_are_an_observation(problem):
    """A map that solves an equation is linearised alike through its Jacobian and by products."""
    gaussian, n = problem(CosineBasis(2)), 8
    observation = Mapped(map=DarcySensors(sensors=GridOfPoints(shape=(2, 2))), noise=0.005)
    y = gaussian.data_of_a_draw(observation, n)
    x, t = gaussian.data.sample(np.random.default_rng(1), 1, n), torch.tensor([0.3]).double()
    guided = WienerGuidance(iterations=8)(gaussian.denoiser, observation, y)
    u, centre = guided(x, t).data, gaussian.denoiser(x, t).data
    observed = observation.on(gaussian.basis, 1, n)
    pull = observed.vjp(u, (y - observed.forward(u)) / 0.005**2)
    marginal = gaussian.denoiser.law.marginal(t, n)
    expected = gaussian.basis.multiply(pull, wiener_covariance(marginal))
    torch.testing.assert_close(u - centre, expected, rtol=1e-3, atol=1e-5)
    assert (observed.forward(u) - y).norm() < 0.5 * (observed.forward(centre) - y).norm()


def weighed(gaussian, observation, y, n, count=100_000):
    """Mean, deviation and evidence from draws of the prior, weighed by the likelihood."""
    prior = gaussian.data.sample(np.random.default_rng(5), count, n)
    residual = y - observation.on(gaussian.basis, 1, n).forward(prior)
    deviations = observation.deviations(gaussian.basis, 1)
    log = torch.distributions.Normal(0.0, deviations).log_prob(residual).sum(-1)
    weights = torch.softmax(log, 0)
    flat = prior.flatten(1)
    mean = weights @ flat
    deviation = (weights @ (flat - mean).square()).sqrt()
    return mean, deviation, float(torch.logsumexp(log, 0)) - np.log(count)


def test_particles_correct_what_is_not_linear(problem):
    """Moments and evidence of draws of the prior that are weighed by the data."""
    gaussian, n = problem(CosineBasis(1)), 8
    observation = Cubic(strength=1.0, noise=0.4)
    y = gaussian.data_of_a_draw(observation, n, seed=1) + 0.5
    mean, deviation, evidence = weighed(gaussian, observation, y, n)
    smc = TwistedSMC(particles=250, batch=250)
    shared = Problem(gaussian.denoiser.law, observation)
    conditional = smc.conditional(gaussian.denoiser, shared, y, DPMSolver(steps=6))
    found = conditional.run(n, 0, 0, dtype=torch.float64)
    fields = found.fields.flatten(1)
    assert ((fields.mean(0) - mean).abs() < 0.2 * deviation).all()
    assert (fields.std(0) / deviation).numpy() == pytest.approx(np.ones(n), abs=0.15)
    assert found.log_evidence == pytest.approx(evidence, abs=0.1)


def test_linearised_particles_of_linear_data_all_count(problem):
    """With what the data leave of each step weights stay what they are: the exact evidence."""
    gaussian, n = problem(CosineBasis(1)), 16
    observation = Cubic(strength=0.0, noise=0.02)
    y = gaussian.data_of_a_draw(observation, n)
    shared = Problem(gaussian.denoiser.law, observation)
    smc = TwistedSMC(particles=64).conditional(gaussian.denoiser, shared, y, DPMSolver(steps=6))
    found = smc.run(n, 0, 0, dtype=torch.float64)
    matrix = gaussian.matrix(SENSORS, n)
    covariance = matrix @ gaussian.prior(n).covariance @ matrix.T + 0.02**2 * torch.eye(4)
    law = torch.distributions.MultivariateNormal(torch.zeros(4).double(), covariance)
    assert found.log_evidence == pytest.approx(float(law.log_prob(y)), abs=1e-3)
    assert min(found.effective_sizes) == pytest.approx(64, rel=1e-3)


class Bounded(CubicMap):
    """Has no value beyond a bound."""

    def forward(self, u):
        if (self.linear.forward(u) > 0.5).any():
            raise ArithmeticError("beyond the bound")
        return super().forward(u)


class BoundedSensors(Cubic):
    def on(self, basis, channels, n):
        return Bounded(SENSORS.on(basis, channels, n), self.strength)


def test_particles_stay_where_there_are_data(problem):
    """What has no data beyond a bound is as if it were impossible there."""
    gaussian, n = problem(CosineBasis(1)), 8
    y = torch.full((4,), 0.4, dtype=torch.float64)
    observation = BoundedSensors(strength=0.0, noise=0.3)
    shared = Problem(gaussian.denoiser.law, observation)
    smc = TwistedSMC(particles=60).conditional(gaussian.denoiser, shared, y, DPMSolver(steps=4))
    found = smc.run(n, 0, 0, dtype=torch.float64).fields
    seen = SENSORS.on(gaussian.basis, 1, n).forward(found)
    assert seen.max() <= 0.5
    assert seen.max() > 0.3


def test_chains_of_decoupled_annealing_stay_where_there_are_data(problem):
    """Proposals without a value are refused, those of the samples beside them are not."""
    gaussian, n = problem(CosineBasis(1)), 8
    y = torch.full((4,), 0.4, dtype=torch.float64)
    observation = BoundedSensors(strength=0.0, noise=0.3)
    daps = DecoupledAnnealing(corrections=40, step_size=0.5)
    found = daps.draw(
        gaussian.denoiser, observation, y, DPMSolver(steps=4), n, range(16), 0, dtype=torch.float64
    ).fields
    assert SENSORS.on(gaussian.basis, 1, n).forward(found).max() <= 0.5
    assert len(np.unique(found[:, 0, 0].numpy())) == 16


def test_estimates_without_a_value_are_left_as_they_are(problem):
    gaussian, n = problem(CosineBasis(1)), 8
    y = torch.full((4,), 0.4, dtype=torch.float64)
    shared = Problem(gaussian.denoiser.law, BoundedSensors(strength=0.0, noise=0.3))
    fields = torch.stack([torch.full((1, n), value) for value in (0.3, 9.0)]).double()
    now = gaussian.denoiser.law.marginal(torch.tensor([0.5]).double(), n)
    question = Question(shared, y, gaussian.denoiser, fields, now)
    found = WienerGuidance(iterations=2).linearised(question, fields)
    assert torch.equal(found[1], fields[1])
    assert not torch.equal(found[0], fields[0])
