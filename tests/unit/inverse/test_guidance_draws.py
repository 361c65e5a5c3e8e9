"""Guidance that draws: exact for Gaussian data, and asymptotically for mixtures of functions."""

import re

import numpy as np
import pytest
import torch

from fsdiff.diffusion.exact import ExactDenoiser, mixture
from fsdiff.diffusion.processes.heat import HeatDissipation
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import AdaptiveHeun, DPMSolver, Multilevel
from fsdiff.diffusion.samplers.starting_from import StartingFrom
from fsdiff.inverse.guidance import daps
from fsdiff.inverse.guidance.daps import DecoupledAnnealing
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.particles import Particles, System
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.smc import ParticleSystems, TwistedSMC
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.inverse.recursion import law_of_samples
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces.bases import CosineBasis, FourierBasis

SENSORS = RandomPoints(number=5, noise=0.3)


def kind(guidance):
    """Names of cases."""
    return guidance.kind


@pytest.mark.parametrize("zero_mean", [False, True], ids=["", "zero_mean"])
@pytest.mark.parametrize("steps", [2, 5])
@pytest.mark.parametrize("basis", [CosineBasis(1), FourierBasis(1)], ids=["cosine", "fourier"])
def test_decoupled_annealing_is_exact_for_any_number_of_levels(problem, basis, steps, zero_mean):
    gaussian, n = problem(basis, zero_mean=zero_mean), 15
    y = gaussian.data_of_a_draw(SENSORS, n)
    observed = Problem(gaussian.denoiser.law, SENSORS)
    annealing = daps._Annealing(
        guidance=DecoupledAnnealing(), sampler=DPMSolver(steps=steps), problem=observed, data=y
    )
    law = law_of_samples(annealing, gaussian.denoiser, n)
    exact = gaussian.posterior(SENSORS, y, n)
    torch.testing.assert_close(law.mean, exact.mean, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(law.covariance, exact.covariance, rtol=1e-10, atol=1e-10)


STEPS = DPMSolver(steps=128)

LED = [
    (WienerGuidance(), 1e-9, 5e-3),
    (MomentGuidance(), 1e-5, 5e-3),
]
"""Guidance, and bounds of the errors of its mean, in deviations, and of its covariance."""


@pytest.mark.parametrize("sampler", [STEPS, Multilevel(sampler=STEPS, coarsest=4)], ids=kind)
@pytest.mark.parametrize(("guidance", "mean", "covariance"), LED)
@pytest.mark.parametrize("basis", [CosineBasis(1), FourierBasis(1)], ids=["cosine", "fourier"])
def test_draws_start_from_what_is_observed_of_a_mean_that_is_kept(
    problem, basis, guidance, mean, covariance, sampler
):
    """Heat dissipation leaves the mean of the data as it is, and so does its probability flow."""
    n, gaussian = 16, problem(basis, process=HeatDissipation())
    y = gaussian.data_of_a_draw(SENSORS, n)
    led = guidance(gaussian.denoiser, SENSORS, y, finest=n)
    law, exact = law_of_samples(sampler, led, n), gaussian.posterior(SENSORS, y, n)
    error = (law.mean - exact.mean).norm() / exact.covariance.trace().sqrt()
    assert float(error) < mean
    error = (law.covariance - exact.covariance).norm() / exact.covariance.norm()
    assert float(error) < covariance


def test_what_starts_regardless_of_data_cannot_lead_processes_that_keep_the_mean(problem):
    """Draws would have the mean of other fields than that which is observed."""
    process, left = HeatDissipation(), "much of the mean of the data is left at the end of heat"

    def check(guidance, sampler=STEPS, process=process, **options):
        guidance.check_observation(
            sampler, SENSORS, CosineBasis(1), 1, 15, process=process, **options
        )

    check(TwistedSMC(), process=VariancePreserving())
    for guidance in (WienerGuidance(), DecoupledAnnealing()):
        check(guidance)
        with pytest.raises(ValueError, match=f"{left}.* linear observations guidance such as"):
            check(guidance, transformed=True)
    with pytest.raises(ValueError, match=left):
        check(TwistedSMC())
    with pytest.raises(ValueError, match=left):
        check(WienerGuidance(), StartingFrom(law="empirical"))


def test_draws_depend_on_seed_and_index_only(problem):
    """Of decoupled annealing and of particles, whatever is drawn with them."""
    gaussian, n = problem(CosineBasis(1)), 16
    y = gaussian.data_of_a_draw(SENSORS, n)
    for guidance in (DecoupledAnnealing(), TwistedSMC(particles=8)):
        some, all_ = (
            guidance.draw(gaussian.denoiser, SENSORS, y, DPMSolver(steps=4), n, indices, 3).fields
            for indices in ([1, 9], range(10))
        )
        torch.testing.assert_close(some, all_[[1, 9]], rtol=1e-6, atol=1e-6)
        assert not torch.allclose(some[0], some[1])


@pytest.fixture(scope="module", params=[False, True], ids=["", "zero_mean"])
def particles(problem, request):
    """Four systems of 256 particles for Gaussian data, with the posterior and the evidence."""
    gaussian, n = problem(CosineBasis(1), zero_mean=request.param), 32
    y = gaussian.data_of_a_draw(SENSORS, n)
    shared = Problem(gaussian.denoiser.law, SENSORS)
    smc = TwistedSMC().conditional(gaussian.denoiser, shared, y, DPMSolver(steps=16))
    systems = [smc.run(n, i, 0, dtype=torch.float64) for i in range(4)]
    prior, matrix = gaussian.prior(n), gaussian.matrix(SENSORS, n)
    covariance = matrix @ prior.covariance @ matrix.T + 0.09 * torch.eye(5)
    evidence = torch.distributions.MultivariateNormal(torch.zeros(5).double(), covariance)
    return systems, gaussian.posterior(SENSORS, y, n), float(evidence.log_prob(y))


def test_evidence(particles):
    """ln p(y) = ln N(y; 0, H C H* + Γ), to a tenth by each system."""
    systems, _, exact = particles
    assert [system.log_evidence for system in systems] == pytest.approx([exact] * 4, abs=0.1)


def test_moments_of_particles(particles):
    """Means within four standard errors; variances within their Monte Carlo error."""
    systems, exact, _ = particles
    fields = torch.stack([system.fields.flatten(1) for system in systems])
    means = fields.mean(1)
    error = means.std(0) / 2
    assert ((means.mean(0) - exact.mean).abs() < 4 * error.clamp_min(float(error.mean()))).all()
    variance = fields.flatten(0, 1).var(0)
    ratio = variance / exact.covariance.diagonal()
    assert float(ratio.mean()) == pytest.approx(1, abs=0.1)
    assert min(size for system in systems for size in system.effective_sizes) > 64


@pytest.mark.parametrize("finest", [None, 24], ids=["", "coarse"])
@pytest.mark.parametrize("steps", [2, 9])
@pytest.mark.parametrize("basis", [CosineBasis(1), FourierBasis(1)], ids=["cosine", "fourier"])
@pytest.mark.parametrize("noise", [0.003, 0.0], ids=["precise", "exact"])
def test_gaussian_data_leave_particles_their_weights(problem, basis, steps, finest, noise):
    """Whatever the steps and however precise the data: each tells the evidence, all are drawn."""
    gaussian, n = problem(basis), 15
    sensors = RandomPoints(number=5, noise=noise)
    y = gaussian.data_of_a_draw(sensors, finest or n)
    shared = Problem(gaussian.denoiser.law, sensors, finest)
    smc = TwistedSMC(particles=64).conditional(gaussian.denoiser, shared, y, DPMSolver(steps=steps))
    found = smc.run(n, 0, 0, dtype=torch.float64)
    prior, matrix = gaussian.prior(finest or n), gaussian.matrix(sensors, finest or n)
    covariance = matrix @ prior.covariance @ matrix.T + noise**2 * torch.eye(5)
    evidence = torch.distributions.MultivariateNormal(torch.zeros(5).double(), covariance)
    assert found.effective_share > 0.98
    assert found.log_evidence == pytest.approx(float(evidence.log_prob(y)), abs=0.05)


def two_functions(basis, n, share=0.3):
    """± a function, and a Gaussian with a ``share`` of its energy: (means, exact denoiser)."""
    x = torch.from_numpy(basis.nodes(n))
    means = torch.stack([torch.cos(np.pi * x), -torch.cos(np.pi * x)])[:, None]
    covariance = Bessel(power=1.5)
    law = mixture(basis, means, lambda n: share * covariance.eigenvalues(basis, n)[None])
    return means, ExactDenoiser(law, noise=Bessel(), process=VariancePreserving())


def test_particles_find_the_weights_of_a_mixture():
    """Two functions ± and a Gaussian: posterior weights ∝ N(y; H m_i, H C H* + Γ).

    Wiener guidance alone takes the mixture for Gaussian.
    """
    basis, n = CosineBasis(1), 16
    x = torch.from_numpy(basis.nodes(n))
    means, denoiser = two_functions(basis, n)
    law, sensors = denoiser.data, RandomPoints(number=3, noise=0.8)
    observed = sensors.on(basis, 1, n)
    centres = observed.forward(means)
    units = torch.eye(n, dtype=torch.float64)[:, None]
    matrix = observed.forward(units).T
    prior = n * basis.multiply(units[:, 0], law.covariance(n)[0])
    y = 0.2 * centres[0]
    bracket = matrix @ prior @ matrix.T + 0.64 * torch.eye(3)
    density = torch.distributions.MultivariateNormal(centres, bracket).log_prob(y)
    expected = float(torch.softmax(density, 0)[0])
    assert 0.55 < expected < 0.9
    smc = TwistedSMC(particles=2000, batch=500)
    conditional = smc.conditional(denoiser, Problem(denoiser.law, sensors), y, DPMSolver(steps=40))
    found = conditional.run(n, 0, 1, dtype=torch.float64)
    share = (found.fields.flatten(1) @ torch.cos(np.pi * x) > 0).double().mean()
    assert float(share) == pytest.approx(expected, abs=0.03)
    evidence = torch.logsumexp(density, 0) - np.log(2)
    assert found.log_evidence == pytest.approx(float(evidence), abs=0.07)


def test_weights_of_particles_have_a_limit_under_refinement():
    """Effective numbers and evidence at 32 and 128 nodes differ by less than a per cent."""
    means, denoiser = two_functions(CosineBasis(1), 128)
    sensors = RandomPoints(number=5, noise=0.05)
    y = 2 * sensors.on(CosineBasis(1), 1, 128).forward(means[0])
    shared = Problem(denoiser.law, sensors)
    smc = TwistedSMC(particles=64).conditional(denoiser, shared, y, DPMSolver(steps=8))
    coarse, fine = (smc.run(n, 0, 0, dtype=torch.float64) for n in (32, 128))
    assert min(fine.effective_sizes) < 32
    assert coarse.effective_sizes == pytest.approx(fine.effective_sizes, rel=0.01)
    assert coarse.log_evidence == pytest.approx(fine.log_evidence, rel=0.01)


def test_particles_are_in_random_order(monkeypatch):
    """Unlikely data leave few ancestors, whose descendants lay beside each other: some are as all.

    Places of neighbours differ by a third of all particles, on average.
    """
    n, sensors = 16, RandomPoints(number=5, noise=0.2)
    means, denoiser = two_functions(CosineBasis(1), n, share=0.01)
    y = 2 * sensors.on(CosineBasis(1), 1, n).forward(means[0])
    shared = Problem(denoiser.law, sensors)
    smc = TwistedSMC(particles=128).conditional(denoiser, shared, y, DPMSolver(steps=8))
    shuffled = smc.run(n, 0, 0, dtype=torch.float64)
    assert min(shuffled.effective_sizes) < 32
    monkeypatch.setattr(System, "_shuffled", lambda self, fields: fields)
    ordered = smc.run(n, 0, 0, dtype=torch.float64).fields.flatten(1)
    places = torch.cdist(shuffled.fields.flatten(1), ordered).argmin(1)
    assert places.sort().values.tolist() == list(range(128))
    assert float(places.diff().abs().double().mean()) == pytest.approx(128 / 3, rel=0.2)


def test_batches_of_one_system_run_it_once(problem, monkeypatch):
    gaussian, n = problem(CosineBasis(1)), 16
    y = gaussian.data_of_a_draw(SENSORS, n)
    shared, ran, run = Problem(gaussian.denoiser.law, SENSORS), [], ParticleSystems.run
    monkeypatch.setattr(ParticleSystems, "run", lambda *a, **o: ran.append(a[2]) or run(*a, **o))
    smc = TwistedSMC(particles=8).conditional(gaussian.denoiser, shared, y, DPMSolver(steps=3))
    whole = smc(n, range(16), 3).fields
    parts = [smc(n, range(first, first + 4), 3).fields for first in range(0, 16, 4)]
    assert torch.equal(torch.cat(parts), whole)
    assert ran == [0, 1, 0, 1]
    assert not torch.equal(smc(n, [8], 4).fields[0], whole[8])


def test_particles_tell_the_evidence_and_whether_they_have_collapsed(problem, caplog):
    gaussian, n = problem(CosineBasis(1)), 16
    shared = Problem(gaussian.denoiser.law, SENSORS)
    y, sampler = gaussian.data_of_a_draw(SENSORS, n), DPMSolver(steps=12)
    smc = TwistedSMC(particles=8).conditional(gaussian.denoiser, shared, y, sampler)
    told = smc(n, range(6, 10), 3).diagnostics
    runs = [smc.run(n, number, 3) for number in (0, 1)]
    assert [one["log_evidence"] for one in told] == [
        *[runs[0].log_evidence] * 2,
        *[runs[1].log_evidence] * 2,
    ]
    assert told[0]["effective_share"] == min(runs[0].effective_sizes) / 8
    assert not caplog.records
    assert [one["collapsed"] for one in told] == [0] * 4
    means, denoiser = two_functions(CosineBasis(1), n, share=0.01)
    sharp = RandomPoints(number=5, noise=0.02)
    shared, y = Problem(denoiser.law, sharp), sharp.on(CosineBasis(1), 1, n).forward(means[0]) / 5
    rough = TwistedSMC(particles=8).conditional(denoiser, shared, y, DPMSolver(steps=8))
    assert [one["collapsed"] for one in rough(n, [8, 9], 3).diagnostics] == [1, 1]
    assert re.search(r"system 1 has collapsed: no more than 1\S* of 8 particles", caplog.text)


@pytest.mark.parametrize(
    ("count", "effective", "collapsed"),
    [(2, 1.4, True), (2, 1.6, False), (8, 1.9, True), (8, 2.1, False), (1000, 19, True)],
)
def test_few_particles_collapse_too(count, effective, collapsed):
    assert Particles(torch.zeros(count, 1, 4), 0.0, [8.0, effective]).collapsed == collapsed


def test_samplers_without_times_are_refused(problem):
    gaussian = problem(CosineBasis(1))
    y = gaussian.data_of_a_draw(SENSORS, 16)
    for guidance in (DecoupledAnnealing(), TwistedSMC()):
        with pytest.raises(ValueError, match="follows the times of a sampler, and adaptive_heun"):
            guidance.draw(gaussian.denoiser, SENSORS, y, AdaptiveHeun(), 16, [0], 0)


@pytest.mark.parametrize(
    "guidance", [WienerGuidance(), DecoupledAnnealing(), TwistedSMC(particles=4)], ids=kind
)
def test_cases_share_a_problem(problem, monkeypatch, guidance):
    """Draws are those of a problem of one's own; factors are made once for all cases."""
    gaussian, n, sampler = problem(CosineBasis(1)), 16, DPMSolver(steps=4)
    shared = Problem(gaussian.denoiser.law, SENSORS)
    cases = [gaussian.data_of_a_draw(SENSORS, n, seed=seed) for seed in (1, 2)]
    own = [guidance.draw(gaussian.denoiser, SENSORS, y, sampler, n, [0, 5], 3) for y in cases]
    made, counts, system = [], [], Problem.system
    monkeypatch.setattr(Problem, "system", lambda *a, **o: made.append(a) or system(*a, **o))
    for y, expected in zip(cases, own, strict=True):
        found = guidance.conditional(gaussian.denoiser, shared, y, sampler)(n, [0, 5], 3)
        assert torch.equal(found.fields, expected.fields)
        counts.append(len(made))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(
    "guidance", [WienerGuidance(), DecoupledAnnealing(), TwistedSMC()], ids=kind
)
def test_data_and_denoisers_of_other_problems_are_refused(problem, guidance):
    one, other = problem(CosineBasis(1)), problem(CosineBasis(1))
    shared, y = Problem(one.denoiser.law, SENSORS), one.data_of_a_draw(SENSORS, 16)
    with pytest.raises(ValueError, match=r"data of shape \(4,\): .* random_points has 5 numbers"):
        guidance.conditional(one.denoiser, shared, y[:4], DPMSolver())
    with pytest.raises(ValueError, match="of another law: make it of the denoiser's"):
        guidance.conditional(other.denoiser, shared, y, DPMSolver())


def test_particles_of_one_system_have_one_condition(problem):
    gaussian = problem(CosineBasis(1))
    y, condition = gaussian.data_of_a_draw(SENSORS, 16), torch.zeros(1, 1, 16)
    with pytest.raises(ValueError, match="smc knows no conditions of samples"):
        TwistedSMC().draw(
            gaussian.denoiser, SENSORS, y, DPMSolver(), 16, [0], 0, condition=condition
        )


def test_every_guidance_draws(problem):
    """Those that make denoisers hand these to the sampler."""
    gaussian, n = problem(CosineBasis(1)), 16
    y = gaussian.data_of_a_draw(SENSORS, n)
    drawn = WienerGuidance().draw(gaussian.denoiser, SENSORS, y, DPMSolver(steps=4), n, [2], 3)
    guided = WienerGuidance()(gaussian.denoiser, SENSORS, y)
    expected = DPMSolver(steps=4)(guided, n, [2], 3)
    torch.testing.assert_close(drawn.fields, expected.fields, rtol=0, atol=0)
    assert drawn.network_evaluations == 4
