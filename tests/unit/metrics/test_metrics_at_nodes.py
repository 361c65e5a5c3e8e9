"""Metrics of fields that have no values at some nodes, or nodes at different distances."""

import numpy as np
import pytest
import torch

from fsdiff.measures.priors.kernel import RBF
from fsdiff.metrics.densities import GradientDensity, partial_derivatives
from fsdiff.metrics.increments import Increments
from fsdiff.metrics.kernels import EnergyDistance
from fsdiff.metrics.parabolas import Parabolas
from fsdiff.metrics.shapes import EikonalResidual
from fsdiff.metrics.sliced import SlicedWasserstein, SlicedWassersteinGaussianApproximation
from fsdiff.metrics.spectra import AutocovarianceError
from fsdiff.metrics.two_sample import kernel_matrix
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.gram import GramBasis

POINTS = np.array([0.0, 0.01, 0.02, 0.03, 0.1, 0.3, 0.35, 0.6, 0.8, 1.0])
CLUSTERED = GramBasis(points=tuple(POINTS), covariance=RBF(length=0.3))


def curves(seed: int, points: np.ndarray = POINTS) -> torch.Tensor:
    """Rising parabolas a·x² + b·x."""
    a, b = np.random.default_rng(seed).random((2, 40, 1, 1))
    return torch.from_numpy(a * points**2 + b * points)


def test_inner_products_of_curves_are_those_of_the_points_shares_of_the_interval():
    root = torch.from_numpy(CLUSTERED.weights()).sqrt()
    weighted = [curves(seed)[:, 0] * root for seed in (1, 2)]
    within = [torch.cdist(u, u).sum() / (40 * 39) for u in weighted]
    expected = 2 * torch.cdist(*weighted).mean() - sum(within)
    found = EnergyDistance().compare(curves(1), curves(2), CLUSTERED)
    assert found["energy_distance"] == pytest.approx(float(expected), rel=1e-6)
    # Two laws that differ by a constant are at its distance, wherever the points are.
    same = curves(1), curves(1) + 0.5
    for metric in (SlicedWassersteinGaussianApproximation(), SlicedWasserstein(projections=4000)):
        (distance,) = metric.compare(*same, CLUSTERED).values()
        assert distance == pytest.approx(0.5, rel=0.05)


def test_derivatives_of_curves_are_over_the_distances_of_their_points():
    slopes = torch.tensor([1.0, -2.0])[:, None, None] * torch.from_numpy(POINTS)
    assert torch.allclose(
        partial_derivatives(slopes, CLUSTERED)[0][:, 0].double(),
        torch.tensor([1.0, -2.0]).double()[:, None].expand(2, 9),
    )
    row = GradientDensity().compare(slopes[:1], slopes[1:], CLUSTERED)
    assert row["gradient_w1"] == pytest.approx(3)
    matrix = kernel_matrix(slopes[None].tile(1, 2, 1, 1), CLUSTERED, "derivative")
    assert matrix.isfinite().all()


def test_lags_of_curves_need_points_in_equal_steps():
    even = GramBasis(points=tuple((np.arange(8) + 0.5) / 8), covariance=RBF(length=0.3))
    AutocovarianceError().check_grid(even, 8)
    with pytest.raises(ValueError, match="lags of equal steps, and nodes are at different"):
        AutocovarianceError().check_grid(CLUSTERED, 10)


def test_what_is_no_inner_product_sees_fields_as_they_are_continued():
    """Zeros at nodes without values would be falls of curves, and slopes of distances."""
    line, places = CosineBasis(1), (np.arange(32) + 0.5) / 32
    present = torch.ones(1, 32, dtype=torch.bool)
    present[0, 10:16] = False
    for metric in (Increments(), Parabolas()):
        pair = curves(1, places), curves(2, places)
        # Sums of the same numbers may be rounded otherwise at other places of the memory.
        expected = pytest.approx(metric(*pair, line), rel=1e-12)
        assert metric.compare(*pair, line, present) == expected
    y, x = np.meshgrid(places, places, indexing="ij")
    distance = torch.from_numpy(np.hypot(x - 0.4, y - 0.5) - 0.2)[None, None]
    there = present[:, None].tile(32, 1)
    found = EikonalResidual().compare(distance, distance, CosineBasis(2), there)
    assert found["eikonal"] < 0.01
