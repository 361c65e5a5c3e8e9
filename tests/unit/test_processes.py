"""Forward processes: their marginals solve their stochastic differential equation."""

import numpy as np
import pytest
import torch

from fsdiff.parts import build, kinds
from fsdiff.processes import VariancePreserving

TIMES = torch.linspace(0.01, 1.0, 50, dtype=torch.float64)
OMEGA = torch.tensor([0.0, 300.0, 1500.0], dtype=torch.float64)


def beta(t):
    return 0.1 + 19.9 * t


def integral(t):
    return 0.1 * t + 0.5 * 19.9 * t**2


def close(a, b):
    a, b = torch.broadcast_tensors(a, b)
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.fixture(params=["vp", "heat"])
def process(request, tools):
    return VariancePreserving() if request.param == "vp" else tools.Heat(length=0.05)


def test_variance_preserving_closed_forms():
    process = VariancePreserving()
    assert process.T == 1
    m, r = process.mean_scale(TIMES, OMEGA[0]), process.noise_scale(TIMES, OMEGA[0])
    close(m, torch.exp(-0.5 * integral(TIMES)))
    close(m**2 + r**2, torch.ones_like(TIMES))
    close(process.drift(TIMES, OMEGA[0]), -0.5 * beta(TIMES))
    close(process.diffusion(TIMES, OMEGA[0]) ** 2, beta(TIMES))
    close(process.mean_rate(TIMES, OMEGA[0]), -0.5 * beta(TIMES) * m)
    close(process.noise_rate(TIMES, OMEGA[0]), 0.5 * beta(TIMES) * m**2 / r)


def test_variance_preserving_takes_its_rates():
    process = VariancePreserving(beta_min=1.0, beta_max=3.0)
    t = torch.tensor(0.5, dtype=torch.float64)
    zero = torch.zeros((), dtype=torch.float64)
    assert float(process.mean_scale(t, zero)) == pytest.approx(np.exp(-0.5 * (0.5 + 0.25)))
    assert float(process.diffusion(t, zero) ** 2) == pytest.approx(2.0)


def test_variance_preserving_keeps_small_noise_exactly():
    """r² = B for small t: 1 − exp(−B) must not be computed by subtraction, even in float32."""
    t = torch.tensor(1e-6)
    r = VariancePreserving().noise_scale(t, torch.zeros(()))
    assert float(r) == pytest.approx(np.sqrt(integral(1e-6)), rel=1e-5)


def test_heat_closed_forms(tools):
    """The interface's derivatives on scales that differ by mode: f = −½βa and g² = β."""
    process = tools.Heat(length=0.05)
    t = TIMES[:, None]
    a = 1 + 0.05**2 * OMEGA
    close(process.drift(t, OMEGA), -0.5 * beta(t) * a)
    close(process.diffusion(t, OMEGA) ** 2, beta(t))
    assert process.drift(t, OMEGA).shape == (50, 3)


def test_rates_are_derivatives(process):
    t, h = TIMES[:, None], 1e-5
    for scale, rate in (
        (process.mean_scale, process.mean_rate),
        (process.noise_scale, process.noise_rate),
    ):
        difference = (scale(t + h, OMEGA) - scale(t - h, OMEGA)) / (2 * h)
        found, difference = torch.broadcast_tensors(rate(t, OMEGA), difference)
        torch.testing.assert_close(found, difference, rtol=1e-5, atol=1e-6)


def test_marginals_are_those_of_the_simulated_equation(process):
    """dX = f X dt + g √λ dW by Euler–Maruyama: mean m x_0 and variance r² λ, mode by mode."""
    paths, steps = 5000, 400
    eigenvalue = torch.tensor([1.0, 0.3, 0.1], dtype=torch.float64)
    start = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
    random = torch.Generator().manual_seed(0)
    x = start.expand(paths, 3).clone()
    length = 1 / steps
    middle = (torch.arange(steps, dtype=torch.float64)[:, None] + 0.5) * length
    drift = process.drift(middle, OMEGA).expand(steps, 3)
    spread = process.diffusion(middle, OMEGA) * (length * eigenvalue).sqrt()
    for step in range(steps):
        kick = torch.randn(paths, 3, generator=random, dtype=torch.float64)
        x = x + length * drift[step] * x + spread[step] * kick
        now = torch.tensor((step + 1) * length, dtype=torch.float64)
        if step + 1 in (80, 160, 400):
            mean = process.mean_scale(now, OMEGA) * start
            variance = process.noise_scale(now, OMEGA) ** 2 * eigenvalue
            # Standard errors √(variance/paths) and variance·√(2/paths), five of each. The scheme's
            # bias, β·a·h/4 <= 6 % of r² where a = 5 and t = 1, and ∫(βa)²h/8 of m, comes on top.
            a = -2 * process.drift(now, OMEGA) / beta(now)
            bias = beta(now) * a * length / 4 + 0.002
            assert ((x.mean(0) - mean).abs() < 5 * (variance / paths).sqrt() + 0.01).all()
            error = (x.var(0) / variance - 1).abs()
            assert (error < 5 * (2 / paths) ** 0.5 + bias).all()


def test_signal_to_noise_falls_and_its_inverse_is_found(process):
    level = process.log_signal_to_noise(TIMES)
    zero = torch.zeros((), dtype=torch.float64)
    close(level, (process.mean_scale(TIMES, zero) / process.noise_scale(TIMES, zero)).log())
    assert (level.diff() < 0).all()
    torch.testing.assert_close(process.time_of(level), TIMES, rtol=1e-9, atol=0)
    ends = process.time_of(torch.tensor([50.0, -50.0], dtype=torch.float64))
    torch.testing.assert_close(ends, torch.tensor([1e-3, 1.0], dtype=torch.float64))


@pytest.mark.parametrize("kind", kinds("process"))
def test_every_process_starts_at_the_data_and_forgets_it(kind):
    """m(0) = 1 and r(0) = 0; information about the data never returns; the interface broadcasts."""
    process = build("process", {"kind": kind})
    t = process.T * torch.linspace(0.001, 1, 200, dtype=torch.float64)[:, None]
    omega_squared = torch.tensor([0.0, 10.0, 40.0], dtype=torch.float64)
    m, r = process.mean_scale(t, omega_squared), process.noise_scale(t, omega_squared)
    ratio = (m / r).expand(200, -1)
    assert (ratio.diff(dim=0) < 0).all()
    assert torch.isfinite(process.diffusion(t, omega_squared)).all()
    early = torch.full((1, 1), 1e-9, dtype=torch.float64)
    torch.testing.assert_close(
        process.mean_scale(early, omega_squared[:1]),
        torch.ones(1, 1, dtype=torch.float64),
        atol=1e-6,
        rtol=0,
    )
