"""Samplers on Gaussian data, where the exact score is known and each mode evolves on its own.

With data N(0, C) and noise N(0, Q), X_t has the eigenvalues v = m²c + r²λ. The probability flow
takes x_T to x_T √(v_t/v_T), so a deterministic sampler multiplies every mode by a known factor.
"""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from fsdiff.bases import CosineBasis
from fsdiff.parts import build, kinds
from fsdiff.priors import Bessel
from fsdiff.processes import VariancePreserving
from fsdiff.samplers import DDIM, DPMSolver, EulerMaruyama, time_grid

N = 8
KINDS = list(kinds("sampler"))
SPACINGS = ["uniform", "quadratic", "exponential", "log_snr"]
ZERO = torch.zeros((), dtype=torch.float64)


@pytest.fixture(params=["vp", "heat"])
def process(request, tools):
    return VariancePreserving() if request.param == "vp" else tools.Heat()


class Gaussian:
    """Closed forms of one problem, all over the coefficients."""

    def __init__(self, basis, process, tools, n=N, exponent=3.0):
        self.basis, self.process, self.n = basis, process, n
        self.omega_squared = basis.omega_squared(n)
        self.noise = Bessel().eigenvalues(basis, n)
        self.data = tools.power_law(basis, n, exponent)[0]
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

    def flow(self):
        """x at the smallest time over x at the final time, along the probability flow."""
        return self.ratio(self.v(self.process.smallest_time), self.v(self.process.T)).sqrt()


def draw(sampler, denoiser, indices, seed=0, n=N):
    return sampler(denoiser, denoiser.prior, n, indices, seed, dtype=torch.float64)


def factors(sampler, problem, denoiser):
    """By what a linear deterministic sampler multiplies each mode of X_T, read from one sample."""
    basis, n = problem.basis, problem.n
    fields = draw(sampler, denoiser, [3], seed=5, n=n).fields
    start = denoiser.prior.sample(basis, n, [3], 5)
    start = basis.forward(start)[0, 0] * problem.r(problem.process.T)
    return problem.ratio(basis.forward(fields)[0, 0], start)


# Deterministic samplers


@pytest.mark.parametrize(
    ("sampler", "order", "steps"), [(DDIM, 1, (11, 21, 41)), (DPMSolver, 2, (21, 41, 81))]
)
def test_order_of_convergence(basis, process, tools, sampler, order, steps):
    """Each mode's factor tends to the exact one, at the sampler's order in the number of steps."""
    problem = Gaussian(basis, process, tools)
    denoiser = tools.make_denoiser(basis, N, process=process)
    exact = problem.flow() * problem.gain(process.smallest_time)
    errors = []
    for number in steps:
        found = factors(sampler(steps=number), problem, denoiser)
        errors.append(float((problem.ratio(found, exact) - 1)[problem.resolved].abs().max()))
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert rates == pytest.approx(order, abs=0.25), errors


@pytest.mark.parametrize("spacing", SPACINGS)
def test_every_spacing_converges(basis, tools, spacing):
    problem = Gaussian(basis, VariancePreserving(), tools)
    denoiser = tools.make_denoiser(basis, N)
    exact = problem.flow() * problem.gain(1e-3)
    for steps, bound in ((20, 0.9), (80, 0.25)):
        found = factors(DDIM(steps=steps, spacing=spacing), problem, denoiser)
        assert float((problem.ratio(found, exact) - 1)[problem.resolved].abs().max()) < bound


@pytest.mark.parametrize("sampler", [DDIM(steps=100), DPMSolver(steps=30)], ids=["ddim", "dpm"])
def test_variance_of_every_mode_is_the_datas(basis, process, tools, sampler):
    """Factor² × variance of the start = c.

    The limits' own errors: at T the start lacks m²c, and the last estimate leaves out r²λ of the
    smallest time.
    """
    problem = Gaussian(basis, process, tools)
    denoiser = tools.make_denoiser(basis, N, process=process)
    start = problem.r(process.T) ** 2 * problem.noise
    found = factors(sampler, problem, denoiser).real ** 2 * start
    relative = (problem.ratio(found, problem.data) - 1)[problem.resolved]
    limits = problem.ratio(problem.m(1.0) ** 2 * problem.data, start).max()
    limits = limits + problem.ratio(problem.r(1e-3) ** 2 * problem.noise, problem.data).max()
    error = 0.2 if isinstance(sampler, DDIM) else 0.1  # twice that of the factors, see above
    assert float(relative.abs().max()) < float(limits) + error


@pytest.mark.parametrize(
    "sampler",
    [DDIM(steps=30), DPMSolver(steps=15), EulerMaruyama(steps=60)],
    ids=["ddim", "dpm", "euler"],
)
def test_mean_is_recovered(basis, process, tools, sampler):
    """Data N(μ, C): E[X_0|x] = μ + G(x − mμ), an affine network; less the zero-mean part."""
    problem = Gaussian(basis, process, tools)
    x = torch.from_numpy(basis.nodes(N))
    shape = torch.cos(2 * np.pi * x)[:, None] * torch.ones(N, dtype=torch.float64) + 0.5
    mean = basis.inverse(basis.forward(shape), N)[None, None]

    class Affine(nn.Module):
        def forward(self, seen, level):
            t = process.time_of(-level[:1])
            marginal = denoiser.marginal(t, N)
            shift = mean - basis.multiply(mean, problem.m(t) * problem.gain(t))
            return (shift / marginal.wiener_residual.sqrt()).expand_as(seen)

    denoiser = tools.make_denoiser(basis, N, Affine(), process=process)
    centred = tools.make_denoiser(basis, N, process=process)
    shifted = draw(sampler, denoiser, [0]).fields - draw(sampler, centred, [0]).fields
    # The start has mean zero, not m_T μ; what remains of that is m_T μ √(c/v_T) in each mode.
    lost = problem.m(process.T) * problem.ratio(problem.data, problem.v(process.T)).sqrt()
    bound = 0.02 + float(lost.max()) * float(mean.abs().max())
    assert float((shifted - mean).abs().max()) < bound


# Stochastic samplers


REPLICAS = 400


def replicated(basis, tools, **changes):
    """A denoiser of many channels of one law: independent replicas in a single sample."""
    changes.setdefault("spectrum", tools.power_law(basis, N))
    changes["spectrum"] = changes["spectrum"].expand(REPLICAS, *basis.coefficient_shape(N))
    return tools.make_denoiser(basis, N, **changes)


def spread_of(fields, basis):
    """Mean-square coefficient of each mode over independent channels and samples."""
    return basis.forward(fields).abs().square().mean((0, 1))


def check_spread(fields, expected, problem):
    """|û_k|² over count samples: relative standard error √(2/count) (less for complex modes)."""
    count = fields.shape[0] * fields.shape[1]
    relative = problem.ratio(spread_of(fields, problem.basis), expected) - 1
    scores = relative[problem.resolved] / (2 / count) ** 0.5
    assert float(scores.abs().max()) < 5
    # Their mean is sharper, the modes being independent.
    assert abs(float(scores.mean())) < 5 / problem.resolved.sum().sqrt()


def test_euler_maruyama_has_the_variance_of_its_recursion(basis, process, tools):
    """x ← (1 − h(f + g²λ/v)) x + √h g ζ with ζ ~ N(0, Q), started from r_T² λ."""
    problem = Gaussian(basis, process, tools)
    denoiser = replicated(basis, tools, process=process)
    steps, low = 30, process.smallest_time
    times = np.linspace(1.0, low, steps + 1)
    h = times[0] - times[1]
    variance = problem.r(1.0) ** 2 * problem.noise
    for t in times[:-1]:
        beta = 0.1 + 19.9 * t
        a = getattr(process, "rate", lambda w: 1 + 0 * w)(problem.omega_squared)
        factor = 1 + h * (0.5 * beta * a - beta * problem.ratio(problem.noise, problem.v(t)))
        variance = factor**2 * variance + h * beta * problem.noise
    samples = draw(EulerMaruyama(steps=steps), denoiser, [0])
    check_spread(samples.fields, variance, problem)


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_stochastic_ddim_has_the_variance_of_its_recursion(basis, process, tools, eta):
    """x_s = (m_s G + √(r_s² − σ²) H) x_t + σζ, where x̂_0 = Gx and η̂ = Hx."""
    problem = Gaussian(basis, process, tools)
    denoiser = replicated(basis, tools, process=process)
    sampler = DDIM(steps=12, eta=eta)
    times = time_grid(process, 12, sampler.spacing).tolist()
    variance = problem.r(1.0) ** 2 * problem.noise
    for t, s in itertools.pairwise(times):
        m_t, r_t, m_s, r_s = problem.m(t), problem.r(t), problem.m(s), problem.r(s)
        sigma = eta * r_s * (1 - (m_t * r_s / (m_s * r_t)) ** 2).sqrt()
        factor = m_s * problem.gain(t) + (r_s**2 - sigma**2).sqrt() * problem.noise_gain(t)
        variance = factor**2 * variance + sigma**2 * problem.noise
    variance = problem.gain(times[-1]) ** 2 * variance
    check_spread(draw(sampler, denoiser, [0]).fields, variance, problem)


def test_stochastic_dpm_solver_is_of_second_order(tools):
    """A fifth of the ancestral sampler's error in the variance, which is of first order."""
    basis = CosineBasis(2)
    problem = Gaussian(basis, VariancePreserving(), tools)
    errors = []
    for sampler in (DDIM(steps=24, eta=1.0), DPMSolver(steps=24, stochastic=True)):
        fields = draw(sampler, replicated(basis, tools), [0]).fields
        errors.append(abs(float((spread_of(fields, basis) / problem.data).mean()) - 1))
    # 64 modes of 400 replicas: the mean ratio has standard error √(2/25600) = 0.009.
    assert errors[1] < 0.2 * errors[0] + 5 * 0.009, errors
    assert errors[0] > 0.25, "no test without an error of the first-order sampler"


@pytest.mark.parametrize(
    ("sampler", "steps"), [(EulerMaruyama(), 40), (DDIM(eta=1.0), 24)], ids=["euler", "ancestral"]
)
def test_stochastic_samplers_tend_to_the_datas_variance(tools, sampler, steps):
    """Weak order one: the error of the variance halves when the steps double."""
    basis = CosineBasis(2)
    problem = Gaussian(basis, VariancePreserving(), tools)
    errors = []
    for number in (steps, 2 * steps):
        fields = draw(dataclasses.replace(sampler, steps=number), replicated(basis, tools), [0])
        ratio = spread_of(fields.fields, basis) / problem.data
        errors.append(abs(float(ratio.mean()) - 1))
    # 64 modes of 400 replicas: the mean ratio has standard error √(2/25600) = 0.009.
    assert errors[1] < 0.6 * errors[0] + 5 * 0.009
    assert errors[1] < 0.25


EXACT_ON_KNOWN_DATA = {
    "eta-0": DDIM(steps=4),
    "eta-0.6": DDIM(steps=4, eta=0.6),
    "ancestral": DDIM(steps=4, eta=1.0),
    "dpm": DPMSolver(steps=4),
    "dpm-stochastic": DPMSolver(steps=4, stochastic=True),
}


@pytest.mark.parametrize("name", EXACT_ON_KNOWN_DATA)
def test_exponential_steps_are_exact_when_the_data_are_known(
    basis, process, tools, monkeypatch, name
):
    """X_0 = 0, so E[X_0|x] = 0 and η̂ = x/r_t: every X_s has variance r_s² in units of λ.

    √(r_s² − σ²) η̂ + σζ has it for every σ, and so has (r_s/r_t) e^{−h} x + r_s √(1 − e^{−2h}) ζ.
    """
    problem = Gaussian(basis, process, tools)
    denoiser = replicated(basis, tools, process=process, spectrum=1e-16 * tools.power_law(basis, N))
    states = []
    forward = denoiser.forward

    def remember(x, t):
        states.append((x, float(t[0])))
        return forward(x, t)

    monkeypatch.setattr(denoiser, "forward", remember)
    draw(EXACT_ON_KNOWN_DATA[name], denoiser, [0])
    assert len(states) == 4
    for state, t in states:
        check_spread(state, problem.r(t) ** 2 * problem.noise, problem)


# What a sample depends on


def make(kind, **changes):
    sampler = build("sampler", {"kind": kind})
    names = {field.name for field in dataclasses.fields(sampler)}
    return dataclasses.replace(sampler, **{k: v for k, v in changes.items() if k in names})


STOCHASTIC = [*KINDS, "ddim-eta", "dpm-stochastic"]


def any_sampler(name, steps):
    if name == "ddim-eta":
        return DDIM(steps=steps, eta=0.7)
    if name == "dpm-stochastic":
        return DPMSolver(steps=steps, stochastic=True)
    return make(name, steps=steps)


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("n", [8, 9])
def test_a_sample_does_not_depend_on_its_batch(basis, process, tools, name, n):
    denoiser = tools.make_denoiser(basis, n, process=process)
    sampler = any_sampler(name, 5)
    together = draw(sampler, denoiser, range(6), n=n).fields
    assert together.shape == (6, 1, n, n)
    apart = [draw(sampler, denoiser, part, n=n).fields for part in ([0], range(1, 4), [4, 5])]
    assert torch.cat(apart).equal(together)
    backwards = draw(sampler, denoiser, [5, 2], n=n).fields
    assert backwards.equal(together[[5, 2]])


@pytest.mark.parametrize("name", STOCHASTIC)
def test_samples_depend_on_seed_and_index(basis, tools, name):
    denoiser = tools.make_denoiser(basis, N)
    sampler = any_sampler(name, 5)
    first = draw(sampler, denoiser, [0, 1], seed=1).fields
    torch.manual_seed(123)
    assert draw(sampler, denoiser, [0, 1], seed=1).fields.equal(first)
    assert not torch.allclose(first[0], first[1])
    assert not torch.allclose(draw(sampler, denoiser, [0, 1], seed=2).fields, first)


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("coarse", [15, 16])
def test_samples_are_nested_in_resolution(basis, process, tools, name, coarse):
    """For a linear denoiser, the sample on a coarse grid is the restricted one of a fine grid."""
    denoiser = tools.make_denoiser(basis, 32, process=process)
    sampler = any_sampler(name, 6)
    fine = draw(sampler, denoiser, [0, 4], n=32).fields
    found = draw(sampler, denoiser, [0, 4], n=coarse).fields
    torch.testing.assert_close(basis.restrict(fine, coarse), found, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("steps", [2, 7])
def test_network_evaluations_are_counted(basis, tools, name, steps):
    denoiser = tools.make_denoiser(basis, N)
    samples = draw(any_sampler(name, steps), denoiser, [0])
    assert samples.network_evaluations == denoiser.network.calls == steps


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_and_channels(basis, process, tools, name, dtype):
    spectrum = torch.cat([tools.power_law(basis, N), tools.power_law(basis, N, 2.5)])
    denoiser = tools.make_denoiser(basis, N, process=process, spectrum=spectrum)
    sampler = any_sampler(name, 5)
    fields = sampler(denoiser, denoiser.prior, N, [0, 1], 0, dtype=dtype).fields
    assert fields.dtype == dtype
    assert fields.shape == (2, 2, N, N)
    assert torch.isfinite(fields).all()
    assert not fields.requires_grad
    one = draw(sampler, tools.make_denoiser(basis, N, process=process), [0, 1]).fields
    torch.testing.assert_close(fields[:, :1].double(), one, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", STOCHASTIC)
def test_modes_whose_data_are_wholly_gone_are_harmless(basis, tools, name):
    """m underflows on the high modes of a process that smooths as strongly as the published one.

    With ω in units of the pixel and τ(1) = 5, m falls to exp(−5(1 + 2π²)) = 10⁻⁴⁵ at t = 1.
    """
    denoiser = tools.make_denoiser(basis, N, process=tools.Heat(length=0.2))
    fields = any_sampler(name, 10)(denoiser, denoiser.prior, N, [0], 0).fields
    assert torch.isfinite(fields).all()


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
        "quadratic": torch.sqrt,
        "exponential": torch.log,
        "log_snr": lambda t: (process.mean_scale(t, ZERO) / process.noise_scale(t, ZERO)).log(),
    }
    for spacing, transform in transforms.items():
        steps = transform(time_grid(process, 9, spacing)).diff()
        torch.testing.assert_close(steps, steps.mean().expand(8), rtol=1e-7, atol=0)
