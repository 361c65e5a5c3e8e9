"""Distributions of training times: quantiles in closed form."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.heat import HeatDissipation, StochasticHeat
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.time_sampling import (
    LogSignalToNoise,
    Spectral,
    Uniform,
    UniformGrid,
    UniformLogSignalToNoise,
)
from fsdiff.spaces.bases import CosineBasis

BASIS, N = CosineBasis(2), 8
PROCESS = VariancePreserving()
QUANTILES = torch.linspace(0.001, 0.999, 401, dtype=torch.float64)


def law(
    noise: Tensor | float = 1.0, data: Tensor | float = 1.0, process: GaussianPath = PROCESS
) -> Marginal:
    """Noise and data on a grid of 8 x 8 nodes, by their spectra."""
    ones = torch.ones(N, N, dtype=torch.float64)
    time = torch.full((1, 1, 1, 1), process.T, dtype=torch.float64)
    omega_squared, multiplicity = BASIS.omega_squared(N), BASIS.multiplicity(N)
    spectra = noise * ones, data * ones[None]
    return Marginal(BASIS, process, time, omega_squared, *spectra, multiplicity)


def levels(sampling: Spectral, marginal: Marginal) -> Tensor:
    """ln(m/r) at the quantiles of a law of times."""
    return marginal.process.half_log_signal_to_noise(sampling.quantiles(marginal)(QUANTILES))


def test_uniform_covers_the_interval():
    times = Uniform().quantiles(law())(torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64))
    torch.testing.assert_close(times, torch.tensor([1e-3, 0.25075, 1.0], dtype=torch.float64))
    from_later = law(process=VariancePreserving(smallest_time=0.1))
    late = Uniform().quantiles(from_later)(torch.tensor([0.0]))
    assert float(late) == pytest.approx(0.1)


def test_a_grid_has_equidistant_times_up_to_the_last_and_without_zero():
    times = UniformGrid(points=4).quantiles(law())(torch.tensor([0.0, 0.25, 0.26, 0.6, 1.0]))
    torch.testing.assert_close(times, torch.tensor([0.25, 0.25, 0.5, 0.75, 1.0]))


def test_log_signal_to_noise_may_be_uniform():
    level = PROCESS.half_log_signal_to_noise(UniformLogSignalToNoise().quantiles(law())(QUANTILES))
    ends = PROCESS.half_log_signal_to_noise(torch.tensor([1.0, 1e-3], dtype=torch.float64))
    torch.testing.assert_close(level, ends[0] + (ends[1] - ends[0]) * QUANTILES, rtol=0, atol=1e-9)


def test_log_signal_to_noise_is_normal():
    """ln(m/r) of the times has the quantiles of N(mean, deviation²) between low and high."""
    sampling = LogSignalToNoise(mean=-0.4, deviation=0.8, low=-2.0, high=1.5, uniform_share=0)
    level = PROCESS.half_log_signal_to_noise(sampling.quantiles(law())(QUANTILES))
    expected = (-0.4 + 0.8 * torch.from_numpy(norm.ppf(QUANTILES.numpy()))).clamp(-2.0, 1.5)
    torch.testing.assert_close(level, expected, rtol=0, atol=3e-3)
    assert float(level.max()) == pytest.approx(1.5, abs=3e-3)
    assert float(level.min()) == pytest.approx(-2.0, abs=3e-3)


@pytest.mark.parametrize("sampling", [LogSignalToNoise(), Spectral()])
def test_no_part_of_the_process_is_without_training(sampling):
    """A tenth of the times is spread evenly in ln(m/r), so each tenth of it has a hundredth."""
    uniform = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    level = PROCESS.half_log_signal_to_noise(sampling.quantiles(law())(uniform))
    ends = PROCESS.half_log_signal_to_noise(torch.tensor([1.0, 1e-3], dtype=torch.float64)).tolist()
    shares = np.histogram(level, bins=10, range=ends)[0] / 20_000
    assert shares.min() > 0.0095


@pytest.mark.parametrize(
    "sampling", [Uniform(), LogSignalToNoise(), LogSignalToNoise(high=30.0), Spectral(mean=9)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_times_stay_in_range_and_keep_their_type(sampling, dtype):
    times = sampling.quantiles(law())(QUANTILES.to(dtype))
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


def test_one_scale_emerges_at_one_level():
    """Where all modes have the same ratio c of noise to data, ln(m/r) ~ N(mean + ½ ln c, σ²)."""
    sampling = Spectral(mean=0.4, deviation=0.6, uniform_share=0)
    normal = torch.from_numpy(norm.ppf(QUANTILES.numpy()))
    for ratio in (0.5, 3.0):
        centre = 0.4 + 0.5 * torch.tensor(ratio).log()
        found = levels(sampling, law(noise=ratio * 2.0, data=2.0))
        torch.testing.assert_close(found, centre + 0.6 * normal, rtol=0, atol=5e-3)


def test_two_scales_are_a_mixture_weighted_by_amplitude():
    """A quarter of the modes with 16 times the energy: weights 4 : 3, levels ln 4 apart."""
    data = torch.ones(N, N, dtype=torch.float64)
    data[: N // 2, : N // 2] = 16.0
    found = levels(
        Spectral(exponent=0.5, mean=0.0, deviation=0.05, uniform_share=0), law(data=data)
    )
    coarse = found < -0.5 * torch.tensor(4.0).log()
    assert float(coarse.double().mean()) == pytest.approx(4 / 7, abs=0.005)
    assert float(found[coarse].median()) == pytest.approx(-1.386, abs=0.02)
    assert float(found[~coarse].median()) == pytest.approx(0.0, abs=0.02)


def test_rougher_noise_shortens_the_interval_in_which_scales_emerge():
    data = (1 + BASIS.omega_squared(N)) ** -1.0
    wide, narrow = (
        levels(Spectral(mean=0.0, deviation=0.01, uniform_share=0), law(noise=noise, data=data))
        .diff()
        .sum()
        for noise in (1.0, data.sqrt())
    )
    assert float(wide) == pytest.approx(2 * float(narrow), rel=0.02)


@pytest.mark.parametrize("process", [PROCESS, HeatDissipation(), StochasticHeat()])
def test_no_time_of_a_process_is_left_out(process):
    """Also those at which nothing has emerged, or all has: samplers ask the network there, too."""
    data = (1 + BASIS.omega_squared(N)) ** -2.0
    marginal = law(noise=data**0.75, data=data, process=process)
    ends = torch.tensor([process.T, process.smallest_time], dtype=torch.float64)
    least, most = process.half_log_signal_to_noise(ends).tolist()
    uniform = torch.linspace(1e-4, 1 - 1e-4, 100_001, dtype=torch.float64)
    found = process.half_log_signal_to_noise(Spectral().quantiles(marginal)(uniform))
    share, _ = torch.histogram((found - least) / (most - least), bins=10, range=(0.0, 1.0))
    assert float(share.min() / share.sum()) > 0.0099
    emerged = process.half_log_signal_to_noise(
        Spectral(uniform_share=0).quantiles(marginal)(uniform)
    )
    few, _ = torch.histogram((emerged - least) / (most - least), bins=10, range=(0.0, 1.0))
    torch.testing.assert_close(share / share.sum(), 0.9 * few / few.sum() + 0.01, rtol=0, atol=2e-3)


@pytest.mark.parametrize("process", [HeatDissipation(), StochasticHeat()])
def test_modes_emerge_when_their_own_ratio_says_so(process):
    """Also in processes that blur fine modes before coarse ones."""
    data = torch.full((N, N), 1e-12, dtype=torch.float64)
    data[2, 1] = 1.0
    sampling = Spectral(exponent=1.0, mean=0.0, deviation=0.1, uniform_share=0)
    marginal = law(noise=0.3, data=data, process=process)
    time = sampling.quantiles(marginal)(torch.tensor([0.5], dtype=torch.float64))
    ratio = process.log_ratio(time, marginal.omega_squared[2, 1])
    assert float(ratio) == pytest.approx(0.5 * float(torch.tensor(0.3).log()), abs=0.02)
