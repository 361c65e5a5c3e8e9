"""Samplers on Gaussian data, where the exact score is known and each mode evolves on its own.

With data N(0, C) and noise N(0, Q), X_t has the eigenvalues v = m²c + r²λ. All samplers are linear
then, so the variance of each mode of their samples is computed without sampling: the sum of the
squares of its answers to every draw of noise (``tools.drawn_spectrum``).
"""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from fsdiff.diffusion.exact import ExactDenoiser, gaussian
from fsdiff.diffusion.processes.heat import HeatDissipation, StochasticHeat
from fsdiff.diffusion.processes.linear_interpolant import LinearInterpolant
from fsdiff.diffusion.processes.variance_exploding import VarianceExploding
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck, VariancePreserving
from fsdiff.diffusion.samplers import (
    DDIM,
    AdaptiveHeun,
    AnnealedLangevin,
    DPMSolver,
    EulerMaruyama,
    Heun,
    Multilevel,
    PredictorCorrector,
)
from fsdiff.diffusion.samplers.annealed_langevin import langevin
from fsdiff.diffusion.samplers.base import Run, State, Step
from fsdiff.diffusion.samplers.times import time_grid
from fsdiff.measures.priors import Bessel, Laplacian, Standard
from fsdiff.spaces.bases import CosineBasis, FourierBasis

N = 8
SPACINGS = ["uniform", "quadratic", "exponential", "log_snr"]
ZERO = torch.zeros((), dtype=torch.float64)
LINE = CosineBasis(1)


@pytest.fixture(params=["cosine", "fourier"])
def basis(request):
    """Both bases of the interval: modes do not see each other, so that one axis will do."""
    return {"cosine": CosineBasis, "fourier": FourierBasis}[request.param](1)


def halving(sampler, first, tools, **parts):
    """Errors of the spectrum with ``first`` steps, twice and four times as many."""
    return [
        tools.spectrum_error(dataclasses.replace(sampler, steps=first * k), LINE, N, **parts)
        for k in (1, 2, 4)
    ]


# Orders of convergence

ORDERS = {
    "euler-maruyama": (EulerMaruyama(spacing="log_snr"), 1, 30),
    "ddim": (DDIM(), 1, 20),
    "ddim-eta": (DDIM(eta=0.5), 1, 20),
    "ancestral": (DDIM(eta=1.0), 1, 30),
    "dpm": (DPMSolver(), 2, 20),
    "dpm-stochastic": (DPMSolver(stochastic=True), 2, 20),
    "heun": (Heun(), 2, 20),
}


@pytest.mark.parametrize("name", ORDERS)
def test_order_of_convergence(process, tools, name):
    """Weak order: the variances of all modes tend to the exact ones."""
    sampler, order, first = ORDERS[name]
    errors = halving(sampler, first, tools, process=process)
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert rates == pytest.approx(order, abs=0.25), errors


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", [DDIM, DPMSolver, Heun])
def test_every_spacing_converges(tools, kind, spacing):
    errors = halving(kind(spacing=spacing), 20, tools)
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.6 * errors[1]


def test_adaptive_steps_keep_the_tolerance(process, tools):
    """Errors fall like the tolerance, evaluations rise like its inverse square root."""
    errors, evaluations = [], []
    for tolerance in (1e-2, 2.5e-3):
        sampler = AdaptiveHeun(tolerance=tolerance)
        errors.append(tools.spectrum_error(sampler, LINE, N, process=process))
        samples = tools.drawn_spectrum(sampler, LINE, N, process=process)[1]
        evaluations.append(samples.network_evaluations)
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(1.7, abs=0.4), errors
    assert np.log2(np.array(evaluations[1:]) / evaluations[:-1]) == pytest.approx(0.8, abs=0.2)
    assert errors[0] < 2 * 1e-2


def test_adaptive_steps_see_structure_that_grows_from_noise(tools):
    """Where one mode has no noise and all the energy, long steps would miss all the others."""
    parts = {"prior": Laplacian(), "process": LinearInterpolant()}
    assert tools.spectrum_error(AdaptiveHeun(tolerance=0.01), LINE, N, **parts) < 0.02


@pytest.mark.parametrize("name", ["euler-maruyama", "dpm"])
def test_time_is_reversed_on_the_published_clock_of_the_heat_equation(tools, name):
    sampler, order, first = ORDERS[name]
    process = StochasticHeat(length=1 / N, clock="cosine")
    errors = halving(sampler, 2 * first, tools, process=process)
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert rates == pytest.approx(order, abs=0.25), errors


@pytest.mark.parametrize("process", [VariancePreserving(), VarianceExploding(), StochasticHeat()])
def test_corrections_repair_a_coarse_predictor(tools, process):
    predictor = DDIM(steps=20)
    before = tools.spectrum_error(predictor, LINE, N, process=process)
    corrected = PredictorCorrector(sampler=predictor, corrections=4, step_size=0.2)
    assert tools.spectrum_error(corrected, LINE, N, process=process) < 0.7 * before


@pytest.mark.parametrize(
    "process", [VariancePreserving(), VarianceExploding(), LinearInterpolant(), OrnsteinUhlenbeck()]
)
def test_annealed_langevin_lags_behind_its_levels(tools, process):
    """Noise that decays at the rate K·a and falls by 2h a level is larger by 1/(1 − 2h/Ka)."""
    sampler = AnnealedLangevin(steps=200, corrections=2, step_size=0.2)
    ends = process.half_log_signal_to_noise(
        torch.tensor([process.T, process.smallest_time]).double()
    )
    fall = float(ends.diff()) / (sampler.steps - 1)
    lag = 2 * fall / (sampler.corrections * sampler.step_size)
    error = tools.spectrum_error(sampler, LINE, N, process=process)
    assert error == pytest.approx(lag / (1 - lag), rel=0.15)


# Against the samplers' own recursions


class Gaussian:
    """Closed forms of one problem, all over the coefficients."""

    def __init__(self, basis, process, tools, n=N):
        self.basis, self.process, self.n = basis, process, n
        self.omega_squared = basis.omega_squared(n)
        self.noise = Bessel().eigenvalues(basis, n)
        self.data = tools.power_law(basis, n)[0]
        self.resolved = basis.resolved(n)

    def m(self, t):
        return self.process.mean_scale(torch.as_tensor(t, dtype=torch.float64), self.omega_squared)

    def r(self, t):
        return self.process.noise_scale(torch.as_tensor(t, dtype=torch.float64), self.omega_squared)

    def v(self, t):
        return self.m(t) ** 2 * self.data + self.r(t) ** 2 * self.noise

    def gain(self, t):
        """E[X_0|x]/x."""
        return self.ratio(self.m(t) * self.data, self.v(t))

    def noise_gain(self, t):
        """E[η|x]/x."""
        return self.ratio(self.r(t) * self.noise, self.v(t))

    def ratio(self, a, b):
        return torch.where(self.resolved, a / torch.where(self.resolved, b, 1.0), 0.0)


@pytest.fixture
def problem(basis, process, tools):
    return Gaussian(basis, process, tools)


def assert_spectrum(sampler, problem, tools, variance):
    found, _ = tools.drawn_spectrum(sampler, problem.basis, N, process=problem.process)
    tools.close(found, problem.gain(problem.process.smallest_time) ** 2 * variance, rtol=1e-6)


def test_euler_maruyama_is_its_recursion(problem, tools):
    """x ← (1 − h(f + g²λ/v)) x + √h g ζ with ζ ~ N(0, Q)."""
    sampler = EulerMaruyama(steps=30)
    variance = problem.v(1.0)
    for t, s in itertools.pairwise(np.linspace(1.0, problem.process.smallest_time, 30)):
        h, beta = t - s, 0.1 + 19.9 * t
        a = 1 + getattr(problem.process, "length", 0) ** 2 * problem.omega_squared
        factor = 1 + h * (0.5 * beta * a - beta * problem.ratio(problem.noise, problem.v(t)))
        variance = factor**2 * variance + h * beta * problem.noise
    assert_spectrum(sampler, problem, tools, variance)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("corrections", [0, 2])
def test_ddim_is_its_recursion(problem, tools, eta, corrections):
    """x_s = (m_s G + √(r_s² − σ²) H) x_t + σζ, where x̂_0 = Gx and η̂ = Hx.

    Then, K times, x ← (1 − ½aκ) x + √a r ζ with κ = r²λ/v.
    """
    sampler = DDIM(steps=12, eta=eta)
    variance = problem.v(1.0)
    for t, s in itertools.pairwise(time_grid(problem.process, 12, sampler.spacing).tolist()):
        m_t, r_t, m_s, r_s = problem.m(t), problem.r(t), problem.m(s), problem.r(s)
        sigma = eta * r_s * (1 - (m_t * r_s / (m_s * r_t)) ** 2).sqrt()
        factor = m_s * problem.gain(t) + (r_s**2 - sigma**2).sqrt() * problem.noise_gain(t)
        variance = factor**2 * variance + sigma**2 * problem.noise
        variance = corrected(problem, variance, s, corrections)
    if corrections:
        sampler = PredictorCorrector(sampler=sampler, corrections=corrections, step_size=0.3)
    assert_spectrum(sampler, problem, tools, variance)


def corrected(problem, variance, t, corrections):
    factor = 1 - 0.5 * 0.3 * problem.r(t) * problem.noise_gain(t)
    for _ in range(corrections):
        variance = factor**2 * variance + 0.3 * problem.r(t) ** 2 * problem.noise
    return variance


def step_of_white_noise(n):
    """A step to where there is hardly more than white noise, and a state there."""
    data = gaussian(CosineBasis(2), Bessel(power=2.0))
    noise = Standard(reference_resolution=n)  # nodes are N(0, 1)
    exact = ExactDenoiser(data, noise=noise, process=VarianceExploding())
    run = Run(exact, n, 0, torch.float64, torch.device("cpu"))
    marginal = run.marginal(1.0, n)
    return Step(run, 3, n, None, marginal, marginal), State((0,), run.gaussian((0,), 1.0, n))


def test_a_published_ratio_of_signal_to_noise_is_a_step_size():
    """x + ε∇ log p + √(2ε) z with ε = 2(ρ‖z‖/‖∇ log p‖)² has a step size of 4ρ²."""
    ratio, (step, state) = 0.16, step_of_white_noise(32)
    x, z = state.fields, step.noise(state, 0)
    score = step.run.denoiser.estimate(x, step.then).score
    epsilon = 2 * (ratio * z.norm() / score.norm()) ** 2
    expected = epsilon * score + (2 * epsilon).sqrt() * z
    langevin(step, 1, 4 * ratio**2)(state)
    assert float((state.fields - x - expected).norm() / expected.norm()) < 0.05


def test_langevin_steps_by_themselves_have_a_variance_that_is_too_large():
    """By the factor 1/(1 − a/4); 1024 nodes tell it to five per cent."""
    step, state = step_of_white_noise(32)
    langevin(step, 40, 1.0)(state)
    variance = state.fields.square().mean() / step.then.noise_scale.square()
    assert float(variance) == pytest.approx(4 / 3, rel=0.12)


def test_annealed_langevin_is_its_recursion(problem, tools):
    """x ← (m_s/m_t) x before corrections as above."""
    sampler = AnnealedLangevin(steps=10, corrections=2, step_size=0.3)
    variance = problem.v(1.0)
    for t, s in itertools.pairwise(time_grid(problem.process, 10, "log_snr").tolist()):
        variance = variance * problem.ratio(problem.m(s), problem.m(t)) ** 2
        variance = corrected(problem, variance, s, 2)
    assert_spectrum(sampler, problem, tools, variance)


EXACT_ON_KNOWN_DATA = {
    "eta-0": DDIM(steps=4),
    "eta-0.6": DDIM(steps=4, eta=0.6),
    "ancestral": DDIM(steps=4, eta=1.0),
    "dpm": DPMSolver(steps=4),
    "dpm-stochastic": DPMSolver(steps=4, stochastic=True),
    "heun": Heun(steps=4),
    "corrected": PredictorCorrector(sampler=DDIM(steps=4), step_size=1e-9),
}


@pytest.mark.parametrize("name", EXACT_ON_KNOWN_DATA)
def test_exponential_steps_are_exact_when_the_data_are_known(problem, tools, monkeypatch, name):
    """X_0 = 0, so E[X_0|x] = 0 and η̂ = x/r_t: every X_s has variance r_s² in units of λ.

    √(r_s² − σ²) η̂ + σζ has it for every σ, and so has (r_s/r_t) e^{−h} x + r_s √(1 − e^{−2h}) ζ.
    """
    ends = []
    denoise = Run.denoise

    def remember(run, state, fields, marginal):
        ends.append((fields, marginal))
        return denoise(run, state, fields, marginal)

    monkeypatch.setattr(Run, "denoise", remember)
    spectrum = 1e-16 * tools.power_law(problem.basis, N)
    sampler = EXACT_ON_KNOWN_DATA[name]
    tools.drawn_spectrum(sampler, problem.basis, N, process=problem.process, spectrum=spectrum)
    fields, marginal = ends[-1]
    assert float(marginal.time) == problem.process.smallest_time
    variance = problem.basis.forward(fields[0]).abs().square().sum(0)
    tools.close(variance, marginal.noise_scale[0, 0] ** 2 * problem.noise, rtol=1e-6)


@pytest.mark.parametrize(
    "sampler",
    [DDIM(steps=30), DPMSolver(steps=15), Heun(steps=15), EulerMaruyama(steps=60)],
    ids=["ddim", "dpm", "heun", "euler"],
)
def test_mean_is_recovered(basis, process, tools, sampler):
    """Data N(μ, C): E[X_0|x] = μ + G(x − mμ), an affine network; less the zero-mean part."""
    problem = Gaussian(basis, process, tools)
    x = torch.from_numpy(basis.nodes(N))
    mean = basis.inverse(basis.forward(torch.cos(2 * np.pi * x) + 0.5), N)[None, None]

    class Affine(nn.Module):
        def forward(self, seen, level):
            t = process.time_of(-level[:1])
            marginal = denoiser.law.marginal(t, N)
            shift = mean - basis.multiply(mean, problem.m(t) * problem.gain(t))
            return (shift / marginal.wiener_residual.sqrt()).expand_as(seen)

    denoiser = tools.make_denoiser(basis, N, Affine(), process=process)
    centred = tools.make_denoiser(basis, N, process=process)
    fields = [
        sampler(model, N, [0], 0, dtype=torch.float64).fields for model in (denoiser, centred)
    ]
    # The start has mean zero, not m_T μ; what remains of that is m_T μ √(c/v_T) in each mode.
    lost = problem.m(process.T) * problem.ratio(problem.data, problem.v(process.T)).sqrt()
    bound = 0.02 + float(lost.max()) * float(mean.abs().max())
    assert float((fields[0] - fields[1] - mean).abs().max()) < bound


# The start


def test_what_is_left_of_the_data_at_the_end_is_in_the_start(tools):
    """The mean of X_T is the data's where nothing is blurred, or no noise drawn, at ω = 0."""
    for parts in ({"process": HeatDissipation()}, {"prior": Laplacian()}):
        found, _ = tools.drawn_spectrum(DPMSolver(steps=6), LINE, N, **parts)
        tools.close(found[0], tools.exact_spectrum(LINE, N, **parts)[0], rtol=1e-3)


# Times


@pytest.mark.parametrize("spacing", SPACINGS)
def test_time_grids_run_from_the_end_to_the_smallest_time(spacing):
    process = VariancePreserving(smallest_time=2e-3)
    times = time_grid(process, 17, spacing)
    assert times.shape == (17,)
    assert times.dtype == torch.float64
    assert float(times[0]) == 1.0
    assert float(times[-1]) == 2e-3
    assert (times.diff() < 0).all()


def test_time_grids_are_uniform_in_their_variable():
    process = VariancePreserving()
    transforms = {
        "uniform": lambda t: t,
        "quadratic": lambda t: (t - process.smallest_time).sqrt(),
        "exponential": torch.log,
        "log_snr": lambda t: process.log_ratio(t, ZERO),
    }
    for spacing, transform in transforms.items():
        steps = transform(time_grid(process, 9, spacing)).diff()
        torch.testing.assert_close(steps, steps.mean().expand(8), rtol=1e-7, atol=0)


def test_quadratic_times_end_as_those_to_zero_do():
    """T(i/N)², of a process that starts long before its last step."""
    times = time_grid(OrnsteinUhlenbeck(), 201, "quadratic")
    published = 10 * (torch.arange(200, -1, -1, dtype=torch.float64) / 200) ** 2
    torch.testing.assert_close(times, published, rtol=0, atol=1.01e-4)
    assert float(-times.diff()[-1]) == pytest.approx(10 / 200**2, rel=1e-4)


# What makes no sense


WRAPPED = [
    AnnealedLangevin(),
    PredictorCorrector(sampler=AnnealedLangevin()),
    Multilevel(sampler=AnnealedLangevin()),
]


@pytest.mark.parametrize("sampler", WRAPPED, ids=lambda sampler: sampler.kind)
def test_annealing_needs_noise_that_falls(sampler):
    with pytest.raises(ValueError, match="that of heat_dissipation is the same at all times: use"):
        sampler.check(HeatDissipation())
    sampler.check(VarianceExploding())


def test_levels_that_fall_too_fast_are_refused(tools):
    process, sampler = VariancePreserving(), AnnealedLangevin(steps=40)
    with pytest.raises(ValueError, match=r"falls by up to 0\.25 .* decay by 0\.09: use more steps"):
        sampler.check_grid(process, LINE, 16)
    AnnealedLangevin().check_grid(process, LINE, 16)
    assert tools.spectrum_error(sampler, LINE, N) > 10


def test_unstable_steps_are_refused(tools):
    process, plane = StochasticHeat(), CosineBasis(2)
    sampler = EulerMaruyama(steps=200)
    sampler.check_grid(process, plane, 32)
    with pytest.raises(ValueError, match=r"unstable for stochastic_heat on 128 nodes, .* eta: 1"):
        sampler.check_grid(process, plane, 128)
    for wrapper in (PredictorCorrector, Multilevel):
        with pytest.raises(ValueError, match="unstable"):
            wrapper(sampler=sampler).check_grid(process, plane, 128)
    with pytest.raises(ValueError, match="unstable for heat_dissipation"):
        sampler.check_grid(HeatDissipation(), plane, 32)
    blown_up = tools.spectrum_error(EulerMaruyama(steps=40), LINE, N, process=HeatDissipation())
    assert blown_up > 1e6
