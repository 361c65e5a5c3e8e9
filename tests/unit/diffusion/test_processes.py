"""Forward processes: their marginals solve their stochastic differential equation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fsdiff.diffusion.processes.blurring import Blurring
from fsdiff.diffusion.processes.blurring_variance_preserving import BlurringVariancePreserving
from fsdiff.diffusion.processes.heat import HeatDissipation, StochasticHeat
from fsdiff.diffusion.processes.linear_interpolant import LinearInterpolant
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_exploding import VarianceExploding
from fsdiff.diffusion.processes.variance_preserving import (
    CosineVariancePreserving,
    OrnsteinUhlenbeck,
    VariancePreserving,
)
from fsdiff.parts import build, kinds

OMEGA = torch.tensor([0.0, 10.0, 40.0], dtype=torch.float64)
EVERY_KIND = list(kinds("process"))
FORGETFUL = [kind for kind in EVERY_KIND if kind != "heat_dissipation"]


def beta(t):
    return 0.1 + 19.9 * t


def integral(t):
    return 0.1 * t + 0.5 * 19.9 * t**2


def angle(t):
    return 0.5 * np.pi * (t + 0.008) / 1.008


def sigma(t, low, high):
    return low ** (1 - t) * high**t


TURN = np.arctan(np.exp(5)) - np.arctan(np.exp(-5))


def turned(t):
    return np.arctan(np.exp(-5)) + TURN * t


def blur(t):
    return 0.05 + 0.2 * torch.sin(0.5 * np.pi * t) ** 2


def blur_rate(t):
    """(½σ²)′."""
    return blur(t) * 0.1 * np.pi * torch.sin(np.pi * t)


def kept(t, w):
    """What blur leaves of a mode, above the floor."""
    return 0.999 * torch.exp(-0.5 * (20 / 128) ** 2 * torch.sin(0.5 * np.pi * t) ** 4 * w)


def fading(t, w):
    """The rate at which blur takes what there is of a mode, −(ln d)′."""
    rate = (
        (20 / 128) ** 2 * w * torch.sin(0.5 * np.pi * t) ** 2 * 0.5 * np.pi * torch.sin(np.pi * t)
    )
    return kept(t, w) / (0.001 + kept(t, w)) * rate


# m, r², f and g² as functions of (t, |ω|²), written down without reference to each other.
CLOSED_FORMS = {
    VariancePreserving(): (
        lambda t, w: torch.exp(-0.5 * integral(t)),
        lambda t, w: 1 - torch.exp(-integral(t)),
        lambda t, w: -0.5 * beta(t),
        lambda t, w: beta(t),
    ),
    CosineVariancePreserving(): (
        lambda t, w: torch.cos(angle(t)) / np.cos(angle(0)),
        lambda t, w: 1 - (torch.cos(angle(t)) / np.cos(angle(0))) ** 2,
        lambda t, w: -0.5 * np.pi / 1.008 * torch.tan(angle(t)),
        lambda t, w: np.pi / 1.008 * torch.tan(angle(t)),
    ),
    OrnsteinUhlenbeck(): (
        lambda t, w: torch.exp(-t / 2),
        lambda t, w: 1 - torch.exp(-t),
        lambda t, w: -0.5 + 0 * t,
        lambda t, w: 1 + 0 * t,
    ),
    VarianceExploding(): (
        lambda t, w: 1 + 0 * t,
        lambda t, w: sigma(t, 0.01, 30) ** 2,
        lambda t, w: 0 * t,
        lambda t, w: 2 * np.log(3000) * sigma(t, 0.01, 30) ** 2,
    ),
    StochasticHeat(shift=0.5, length=0.3): (
        lambda t, w: torch.exp(-0.5 * integral(t) * (0.5 + 0.09 * w)),
        lambda t, w: (1 - torch.exp(-integral(t) * (0.5 + 0.09 * w))) / (0.5 + 0.09 * w),
        lambda t, w: -0.5 * beta(t) * (0.5 + 0.09 * w),
        lambda t, w: beta(t) + 0 * w,
    ),
    StochasticHeat(shift=0.5, length=0.3, clock="cosine"): (
        lambda t, w: (torch.cos(angle(t)) / np.cos(angle(0))) ** (0.5 + 0.09 * w),
        lambda t, w: (
            (1 - (torch.cos(angle(t)) / np.cos(angle(0))) ** (1 + 0.18 * w)) / (0.5 + 0.09 * w)
        ),
        lambda t, w: -0.5 * np.pi / 1.008 * torch.tan(angle(t)) * (0.5 + 0.09 * w),
        lambda t, w: np.pi / 1.008 * torch.tan(angle(t)) + 0 * w,
    ),
    HeatDissipation(): (
        lambda t, w: torch.exp(-0.5 * sigma(t, 0.5 / 32, 0.75) ** 2 * w),
        lambda t, w: 1e-4 + 0 * t,
        lambda t, w: -np.log(48) * sigma(t, 0.5 / 32, 0.75) ** 2 * w,
        lambda t, w: 2e-4 * np.log(48) * sigma(t, 0.5 / 32, 0.75) ** 2 * w,
    ),
    BlurringVariancePreserving(): (
        lambda t, w: torch.cos(turned(t)) * torch.exp(-0.5 * blur(t) ** 2 * w / np.pi**2),
        lambda t, w: torch.sin(turned(t)) ** 2,
        lambda t, w: -TURN * torch.tan(turned(t)) - blur_rate(t) * w / np.pi**2,
        lambda t, w: (
            2 * TURN * torch.tan(turned(t))
            + 2 * torch.sin(turned(t)) ** 2 * blur_rate(t) * w / np.pi**2
        ),
    ),
    Blurring(): (
        lambda t, w: torch.cos(turned(t)) * (0.001 + kept(t, w)),
        lambda t, w: torch.sin(turned(t)) ** 2,
        lambda t, w: -TURN * torch.tan(turned(t)) - fading(t, w),
        lambda t, w: 2 * TURN * torch.tan(turned(t)) + 2 * torch.sin(turned(t)) ** 2 * fading(t, w),
    ),
    LinearInterpolant(): (
        lambda t, w: 1 - t,
        lambda t, w: (1e-4 + (1 - 1e-4) * t) ** 2,
        lambda t, w: -1 / (1 - t),
        lambda t, w: 2 * (1e-4 + (1 - 1e-4) * t) * (1 - 1e-4 + (1e-4 + (1 - 1e-4) * t) / (1 - t)),
    ),
}
PROCESSES = list(CLOSED_FORMS)


def name(process):
    return process.kind


def close(a, b, rtol=1e-10, atol=1e-12):
    a, b = torch.broadcast_tensors(a, b)
    torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


def times(process, count=50, dtype=torch.float64):
    """From the smallest time to T, even in t and in the coordinate of noise, (2·count, 1)."""
    part = torch.linspace(0, 1, count, dtype=torch.float64)
    even = process.smallest_time + (process.T - process.smallest_time) * part
    level = process.half_log_signal_to_noise(even)
    spaced = process.time_of(level[0] + (level[-1] - level[0]) * part)
    return torch.cat([even, spaced])[:, None].to(dtype)


def test_no_process_is_left_out():
    assert {process.kind for process in PROCESSES} == set(EVERY_KIND)


@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_closed_forms(process):
    t = times(process)
    m, variance, drift, diffusion_squared = (f(t, OMEGA) for f in CLOSED_FORMS[process])
    close(process.mean_scale(t, OMEGA), m)
    close(process.log_mean_scale(t, OMEGA).exp(), m)
    close(process.noise_scale(t, OMEGA) ** 2, variance)
    close(process.drift(t, OMEGA), drift, rtol=1e-9)
    close(process.diffusion(t, OMEGA) ** 2, diffusion_squared, rtol=1e-9)
    close(process.mean_rate(t, OMEGA), drift * m, rtol=1e-9)
    close(process.log_ratio(t, OMEGA), m.log() - 0.5 * variance.log(), atol=1e-9)


@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_rates_are_derivatives(process):
    t = times(process)[1:-1]
    h = 1e-5 * t
    for scale, rate in (
        (process.mean_scale, process.mean_rate),
        (process.noise_scale, process.noise_rate),
    ):
        difference = (scale(t + h, OMEGA) - scale(t - h, OMEGA)) / (2 * h)
        # Rounding of the difference: 1e-16 of the scale, divided by h.
        close(rate(t, OMEGA), difference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_marginals_at_two_times_are_joined_by_the_equation(process):
    """r_t² = (m_t/m_s)² r_s² + ∫ (m_t/m_u)² g_u² du, from s early to every later time t."""
    nodes, weights = (torch.from_numpy(a)[:, None] for a in np.polynomial.legendre.leggauss(400))
    start = torch.full((1, 1), process.smallest_time, dtype=torch.float64)
    for part in (0.1, 0.5, 0.95):
        end = start + (process.T - start) * part
        u = start + (end - start) * (nodes + 1) / 2
        final = process.log_mean_scale(end, OMEGA)
        kept = (final - process.log_mean_scale(u, OMEGA)).exp()
        added = weights * (kept * process.diffusion(u, OMEGA)) ** 2 * (end - start) / 2
        remaining = (final - process.log_mean_scale(start, OMEGA)).exp()
        total = (remaining * process.noise_scale(start, OMEGA)) ** 2 + added.sum(0)
        close(total, process.noise_scale(end, OMEGA) ** 2, rtol=1e-8)


@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_marginals_are_those_of_simulated_paths(process):
    """dX = f X dt + g √λ dW by Euler–Maruyama: mean m x_0 and variance r² λ, mode by mode."""
    paths, steps, last = 3000, 1000, 0.9
    eigenvalue = torch.tensor([1.0, 0.3, 0.1], dtype=torch.float64)
    random = torch.Generator().manual_seed(0)
    h = last * process.T / steps
    middle = process.smallest_time + (torch.arange(steps, dtype=torch.float64)[:, None] + 0.5) * h
    drift = process.drift(middle, OMEGA).expand(steps, 3)
    spread = (process.diffusion(middle, OMEGA) * (h * eigenvalue).sqrt()).expand(steps, 3)
    # Midpoint coefficients leave the scheme's own bias: m (1 − ½∫f²h) and r² (1 + ½h|f|).
    mean_bias = 0.5 * h * drift.square().cumsum(0) * h
    variance_bias = h * drift.abs().cummax(0).values

    def law(step):
        now = torch.tensor(process.smallest_time + step * h, dtype=torch.float64)
        mean = process.mean_scale(now, OMEGA) * torch.tensor([2.0, -1.0, 0.5])
        return mean, process.noise_scale(now, OMEGA) ** 2 * eigenvalue

    mean, variance = law(0)
    x = mean + variance.sqrt() * torch.randn(paths, 3, generator=random, dtype=torch.float64)
    for step in range(steps):
        kick = torch.randn(paths, 3, generator=random, dtype=torch.float64)
        x = x + h * drift[step] * x + spread[step] * kick
        if step + 1 in (250, 600, steps):
            mean, variance = law(step + 1)
            # Five standard errors, √(variance/paths) and variance·√(2/paths).
            error = (x.mean(0) - mean).abs()
            assert (error < 5 * (variance / paths).sqrt() + mean_bias[step] * mean.abs()).all()
            error = (x.var(0) / variance - 1).abs()
            assert (error < 5 * (2 / paths) ** 0.5 + variance_bias[step]).all()


# Limits


@pytest.mark.parametrize(
    ("process", "noise"),
    [
        (VariancePreserving(), 0),
        (CosineVariancePreserving(), 0),
        (OrnsteinUhlenbeck(), 0),
        (VarianceExploding(sigma_min=0.02), 0.02),
        (StochasticHeat(), 0),
        (StochasticHeat(clock="cosine"), 0),
        (HeatDissipation(noise=0.03, blur_min=1e-9), 0.03),
        (LinearInterpolant(sigma_min=0.04), 0.04),
    ],
    ids=lambda value: value if isinstance(value, float | int) else value.kind,
)
def test_every_process_starts_at_the_data(process, noise):
    zero = torch.zeros(1, 1, dtype=torch.float64)
    close(process.mean_scale(zero, OMEGA), torch.ones_like(OMEGA))
    close(process.noise_scale(zero, OMEGA), torch.full_like(OMEGA, noise))


@pytest.mark.parametrize("kind", FORGETFUL)
def test_every_process_ends_at_noise(kind):
    """At T, ln(m/r) is -ln 30 or less in every mode: 0.1 % of the variance, or less, is signal."""
    process = build("process", {"kind": kind})
    end = torch.full((1, 1), process.T, dtype=torch.float64)
    assert (process.log_ratio(end, OMEGA) <= -np.log(30) + 1e-12).all()


def test_the_blurring_process_starts_at_data_that_are_blurred_as_it_is_told():
    """At t = 0 with k = |ω|/π: exp(−k²/800) as published, the data themselves without a start."""
    zero = torch.zeros(1, 1, dtype=torch.float64)
    signal = 1 / (1 + np.exp(-10.0))
    for start, kept in ((0.05, torch.exp(-OMEGA / np.pi**2 / 800)), (0.0, torch.ones_like(OMEGA))):
        process = BlurringVariancePreserving(blur_start=start)
        close(process.mean_scale(zero, OMEGA), np.sqrt(signal) * kept)
        close(process.noise_variance(zero, OMEGA), torch.full((1, 1), 1 - signal).double(), 1e-9)
    with pytest.raises(ValueError, match="must not be above blur_end"):
        BlurringVariancePreserving(blur_start=0.3)


def test_blurring_ends_at_the_floor_of_every_mode_and_starts_with_all_of_it():
    """ln(m²/r²) is within ±10 in the mean, and 2 ln 0.001 lower at the end in what is blurred."""
    process = Blurring()
    ends = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    level = 2 * process.log_ratio(ends, torch.tensor([0.0, 1e6], dtype=torch.float64))
    close(level[0], torch.full((2,), 10.0, dtype=torch.float64), rtol=1e-9)
    close(level[1], torch.tensor([-10.0, -10 + 2 * np.log(1e-3)], dtype=torch.float64), rtol=1e-9)
    # Unlike the heat equation's, the drift stays bounded however large the frequency.
    drift = process.drift(torch.linspace(0.001, 1, 200).double()[:, None], 10.0 ** torch.arange(12))
    assert float(drift.abs().max()) < 2000


def test_blur_keeps_the_mean_and_loses_every_wave():
    process = HeatDissipation()
    end = torch.full((1, 1), process.T, dtype=torch.float64)
    half_wave = torch.tensor([0.0, np.pi**2], dtype=torch.float64)
    kept = process.mean_scale(end, half_wave).flatten()
    close(kept, torch.tensor([1, np.exp(-0.5 * 0.75**2 * np.pi**2)], dtype=torch.float64))


@pytest.mark.parametrize("variance_preserving", [VariancePreserving(), OrnsteinUhlenbeck()])
def test_small_noise_is_kept_exactly(variance_preserving):
    """r² = ∫β for small t: 1 − exp(−∫β) must not be computed by subtraction, even in float32."""
    expected = {"vp": integral(1e-6), "ou": 1e-6}[variance_preserving.kind]
    r = variance_preserving.noise_scale(torch.tensor(1e-6), torch.zeros(()))
    assert float(r) == pytest.approx(np.sqrt(expected), rel=1e-5)


def test_small_noise_of_the_cosine_is_kept_exactly():
    """1 − m² ≈ 2 a′ tan(a_0) t, whatever runs on this clock; β_T is 370."""
    expected = np.pi / 1.008 * np.tan(angle(0)) * 1e-7
    for process in (CosineVariancePreserving(), StochasticHeat(clock="cosine")):
        r = process.noise_scale(torch.tensor(1e-7), torch.zeros(()))
        assert float(r) == pytest.approx(np.sqrt(expected), rel=1e-4)
        end = torch.tensor(process.T, dtype=torch.float64)
        assert float(process.diffusion(end, OMEGA[:1]) ** 2) == pytest.approx(370, abs=1)


def test_pixels_of_a_grid_are_a_length():
    """With length = 1/n the heat process on n nodes is that of |ω| = πk/n."""
    n, t = 16, torch.full((1,), 0.3, dtype=torch.float64)
    k = torch.arange(n, dtype=torch.float64)
    found = StochasticHeat(length=1 / n, shift=1.0).mean_scale(t, (np.pi * k) ** 2)
    close(found, torch.exp(-0.5 * integral(t) * (1 + (np.pi * k / n) ** 2)))


def test_less_noise_blurs_the_same_and_disturbs_less():
    """ε scales r and g, and leaves m and f as they are."""
    t = torch.tensor([[0.01], [0.3], [1.0]], dtype=torch.float64)
    published, less = StochasticHeat(), StochasticHeat(noise=0.03)
    close(less.mean_scale(t, OMEGA), published.mean_scale(t, OMEGA))
    close(less.drift(t, OMEGA), published.drift(t, OMEGA))
    close(less.noise_scale(t, OMEGA), 0.03 * published.noise_scale(t, OMEGA))
    close(less.diffusion(t, OMEGA), 0.03 * published.diffusion(t, OMEGA))
    # What noise leaves to be seen of the data at the end is 1/ε times as much.
    gained = less.half_log_signal_to_noise(t) - published.half_log_signal_to_noise(t)
    close(gained, torch.full_like(t, -np.log(0.03)))


def test_levels_of_the_exploding_process_are_geometric():
    """Even steps in the coordinate of noise are equal ratios of σ."""
    process = VarianceExploding()
    sigma = process.noise_scale(torch.linspace(0, 1, 501, dtype=torch.float64), OMEGA[0])
    ratio = sigma[1:] / sigma[:-1]
    close(ratio, torch.full_like(ratio, 3000 ** (1 / 500)))


# The coordinate of noise


@given(kind=st.sampled_from(EVERY_KIND), part=st.floats(0, 1), other=st.floats(0, 1))
def test_the_coordinate_of_noise_falls_and_its_inverse_is_found(kind, part, other):
    process = build("process", {"kind": kind})
    t = process.smallest_time + (process.T - process.smallest_time) * torch.tensor(
        [part, other], dtype=torch.float64
    )
    level = process.half_log_signal_to_noise(t)
    assert torch.isfinite(level).all()
    if abs(part - other) > 1e-9:
        assert (level[0] - level[1]) * (t[0] - t[1]) < 0
    torch.testing.assert_close(process.time_of(level), t, rtol=1e-6, atol=1e-12)
    ends = process.time_of(torch.tensor([100.0, -100.0], dtype=torch.float64))
    expected = torch.tensor([process.smallest_time, process.T], dtype=torch.float64)
    torch.testing.assert_close(ends, expected)


@pytest.mark.parametrize(
    "process",
    [
        VariancePreserving(smallest_time=1e-5),
        VariancePreserving(beta_min=20.0, beta_max=20.0),
        OrnsteinUhlenbeck(),
        CosineVariancePreserving(offset=0.02, final_time=0.9),
        VarianceExploding(sigma_min=0.002, sigma_max=80.0),
        LinearInterpolant(sigma_min=0.01),
        Blurring(largest_log_snr=7.0),
        BlurringVariancePreserving(highest=12.0, lowest=5.0),
        HeatDissipation(blur_min=0.01),
        StochasticHeat(shift=0.3, noise=0.1),
        StochasticHeat(shift=2.0, noise=3.0, clock="cosine"),
    ],
    ids=lambda process: process.kind,
)
def test_closed_forms_of_times_are_what_bisection_finds(process):
    first, last = process.smallest_time, process.T
    t = first * (last / first) ** torch.linspace(0, 1, 300, dtype=torch.float64)
    level = process.half_log_signal_to_noise(t)
    found, bisected = process.time_of(level), GaussianPath._time_of(process, level)
    torch.testing.assert_close(found, t, rtol=1e-10, atol=0.0)
    torch.testing.assert_close(bisected, t, rtol=1e-10, atol=0.0)
    level = torch.tensor([300.0, -300.0], dtype=torch.float64)
    assert process.time_of(level).tolist() == [first, last]


@pytest.mark.parametrize("kind", FORGETFUL)
def test_the_coordinate_of_noise_is_that_of_the_constant_mode(kind):
    process = build("process", {"kind": kind})
    t = times(process)
    ratio = process.mean_scale(t, OMEGA[:1]) / process.noise_scale(t, OMEGA[:1])
    close(process.half_log_signal_to_noise(t), ratio.log(), rtol=1e-9)


def test_the_coordinate_of_blur_is_the_frequency_that_is_lost():
    """exp(−½σ²|ω|²) = e^(−½) at |ω| = 1/σ, whose logarithm is the coordinate."""
    process = HeatDissipation()
    t = times(process)
    frequency = process.half_log_signal_to_noise(t).exp()
    close(process.mean_scale(t, frequency**2), torch.full_like(t, np.exp(-0.5)))


# What numbers may come out


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_information_never_returns(kind):
    """ln(m/r) falls in every mode, but in one that is not touched, and is lower in higher modes."""
    process = build("process", {"kind": kind})
    t = torch.linspace(process.smallest_time, process.T, 300, dtype=torch.float64)[:, None]
    ratio = process.log_ratio(t, OMEGA).expand(300, 3)
    assert (ratio.diff(dim=0)[:, 1:] < 0).all()
    assert (ratio.diff(dim=0)[:, 0] <= 0).all()
    assert (ratio.diff(dim=1) <= 1e-12).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_everything_is_finite_on_fine_grids_where_means_underflow(kind, dtype):
    process = build("process", {"kind": kind})
    t = times(process, dtype=dtype)[:, None]
    omega_squared = torch.tensor([0.0, 1e2, 1e4, 1e7], dtype=dtype)
    functions = ("log_mean_scale", "mean_scale", "noise_scale", "drift", "diffusion")
    for function in (*functions, "mean_rate", "noise_rate", "log_ratio"):
        value = getattr(process, function)(t, omega_squared)
        assert value.dtype == dtype, function
        assert torch.isfinite(value).all(), function


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_single_precision_is_good_to_four_digits(kind):
    process = build("process", {"kind": kind})
    t = times(process, dtype=torch.float32)
    for function in ("mean_scale", "noise_scale", "drift", "diffusion", "log_ratio"):
        single = getattr(process, function)(t, OMEGA.float())
        double = getattr(process, function)(t.double(), OMEGA)
        close(single.double(), double, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_modes_do_not_mix(process):
    """Rates of many times and modes at once are those of one by one."""
    t = times(process, 3)[:, :, None]
    for function in (process.drift, process.diffusion, process.mean_rate, process.noise_rate):
        together = function(t, OMEGA).expand(6, 1, 3)
        for i in range(6):
            for k in range(3):
                alone = function(t[i, 0, 0], OMEGA[k])
                torch.testing.assert_close(together[i, 0, k], alone, rtol=1e-12, atol=1e-12)


def test_rates_need_no_gradient_and_leave_none():
    t = torch.tensor([0.3, 0.4], dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        for process in PROCESSES:
            for function in (process.drift, process.diffusion, process.noise_rate):
                assert not function(t, OMEGA[0]).requires_grad
    assert t.grad is None


@pytest.mark.parametrize(
    ("process", "arguments", "message"),
    [
        (VariancePreserving, {"smallest_time": 1.0}, "smallest_time = 1 must be below .* 1"),
        (OrnsteinUhlenbeck, {"smallest_time": 11}, "smallest_time = 11 must be below .* 10"),
        (VarianceExploding, {"sigma_min": 2, "sigma_max": 1}, "sigma_min = 2 .* sigma_max = 1"),
        (HeatDissipation, {"blur_max": 0.01}, "blur_min = 0.015625 .* blur_max = 0.01"),
    ],
)
def test_ranges_that_are_empty_are_refused(process, arguments, message):
    with pytest.raises(ValueError, match=message):
        process(**arguments)
