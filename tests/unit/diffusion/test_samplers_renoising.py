"""Sampling by estimates and new noise: the variances that it loses, and those that it does not."""

import numpy as np
import pytest
import torch

from fsdiff.analyses.runs import sample_variance
from fsdiff.diffusion.exact import ExactDenoiser, gaussian
from fsdiff.diffusion.processes.heat import HeatDissipation, StochasticHeat
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.renoising import Renoising
from fsdiff.diffusion.samplers.times import time_grid
from fsdiff.measures.priors.convolution import Bessel, Standard
from fsdiff.spaces.bases import CosineBasis

LINE, N = CosineBasis(1), 16
DATA, NOISE = Bessel(power=0.6), Standard(reference_resolution=N)
DISSIPATION = HeatDissipation(noise=0.03, blur_min=0.5 / N, blur_max=0.7)


def denoiser(process):
    return ExactDenoiser(gaussian(LINE, DATA), noise=NOISE, process=process)


def recursion(process, steps, factor):
    """Variances of samples by v_s = (m_s g)² v_t + δ², g = m c/(m² c + r²), and g² v at the end.

    With them those of the data, and the share of them that the last estimate has.
    """
    t, omega = time_grid(process, steps, "log_snr"), LINE.omega_squared(N)
    c, noise = DATA.eigenvalues(LINE, N), NOISE.eigenvalues(LINE, N)
    m = [process.mean_scale(s[None], omega) for s in t]
    r2 = [process.noise_variance(s[None], omega) * noise for s in t]
    gain = [a * c / (a**2 * c + b) for a, b in zip(m, r2, strict=True)]
    v = m[0] ** 2 * c + r2[0]
    for now, then in zip(range(steps - 1), range(1, steps), strict=True):
        lost = m[then] ** 2 * c * r2[now] / (m[now] ** 2 * c + r2[now])
        fresh = r2[then] + lost if factor is None else factor**2 * r2[then]
        v = (m[then] * gain[now]) ** 2 * v + fresh
    return gain[-1] ** 2 * v, c, m[-1] ** 2 * c / (m[-1] ** 2 * c + r2[-1])


@pytest.mark.parametrize("factor", [None, 1.0, 1.25])
@pytest.mark.parametrize("process", [DISSIPATION, VariancePreserving(), StochasticHeat()])
def test_variances_of_samples_are_those_of_the_recursion(process, factor):
    expected, *_ = recursion(process, 12, factor)
    found, cost = sample_variance(Renoising(steps=12, factor=factor), denoiser(process), N)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-12)
    assert cost == 12


@pytest.mark.parametrize("steps", [3, 30])
def test_noise_by_modes_loses_nothing_but_what_the_last_estimate_does(steps):
    _, c, kept = recursion(DISSIPATION, steps, None)
    found, _ = sample_variance(Renoising(steps=steps), denoiser(DISSIPATION), N)
    torch.testing.assert_close(found / c, kept, rtol=1e-6, atol=1e-9)


def test_a_factor_of_one_loses_half_and_the_published_one_a_quarter():
    """Of all but the lowest mode, in many small steps; √2 is the limit of slow blur."""

    def middle(factor):
        found, c, kept = recursion(DISSIPATION, 400, factor)
        return float((found / c / kept)[2:10].mean())

    assert middle(1.0) == pytest.approx(0.5, abs=0.05)
    assert middle(1.25) == pytest.approx(1.25**2 / 2, abs=0.05)
    assert middle(np.sqrt(2)) == pytest.approx(1, abs=0.05)
