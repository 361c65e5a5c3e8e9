"""Distances of samples to a law on a manifold, and those of the published samples."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import kstest, wasserstein_distance

from fsdiff.analyses.agreement import (
    agreement,
    chi_squared,
    kolmogorov_to_uniform,
    sliced_wasserstein,
    wasserstein_to_uniform,
)
from fsdiff.measures.manifolds import Line, Points, Spiral

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "cem"
"""Samples of the published networks, from the repository of arXiv 2301.07882."""


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_distances_to_the_uniform_law_are_those_of_scipy(power):
    p = torch.from_numpy(np.random.default_rng(0).random(200) ** power)
    grid = (np.arange(200_000) + 0.5) / 200_000
    expected = kstest(p.numpy(), "uniform").statistic
    assert kolmogorov_to_uniform(p) == pytest.approx(expected, rel=1e-9)
    assert wasserstein_to_uniform(p) == pytest.approx(wasserstein_distance(p, grid), rel=1e-4)


def test_equidistant_numbers_are_as_near_to_uniform_as_can_be():
    p = (torch.arange(10, dtype=torch.float64) + 0.5) / 10
    assert kolmogorov_to_uniform(p) == pytest.approx(0.05)
    assert wasserstein_to_uniform(p) == pytest.approx(0.025)


def test_counts_are_compared_with_equal_ones():
    assert chi_squared(torch.tensor([5.0, 15.0])) == pytest.approx(5.0)


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_shift_is_a_sliced_distance(dimension):
    """Mean of ⟨θ, v⟩² over unit directions: |v|²/d."""
    x = torch.randn((50, dimension), generator=torch.Generator().manual_seed(0))
    shift = torch.zeros(dimension)
    shift[0] = 2.0
    expected = 2 / dimension**0.5
    within = 1e-6 if dimension == 2 else 0.1
    assert sliced_wasserstein(x, x + shift) == pytest.approx(expected, rel=within)


def test_a_finite_set_has_frequencies_and_a_curve_positions():
    points = Points(points=((0.0, 0.0), (1.0, 0.0)))
    x = torch.tensor([[0.1, 0.0], [0.0, 0.1], [1.0, 0.1]])
    found = agreement(points, x, 0)
    assert found["distance"] == pytest.approx(0.1)
    assert found["chi_squared"] == pytest.approx(1 / 3)
    assert "kolmogorov" not in found
    assert "kolmogorov" in agreement(Line(), x, 0)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs the published samples")
@pytest.mark.parametrize(
    ("name", "law", "distance", "quantile", "kolmogorov", "along"),
    [
        ("curve_new_score", Spiral(), 0.0224, 0.050, 0.116, 0.68),
        ("curve_ddpm", Spiral(), 0.108, 0.27, 0.079, 0.52),
        ("curve_score", Spiral(), 0.233, 0.63, 0.108, 0.78),
        ("curve_new_score_shallow", Spiral(), 0.193, 0.47, 0.069, 0.37),
        ("abl_exponential_schedule", Spiral(), 0.036, None, 0.302, 2.25),
        ("abl_quadratic_schedule", Spiral(), 0.063, None, 0.121, 0.89),
        ("abl_linear_schedule", Spiral(), 0.460, None, 0.126, 0.93),
        ("abl_curve_cem_constant", Spiral(), 0.334, None, 0.088, 0.26),
        ("abl_curve_cem_lambda2", Spiral(), 0.056, None, 0.043, 0.23),
        ("line_normal_new_score", Line(), 0.0082, None, None, None),
        ("line_normal_ddpm", Line(), 0.059, None, None, None),
        ("line_normal_score", Line(), 0.109, None, None, None),
    ],
)
def test_published_samples_have_these_numbers(name, law, distance, quantile, kolmogorov, along):
    """W₁ along the spiral is in units of U, which is uniform on an interval of length 12."""
    found = agreement(law, torch.from_numpy(np.load(PUBLISHED / f"{name}.npy")), 0)
    assert found["distance"] == pytest.approx(distance, rel=0.03)
    if quantile is not None:
        assert found["distance_95"] == pytest.approx(quantile, rel=0.03)
    if kolmogorov is not None:
        assert found["kolmogorov"] == pytest.approx(kolmogorov, abs=1e-3)
        assert 12 * found["wasserstein_along"] == pytest.approx(along, abs=6e-3)
