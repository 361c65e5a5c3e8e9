"""Guidance by gradients and by replacement on Gaussian data: recursions without sampling error."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from fsdiff.diffusion.exact import POINTS, STANDARD_NORMAL, ExactDenoiser, gaussian
from fsdiff.diffusion.processes.variance_exploding import VarianceExploding
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import DDIM, AdaptiveHeun, DPMSolver, Heun
from fsdiff.diffusion.samplers.base import Run, steps_down
from fsdiff.inverse.guidance.dps import PosteriorSampling
from fsdiff.inverse.guidance.fundps_published import PublishedFunDPS
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.pigdm import PseudoinverseGuidance
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.replacement import Replacement
from fsdiff.inverse.guidance.stiffness import lengths
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.modes import Modes
from fsdiff.inverse.observations.points import Points, RandomPoints
from fsdiff.inverse.recursion import law_of_samples
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.spaces.bases import CosineBasis, FourierBasis

SENSORS = RandomPoints(number=6, noise=0.3)

GUIDANCE = {
    "wiener": WienerGuidance(),
    "moment": MomentGuidance(iterations=8, tolerance=1e-10),
    "pigdm": PseudoinverseGuidance(),
    "dps": PosteriorSampling(),
    "replacement": Replacement(),
}


@pytest.mark.parametrize("kind", GUIDANCE)
def test_samples_have_no_mode_that_neither_data_nor_noise_have(problem, kind):
    gaussian, n = problem(CosineBasis(1), zero_mean=True), 16
    y = gaussian.data_of_a_draw(SENSORS, n)
    law = law_of_samples(DDIM(steps=8), GUIDANCE[kind](gaussian.denoiser, SENSORS, y), n)
    assert abs(float(law.mean.mean())) < 1e-12
    assert float(law.covariance.mean(1).abs().max()) < 1e-12
    assert float(law.covariance.trace()) > 0


@pytest.mark.parametrize("kind", ["wiener", "moment", "pigdm", "dps"])
def test_modes_follow_recursions_of_their_own(problem, kind):
    """Where modes are observed, x_s = m_s x̂_0ʸ + (r_s/r_t)(x − m_t x̂_0ʸ) mode by mode."""
    gaussian, n = problem(CosineBasis(1)), 12
    modes = Modes(highest=3, noise=0.2)
    y = gaussian.data_of_a_draw(modes, n)
    law = law_of_samples(DDIM(steps=16), GUIDANCE[kind](gaussian.denoiser, modes, y), n)
    c, q = gaussian.data.covariance(n)[0].numpy(), Bessel().eigenvalues(CosineBasis(1), n).numpy()
    seen = np.zeros(n)
    seen[:4] = 1
    data = np.zeros(n)
    data[:4] = y.numpy()
    process, zero = VariancePreserving(), torch.zeros(())
    times = DDIM(steps=16).times(process)
    scales = [
        (float(process.mean_scale(t, zero)), float(process.noise_scale(t, zero))) for t in times
    ]

    def estimate(m, r):
        """x̂_0ʸ = a + b x."""
        gain = m * c / (m**2 * c + r**2 * q)
        spread = r**2 * q / m * gain
        inner = {"pigdm": r**2 * q / (m**2 + r**2), "dps": 0.0 * q}.get(kind, spread)
        weight = seen * spread / (0.04 + inner)
        return weight * data, gain - weight * gain

    centre, factor = np.zeros(n), np.sqrt(scales[0][0] ** 2 * c + scales[0][1] ** 2 * q)
    for (m, r), (m_next, r_next) in pairwise(scales):
        a, b = estimate(m, r)
        move = m_next - r_next / r * m
        centre = (move * b + r_next / r) * centre + move * a
        factor = (move * b + r_next / r) * factor
    a, b = estimate(*scales[-1])
    mean, deviation = gaussian.basis.forward(law.mean), (a + b * centre, np.abs(b * factor))[1]
    np.testing.assert_allclose(mean, a + b * centre, atol=1e-8)
    columns = gaussian.basis.forward(gaussian.basis.forward(law.covariance).T)
    np.testing.assert_allclose(columns, np.diag(deviation**2), atol=1e-8)


@pytest.mark.parametrize("kind", GUIDANCE)
def test_guidance_does_not_depend_on_the_grid(problem, kind):
    """Samples at 64 and 256 nodes have the same mean and spread, within one per cent."""
    assert change(problem, GUIDANCE[kind]) < 0.01


@pytest.mark.parametrize(
    "guidance", [PublishedFunDPS(scale=5.0), Replacement(nearest="field")], ids=lambda g: g.kind
)
def test_guidance_by_nodal_values_does(problem, guidance):
    """The published gradient is weaker the finer the grid; a node by itself tells others less."""
    assert change(problem, guidance) > 0.05


def change(problem, guidance):
    """The relative difference of mean and standard deviation between 64 and 256 nodes."""
    gaussian = problem(FourierBasis(1))
    y = gaussian.data_of_a_draw(SENSORS, 256)

    def moments(n):
        problem = Problem(gaussian.denoiser.law, SENSORS)
        made = guidance.conditional(gaussian.denoiser, problem, y, DDIM(steps=32))
        law = law_of_samples(made.func, made.args[0], n)
        mean = gaussian.basis.resample(law.mean.view(1, 1, n), 32).flatten()
        return torch.cat([mean, law.covariance.diagonal().view(32, -1).mean(1).sqrt()])

    coarse, fine = moments(64), moments(256)
    return float((coarse - fine).norm() / fine.norm())


def test_dps_and_pigdm_are_biased(problem):
    """Their laws are not the posterior: docs/benchmarks/guidance.md has a table of errors."""
    gaussian = problem(CosineBasis(1))
    y = gaussian.data_of_a_draw(SENSORS, 32)
    exact = gaussian.posterior(SENSORS, y, 32)

    def error(guidance):
        guided = guidance(gaussian.denoiser, SENSORS, y)
        return law_of_samples(DPMSolver(steps=32), guided, 32).distance(exact) / exact.size

    errors = {kind: error(guidance) for kind, guidance in GUIDANCE.items()}
    assert max(errors["wiener"], errors["moment"]) < 0.01
    assert min(errors["dps"], errors["pigdm"], errors["replacement"]) > 0.02


@pytest.mark.parametrize("basis", [CosineBasis(1), FourierBasis(1)], ids=["cosine", "fourier"])
def test_replacement_is_exact_for_independent_modes(problem, basis):
    """Observed without noise, modes become the data and the others stay as they were."""
    gaussian, modes, n = problem(basis), Modes(highest=2), 32
    y = gaussian.data_of_a_draw(modes, n)
    guided = Replacement()(gaussian.denoiser, modes, y)
    law, exact = law_of_samples(DPMSolver(steps=32), guided, n), gaussian.posterior(modes, y, n)
    assert law.distance(exact) < 0.01 * exact.size
    observed = modes.on(basis, 1, n).forward(law.mean.view(1, 1, n))
    torch.testing.assert_close(observed[0], y, rtol=1e-6, atol=1e-6)


def test_gradients_are_those_of_the_log_likelihood(problem):
    """The score that dps adds is Q∇ log N(y; H x̂_0(x), Γ), by differences in nodal values."""
    gaussian, n = problem(FourierBasis(1)), 8
    y = gaussian.data_of_a_draw(SENSORS, n)
    x, t = gaussian.data.sample(np.random.default_rng(2), 1, n), torch.tensor([0.4]).double()
    observed = SENSORS.on(gaussian.basis, 1, n)

    def log_likelihood(u):
        residual = y - observed.forward(gaussian.denoiser(u, t).data)
        return -0.5 * float((residual / SENSORS.noise).square().sum())

    step, units = 1e-5, torch.eye(n, dtype=torch.float64).view(n, 1, 1, n)
    gradient = torch.tensor(
        [log_likelihood(x + step * e) - log_likelihood(x - step * e) for e in units]
    )
    # The gradient in the inner product of functions is n times that in nodal values.
    expected = Bessel().apply(n * gradient.double() / (2 * step), gaussian.basis)
    guided = PosteriorSampling()(gaussian.denoiser, SENSORS, y)
    added = guided(x, t).score - gaussian.denoiser(x, t).score
    torch.testing.assert_close(added.flatten(), expected, rtol=1e-6, atol=1e-6)


def explicit(problem, sampler, y, **settings):
    """The law of samples of dps with a sampler's own steps, and of what guidance makes of them."""
    made = PosteriorSampling(**settings).conditional(problem.denoiser, *y, sampler)
    return law_of_samples(made.func, made.args[0], 32)


def on_the_line(variance, sampler, **settings):
    """Mean and variance of draws of dps from N(0, 1), given x + ε = 1."""
    exact = ExactDenoiser(
        gaussian(POINTS, STANDARD_NORMAL), noise=STANDARD_NORMAL, process=VariancePreserving()
    )
    problem = Problem(exact.law, Points(points=[(0.5,)], noise=variance**0.5))
    guidance = PosteriorSampling(**settings)
    made = guidance.conditional(exact, problem, torch.ones(1), sampler)
    law = law_of_samples(made.func, made.args[0], 1)
    return np.array([float(law.mean), float(law.covariance)])


def limit(variance):
    """The same for steps of no length, by an equation of its own.

    Of z = x/m with σ = r/m: dz/dlnσ = 2 (z − D), and noise of variance 2 σ² for each unit of −ln σ.
    """

    def estimate(squared):
        """D = a + b z."""
        m = (1 + squared) ** -0.5
        weight = squared * m**2 / variance
        return weight, m**2 * (1 - weight)

    def rates(log_level, state):
        a, b = estimate(np.exp(2 * log_level))
        mean, spread = state
        return [2 * (mean - a - b * mean), 4 * (1 - b) * spread - 2 * np.exp(2 * log_level)]

    process = VariancePreserving()
    ends = [-float(process.half_log_signal_to_noise(t)) for t in DDIM(steps=2).times(process)]
    start = [0.0, 1 + np.exp(2 * ends[0])]
    found = solve_ivp(rates, ends, start, method="LSODA", rtol=1e-10, atol=1e-12).y[:, -1]
    a, b = estimate(np.exp(2 * ends[-1]))
    return np.array([a + b * found[0], b**2 * found[1]])


TABULATED = {1.0: (0.633, 0.434), 0.1: (1.0006, 0.0500)}


@pytest.mark.parametrize("variance", TABULATED)
@pytest.mark.parametrize(
    ("sampler", "order"), [(DDIM(eta=1.0), 1), (DPMSolver(stochastic=True), 2)], ids=["ddim", "dpm"]
)
def test_dps_tends_to_its_limit_at_the_order_of_the_sampler(variance, sampler, order, caplog):
    """Where steps are short enough, of which nothing is told then."""
    true = limit(variance)
    assert true == pytest.approx(TABULATED[variance], abs=2e-3)
    errors = [
        np.abs(on_the_line(variance, replace(sampler, steps=steps)) - true).max()
        for steps in (200, 400)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)
    assert caplog.text == ""


@pytest.mark.parametrize("variance", TABULATED)
def test_implicit_steps_tend_to_the_same_limit(variance):
    """At first order, and never far from it, with 10 steps for data that need thousands either."""
    true = limit(variance)
    errors = [
        np.abs(
            on_the_line(variance, DPMSolver(steps=n, stochastic=True), steps="implicit") - true
        ).max()
        for n in (10, 200, 400)
    ]
    assert errors[0] < 0.4
    assert np.log2(errors[1] / errors[2]) == pytest.approx(1, abs=0.2)
    for sampler in (DDIM(steps=10, eta=1.0), Heun(steps=10), DPMSolver(steps=10)):
        mean, spread = on_the_line(1e-3, sampler, steps="implicit")
        assert mean == pytest.approx(1, abs=0.6)
        assert 0 < spread < 5e-3


def test_steps_that_are_too_long_for_exact_data_are_told(caplog):
    """ζ κ m_s J V/γ², which is 2 at worst where draws stay, and what helps."""
    sampler = DDIM(steps=20, eta=1.0)
    assert abs(on_the_line(0.01, sampler)[0] - 1) > 100
    assert "dps is stiff: " in caplog.text
    assert "use steps: implicit, at least " in caplog.text
    needed = int(re.search(r"at least (\d+) steps", caplog.text)[1])
    caplog.clear()
    on_the_line(1e-12, sampler)
    assert "use steps: implicit, or more noise of the data" in caplog.text  # nobody takes 10¹³
    caplog.clear()
    found = on_the_line(0.01, replace(sampler, steps=int(1.5 * needed)))
    assert caplog.text == ""
    assert found == pytest.approx(limit(0.01), abs=0.1)


def test_lengths_of_steps_are_those_of_matrices(problem):
    """Power iteration against ‖Γ^(−½) H B H* Γ^(−½)‖, of sensors and of steps of both kinds."""
    gaussian, n = problem(CosineBasis(1)), 32
    own = Problem(gaussian.denoiser.law, SENSORS)
    run = Run(gaussian.denoiser, n, 0, torch.float64, torch.device("cpu"))
    matrix, c = gaussian.matrix(SENSORS, n), gaussian.data.covariance(n)[0]
    q, units = Bessel().eigenvalues(CosineBasis(1), n), torch.eye(n, dtype=torch.float64)
    for sampler, factor in ((DPMSolver(steps=12), 1), (DDIM(steps=12, eta=1.0), 2)):
        times = sampler.times(VariancePreserving()).tolist()
        steps, expected = [*steps_down(run, times, [n] * len(times))], []
        for now, then in ((step.now, step.then) for step in steps):
            m, r, m_next, r_next = (
                float(s)
                for s in (now.mean_scale, now.noise_scale, then.mean_scale, then.noise_scale)
            )
            kept = (m * r_next / (m_next * r)) ** factor
            gain = m * c / (m**2 * c + r**2 * q)
            symbol = m_next * (1 - kept) * gain * r**2 * q / m * gain
            seen = matrix @ (n * gaussian.basis.multiply(units, symbol)) @ matrix.T
            expected.append(float(torch.linalg.eigvalsh(seen).max()) / SENSORS.noise**2)
        assert lengths(own, sampler, steps, 1.0) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("sampler", [DDIM(), DPMSolver(), Heun(), DDIM(eta=1.0)])
def test_implicit_steps_are_stable_where_others_are_not(problem, sampler, caplog):
    """16 steps with six sensors: within a tenth of the law that as many as one likes lead to."""
    gaussian = problem(CosineBasis(1))
    y = Problem(gaussian.denoiser.law, SENSORS), gaussian.data_of_a_draw(SENSORS)
    true = explicit(gaussian, Heun(steps=256), y)
    few = replace(sampler, steps=16)
    assert caplog.text == ""
    assert explicit(gaussian, few, y).distance(true) > 10 * true.size
    assert "dps is stiff: " in caplog.text
    assert explicit(gaussian, few, y, steps="implicit").distance(true) < 0.15 * true.size


def test_implicit_steps_do_not_depend_on_the_grid(problem):
    gaussian = problem(FourierBasis(1))
    y = Problem(gaussian.denoiser.law, SENSORS, 256), gaussian.data_of_a_draw(SENSORS, 256)
    made = PosteriorSampling(steps="implicit").conditional(gaussian.denoiser, *y, DDIM(steps=16))
    laws = [law_of_samples(made.func, made.args[0], n) for n in (64, 256)]
    fine = gaussian.basis.resample(laws[1].mean.view(1, 1, 256), 64).flatten()
    assert float((laws[0].mean - fine).norm() / fine.norm()) < 0.01


def test_implicit_steps_are_refused_where_there_are_none():
    with pytest.raises(ValueError, match="steps: implicit is for weight: noise"):
        PosteriorSampling(weight="residual", steps="implicit")
    with pytest.raises(ValueError, match="dps follows the times of a sampler, and adaptive_heun"):
        PosteriorSampling(steps="implicit").check(AdaptiveHeun(), affine=True, noisy=True)


@pytest.mark.parametrize("process", [VarianceExploding(), VariancePreserving()], ids=["ve", "vp"])
def test_published_steps_are_those_of_a_plain_loop(problem, process):
    """Heun steps of x/m without data, after each of which −ζ min(1, σ) ∇ mean (y − H x̂_0)²."""
    gaussian, n, scale = problem(FourierBasis(1), process=process), 8, 0.3
    y = gaussian.data_of_a_draw(SENSORS, n)
    observed, denoiser = SENSORS.on(gaussian.basis, 1, n), gaussian.denoiser
    sampler = Heun(steps=6)
    found = PublishedFunDPS(scale=scale).draw(
        denoiser, SENSORS, y, sampler, n, [3], 5, dtype=torch.float64
    )
    times, zero = sampler.times(process).double(), torch.zeros(())
    m, r = process.mean_scale(times, zero), process.noise_scale(times, zero)
    run = Run(denoiser, n, 5, torch.float64, torch.device("cpu"))

    def estimate(states, i):
        return denoiser(m[i] * states, times[i : i + 1]).data

    def downhill(states, i):
        u = states.clone().requires_grad_()
        loss = (y - observed.forward(estimate(u, i))).square().mean()
        level = min(1.0, float(r[i] / m[i]))
        return -scale * level * torch.autograd.grad(loss, u)[0]

    states = run.gaussian([3], float(times[0]), n) / m[0]
    for i in range(len(times) - 1):
        here, there = r[i] / m[i], r[i + 1] / m[i + 1]
        data, h = estimate(states, i), torch.log(here / there)
        guess = data + there / here * (states - data)
        slope = 1 - (1 - torch.exp(-h)) / h
        moved = guess + slope * (estimate(guess, i + 1) - data)
        states = moved + downhill(states, i)
    end = estimate(states, len(times) - 1) + downhill(states, len(times) - 1)
    torch.testing.assert_close(found.fields, end, rtol=1e-8, atol=1e-10)
    assert found.evaluations[0] == {n: 3 * len(times) - 2}


def test_published_steps_guide_the_more_the_more_there_are(problem):
    """ζ is subtracted in every step, however long it is."""
    gaussian, n = problem(FourierBasis(1)), 32
    y = Problem(gaussian.denoiser.law, SENSORS), gaussian.data_of_a_draw(SENSORS, n)

    def misfit(steps):
        guidance = PublishedFunDPS(scale=2.0)
        made = guidance.conditional(gaussian.denoiser, *y, DDIM(steps=steps))
        law = law_of_samples(made.func, made.args[0], n)
        return float((y[1] - gaussian.matrix(SENSORS, n) @ law.mean).norm())

    assert misfit(64) < 0.7 * misfit(16)
