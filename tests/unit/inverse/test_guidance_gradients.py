"""Guidance by gradients and by replacement on Gaussian data: recursions without sampling error."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from fsdiff.diffusion.exact import POINTS, STANDARD_NORMAL, ExactDenoiser, gaussian
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import DDIM, DPMSolver
from fsdiff.inverse.guidance.dps import PosteriorSampling
from fsdiff.inverse.guidance.fundps_published import PublishedFunDPS
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.pigdm import PseudoinverseGuidance
from fsdiff.inverse.guidance.replacement import Replacement
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


@pytest.mark.parametrize(("variance", "expected"), [(1.0, (0.633, 0.434)), (0.1, (1.0006, 0.0500))])
def test_bias_of_dps_on_the_line(variance, expected):
    """Prior N(0, 1), y = x + ε = 1, reverse SDE, ζ = 1; too far, and too sure by up to √2."""
    exact = ExactDenoiser(
        gaussian(POINTS, STANDARD_NORMAL), noise=STANDARD_NORMAL, process=VariancePreserving()
    )
    sensor = Points(points=[(0.5,)], noise=variance**0.5)
    guided = PosteriorSampling()(exact, sensor, torch.ones(1))
    law = law_of_samples(DPMSolver(steps=200, stochastic=True), guided, 1)
    found = (float(law.mean), float(law.covariance))
    assert found == pytest.approx(expected, abs=5e-3)


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
    "guidance", [PublishedFunDPS(scale=20.0), Replacement(nearest="field")], ids=lambda g: g.kind
)
def test_guidance_by_nodal_values_does(problem, guidance):
    """The published gradient is weaker the finer the grid; a node by itself tells others less."""
    assert change(problem, guidance) > 0.05


def change(problem, guidance):
    """The relative difference of mean and standard deviation between 64 and 256 nodes."""
    gaussian = problem(FourierBasis(1))
    y = gaussian.data_of_a_draw(SENSORS, 256)

    def moments(n):
        guided = guidance(gaussian.denoiser, SENSORS, y)
        law = law_of_samples(DDIM(steps=32), guided, n)
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


def test_published_gradient_is_that_of_nodal_values(problem):
    """−ζ ∇_x mean (y − H x̂_0)², r/m below one."""
    gaussian, n = problem(FourierBasis(1)), 8
    y = gaussian.data_of_a_draw(SENSORS, n)
    x, t = gaussian.data.sample(np.random.default_rng(2), 1, n), torch.tensor([0.2]).double()
    observed, process = SENSORS.on(gaussian.basis, 1, n), VariancePreserving()
    level = math.exp(-float(process.half_log_signal_to_noise(t)))
    u = x.clone().requires_grad_()
    loss = (y - observed.forward(gaussian.denoiser(u, t).data)).square().mean()
    expected = -3.0 * min(1.0, level) * torch.autograd.grad(loss, u)[0]
    guided = PublishedFunDPS(scale=3.0)(gaussian.denoiser, SENSORS, y)
    added = guided(x, t).data - gaussian.denoiser(x, t).data
    torch.testing.assert_close(added, expected, rtol=1e-8, atol=1e-10)
