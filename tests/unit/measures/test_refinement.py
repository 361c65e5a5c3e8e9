"""Push-forwards under refinement: stable from a law on functions, not from noise on a grid."""

import math

import numpy as np
import pytest
import torch

from fsdiff.data.sources.reaction_diffusion import ReactionDiffusionData
from fsdiff.diagnostics.refinement import change_of_paths, jackknife, statistics
from fsdiff.measures.initial import GaussianRandomField, WhiteNoise
from fsdiff.spaces.bases import CosineBasis, FourierBasis


def test_statistics_of_waves_are_known():
    n, k = 32, 4
    x = torch.arange(n, dtype=torch.float64) / n
    wave = torch.cos(2 * math.pi * k * x).expand(n, n)
    found = statistics(torch.stack([3 * wave, -3 * wave]), FourierBasis(), length=2.0)
    root_mean_square, kurtosis, correlation_length = found["value"].values
    assert root_mean_square == pytest.approx(3 / math.sqrt(2))
    assert kurtosis == pytest.approx(1.5)
    assert correlation_length == pytest.approx(2 / (2 * math.pi * k))
    np.testing.assert_allclose(found["spectrum"], 4.5 * (np.arange(16) == k), atol=1e-12)
    np.testing.assert_allclose(found["value_error"], 0, atol=1e-12)


def test_kurtosis_does_not_depend_on_the_mean():
    fields = torch.randn(8, 16, 16, generator=torch.Generator().manual_seed(0)).double()
    plain, moved = (statistics(u, CosineBasis())["value"][1] for u in (fields, fields + 5))
    assert float(moved) == pytest.approx(float(plain), rel=1e-9)


def test_jackknife_of_a_mean_is_its_standard_error():
    samples = np.random.default_rng(1).standard_normal((50, 3))
    expected = samples.std(0, ddof=1) / np.sqrt(50)
    np.testing.assert_allclose(jackknife(samples, lambda mean: mean), expected)


def patterns(initial, n: int) -> torch.Tensor:
    """u at t = 2 of 24 samples, with fronts that 32 cells resolve."""
    source = ReactionDiffusionData(n, 2.0, initial=initial, diffusivity_u=1e-2, diffusivity_v=5e-2)
    return torch.stack([source.solve(index, 0)[0, 0] for index in range(24)])


@pytest.mark.parametrize("law", ["functions", "grid noise"])
def test_only_a_law_on_functions_is_stable_under_refinement(law):
    initial = {"functions": GaussianRandomField(), "grid noise": WhiteNoise()}[law]
    fields = {n: patterns(initial, n) for n in (32, 64)}
    basis = CosineBasis()
    coarse, fine = (statistics(u, basis, 2.0) for u in fields.values())
    error = np.hypot(coarse["value_error"], fine["value_error"])
    standardised = np.abs(fine["value"] - coarse["value"]) / error
    change = change_of_paths(fields[32], fields[64], basis)
    if law == "functions":
        assert standardised.max() < 0.5  # the same samples: less than independent ones would differ
        assert change.max() < 0.05
    else:
        assert standardised.sel(statistic="root mean square") > 5
        assert change.min() > 0.5
