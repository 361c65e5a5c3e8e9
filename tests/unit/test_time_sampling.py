"""Distributions of training times: quantiles in closed form."""

import pytest
import torch
from scipy.stats import norm

from fsdiff.processes.heat import HeatDissipation
from fsdiff.processes.variance_preserving import VariancePreserving
from fsdiff.time_sampling import LogSignalToNoise, Uniform

PROCESS = VariancePreserving()
QUANTILES = torch.linspace(0.001, 0.999, 401, dtype=torch.float64)


def test_uniform_covers_the_interval():
    times = Uniform()(torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64), PROCESS)
    torch.testing.assert_close(times, torch.tensor([1e-3, 0.25075, 1.0], dtype=torch.float64))
    late = Uniform()(torch.tensor([0.0]), VariancePreserving(smallest_time=0.1))
    assert float(late) == pytest.approx(0.1)


def test_log_signal_to_noise_is_normal():
    """ln(m/r) of the times has the quantiles of N(mean, deviation²) between low and high."""
    sampling = LogSignalToNoise(mean=-0.4, deviation=0.8, low=-2.0, high=1.5)
    level = PROCESS.log_signal_to_noise(sampling(QUANTILES, PROCESS))
    expected = (-0.4 + 0.8 * torch.from_numpy(norm.ppf(QUANTILES.numpy()))).clamp(-2.0, 1.5)
    torch.testing.assert_close(level, expected, rtol=0, atol=1e-9)
    assert float(level.max()) == pytest.approx(1.5)
    assert float(level.min()) == pytest.approx(-2.0)


@pytest.mark.parametrize("sampling", [Uniform(), LogSignalToNoise(), LogSignalToNoise(high=30.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_times_stay_in_range_and_keep_their_type(sampling, dtype):
    times = sampling(QUANTILES.to(dtype), PROCESS)
    assert times.dtype == dtype
    assert times.shape == QUANTILES.shape
    rounding = 1e-6
    assert float(times.min()) >= PROCESS.smallest_time * (1 - rounding)
    assert float(times.max()) <= PROCESS.T


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match=r"low = 2 .*high = 1"):
        LogSignalToNoise(low=2.0, high=1.0)


def test_times_may_be_independent():
    uniform = torch.rand(8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert Uniform(low_discrepancy=False).spread(uniform).equal(uniform)


@pytest.mark.parametrize("sampling", [Uniform(), LogSignalToNoise()])
def test_times_are_one_in_each_stratum_by_default(sampling):
    uniform = torch.rand(8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (sampling.spread(uniform) * 8).floor().equal(torch.arange(8, dtype=torch.float64))


def test_a_mean_beyond_the_process_is_refused():
    """ln(m/r) of the variance-preserving process runs from 4.56 down to −5.02."""
    for mean in (-6.0, 5.0):
        with pytest.raises(ValueError, match=rf"mean = {mean:g}: vp runs from 4.56 down to -5.02"):
            LogSignalToNoise(mean=mean).check(PROCESS)
    LogSignalToNoise(mean=0.3).check(PROCESS)
    LogSignalToNoise(mean=1.0).check(HeatDissipation())
    with pytest.raises(ValueError, match=r"heat_dissipation runs from 4\.16"):
        LogSignalToNoise(mean=-1.0).check(HeatDissipation())
