"""Annealed Langevin dynamics as published: its recursion, and what each defect of it does."""

import dataclasses
import math

import pytest
import torch

from fsdiff.diffusion.processes.variance_exploding import VarianceExploding
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import AnnealedLangevin, PublishedAnnealedLangevin
from fsdiff.diffusion.samplers.times import time_grid
from fsdiff.measures.priors import Bessel
from fsdiff.spaces.bases import CosineBasis

BASIS, N = CosineBasis(1), 8

PUBLISHED = PublishedAnnealedLangevin()
"""500 levels from 30 to 0.01 and 3 steps at each, ε = 6·10⁻⁶."""
AS_VARIANCES = VarianceExploding(sigma_min=0.1, sigma_max=30**0.5)

REPAIRED = PublishedAnnealedLangevin(levels_as="deviation", start="level", last="estimate")
AS_DEVIATIONS = VarianceExploding(sigma_min=0.01, sigma_max=30.0)


def chain(sampler, process, data, noise, start):
    """The variance of a mode by its affine recursion, x ← (1 − ½αλ/v) x + √α √λ ζ."""
    times = time_grid(process, sampler.steps, "log_snr")
    deviations = process.noise_scale(times, torch.zeros_like(times)).tolist()
    power = 4 if sampler.levels_as == "variance" else 2
    variance = start
    for r in deviations:
        length = sampler.epsilon * (r / deviations[-1]) ** power
        for _ in range(sampler.corrections):
            factor = 1 - 0.5 * length * noise / (data + r**2 * noise)
            variance = factor**2 * variance + length * noise
    if sampler.last == "estimate":
        variance = variance * (data / (data + deviations[-1] ** 2 * noise)) ** 2
    return variance


@pytest.mark.parametrize(
    ("sampler", "process"),
    [
        (dataclasses.replace(PUBLISHED, steps=20, epsilon=2e-6), AS_VARIANCES),
        (dataclasses.replace(REPAIRED, steps=20, epsilon=2e-5), AS_DEVIATIONS),
        (dataclasses.replace(REPAIRED, steps=20, epsilon=2e-5, last="state"), AS_DEVIATIONS),
    ],
    ids=["published", "repaired", "without the last step"],
)
def test_on_gaussian_data_it_is_its_recursion(tools, sampler, process):
    data, noise = tools.power_law(BASIS, N)[0], Bessel().eigenvalues(BASIS, N)
    largest = process.noise_scale(torch.tensor(process.T).double(), torch.zeros(())) ** 2
    start = noise if sampler.start == "unit" else data + largest * noise
    found, samples = tools.drawn_spectrum(sampler, BASIS, N, process=process)
    tools.close(found, chain(sampler, process, data, noise, start), rtol=1e-6)
    assert samples.network_evaluations == 3 * 20 + (sampler.last == "estimate")


def test_levels_taken_for_deviations_leave_ten_times_the_noise_of_the_last():
    """A point mass: 0.099 where the last level, a variance, is 0.01."""
    ended = chain(PUBLISHED, AS_VARIANCES, 0.0, 1.0, 1.0)
    assert ended == pytest.approx(0.099, abs=0.001)
    # It would have been the same from the first level, so that the start does not matter here.
    assert chain(PUBLISHED, AS_VARIANCES, 0.0, 1.0, 30.0) == pytest.approx(ended, rel=1e-3)


def test_repaired_levels_are_followed_and_the_last_step_takes_their_noise_away():
    """With their lag: noise falls by 2h a level and decays by Kα/r², 0.178 of that."""
    lag = 1 / (1 - 2 * math.log(3000) / 499 / (3 * 0.06))
    state = dataclasses.replace(REPAIRED, last="state")
    assert chain(state, AS_DEVIATIONS, 0.0, 1.0, 900.0) == pytest.approx(lag * 1e-4, rel=0.01)
    assert chain(REPAIRED, AS_DEVIATIONS, 0.0, 1.0, 900.0) == 0
    # Of data with the variance of the noise Q, too: 22 % too much, and 44 % as published.
    assert chain(REPAIRED, AS_DEVIATIONS, 1.0, 1.0, 901.0) == pytest.approx(lag, rel=0.01)
    assert chain(PUBLISHED, AS_VARIANCES, 1.0, 1.0, 1.0) == pytest.approx(1.44, abs=0.01)


def test_in_its_last_level_it_is_the_method_of_this_library(tools):
    """One correction at each of its levels is a step of size ε/σ_L²; the first level is not one."""
    steps, size = 30, 0.4
    process = VarianceExploding(sigma_min=0.05, sigma_max=2.0)
    ours = AnnealedLangevin(steps=steps, corrections=2, step_size=size)
    theirs = dataclasses.replace(REPAIRED, steps=steps, corrections=2, epsilon=size * 0.05**2)
    found = tools.drawn_spectrum(theirs, BASIS, N, process=process)[0]
    # The state at the first level has its law already, to a tenth of a thousandth of the start.
    expected = tools.drawn_spectrum(ours, BASIS, N, process=process)[0]
    tools.close(found, expected, rtol=5e-3)


def test_other_processes_and_steps_that_diverge_are_refused():
    with pytest.raises(ValueError, match="use process ve, or annealed_langevin"):
        PUBLISHED.check(VariancePreserving())
    with pytest.raises(ValueError, match=r"use epsilon < 1\.3e-05"):
        PublishedAnnealedLangevin(epsilon=2e-5).check(AS_VARIANCES)
    PUBLISHED.check(AS_VARIANCES)
    REPAIRED.check(AS_DEVIATIONS)
