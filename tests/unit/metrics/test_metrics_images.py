"""Measures of restorations: decibels, similarity, derivatives and ranks, against closed forms."""

import math

import numpy as np
import pytest
import torch

from fsdiff.metrics.posterior.base import Cases, evaluate
from fsdiff.metrics.posterior.calibration import Coverage, RankedProbabilityScore
from fsdiff.metrics.posterior.distances import PosteriorEnergyDistance
from fsdiff.metrics.posterior.images import (
    PeakSignalToNoise,
    PosteriorGradients,
    StructuralSimilarity,
    ssim_map,
)
from fsdiff.metrics.posterior.moments import Misfit, PosteriorMoments, TruthError
from fsdiff.metrics.posterior.ranks import RankExcess
from fsdiff.spaces.bases import CosineBasis, FourierBasis

PLANE = CosineBasis(2)


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def from_zero_to_one(*shape, seed=0):
    """Fields in which both ends are attained."""
    fields = torch.from_numpy(np.random.default_rng(seed).random(shape))
    fields[..., 0, 0], fields[..., 0, 1] = 0.0, 1.0
    return fields


def brute_force(x, y):
    """SSIM of two images from 0 to 1, window by window, from the definition."""
    places = np.arange(11) - 5
    one = np.exp(-0.5 * (places / 1.5) ** 2)
    weights = np.outer(one, one) / one.sum() ** 2
    found = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = (each[i : i + 11, j : j + 11] for each in (x, y))
            first, second = (weights * a).sum(), (weights * b).sum()
            own, other = (
                (weights * (a - first) ** 2).sum(),
                (weights * (b - second) ** 2).sum(),
            )
            joint = (weights * (a - first) * (b - second)).sum()
            luminance = (2 * first * second + 1e-4) / (first**2 + second**2 + 1e-4)
            found.append(luminance * (2 * joint + 9e-4) / (own + other + 9e-4))
    return np.mean(found)


def test_decibels_are_those_of_the_error_in_the_range_of_truths():
    """Errors of a tenth of the range are 20 dB; that range is the one of all cases."""
    truth = torch.stack([torch.linspace(0, 2, 16), torch.linspace(1, 5, 16)]).double()
    truth = truth.view(2, 1, 4, 4)
    signs = torch.tensor([1.0, 1.0, 1.0, -1.0]).double().view(1, 4, 1, 1, 1)
    draws = truth[:, None] + 0.5 * signs
    found = PeakSignalToNoise()(Cases(draws, PLANE, truth))
    # The mean of three errors of + and one of − is half as large.
    assert found["psnr_draw"] == pytest.approx(20.0)
    assert found["psnr_mean"] == pytest.approx(20.0 + 20 * math.log10(2))


@pytest.mark.parametrize("moved", [(1.0, 0.0), (7.0, -3.0)])
def test_decibels_and_similarity_have_no_unit(moved):
    scale, shift = moved
    truth = from_zero_to_one(2, 1, 14, 14)
    draws = truth[:, None] + 0.1 * normal(2, 3, 1, 14, 14)
    for metric in (PeakSignalToNoise(), StructuralSimilarity()):
        plain = metric(Cases(draws, PLANE, truth))
        other = metric(Cases(scale * draws + shift, PLANE, scale * truth + shift))
        assert other == pytest.approx(plain)


def test_channels_count_in_their_own_range():
    truth = from_zero_to_one(2, 2, 12, 12)
    draws = truth[:, None] + 0.1
    scales = torch.tensor([1.0, 1000.0]).double().view(2, 1, 1)
    found = PeakSignalToNoise()(
        Cases(draws.expand(2, 2, 2, 12, 12) * scales, PLANE, truth * scales)
    )
    assert found["psnr_mean"] == pytest.approx(20.0)


def test_decibels_of_a_true_posterior_lie_three_below_those_of_its_mean():
    """Nodes that are independent normals: 10 log₁₀(2/(1 + 1/N)) for N draws."""
    truth, draws = normal(3, 1, 64, 64), normal(3, 50, 1, 64, 64, seed=1)
    found = PeakSignalToNoise()(Cases(draws, PLANE, truth))
    expected = 10 * math.log10(2 / (1 + 1 / 50))
    assert found["psnr_mean"] - found["psnr_draw"] == pytest.approx(expected, abs=0.1)


def test_similarity_is_that_of_the_definition():
    truth, draws = from_zero_to_one(2, 1, 13, 15), normal(2, 3, 1, 13, 15, seed=1)
    found = StructuralSimilarity()(Cases(draws, PLANE, truth))
    mean = [brute_force(draws[i].mean(0)[0].numpy(), truth[i, 0].numpy()) for i in range(2)]
    single = [
        brute_force(draws[i, k, 0].numpy(), truth[i, 0].numpy()) for i in range(2) for k in range(3)
    ]
    assert found["ssim_mean"] == pytest.approx(np.mean(mean))
    assert found["ssim_draw"] == pytest.approx(np.mean(single))


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_similarity_has_the_values_of_closed_forms(dimension):
    """1 of the same, the term of luminance of constants, that of contrast of a mirrored field."""
    grid = (12,) * dimension
    u = 0.5 + 0.1 * normal(1, *grid)
    assert torch.allclose(ssim_map(u, u, dimension), torch.ones(2, dtype=torch.float64))
    flat = torch.ones(1, *grid, dtype=torch.float64)
    found = ssim_map(0.2 * flat, 0.8 * flat, dimension)
    expected = (2 * 0.16 + 1e-4) / (0.04 + 0.64 + 1e-4)
    assert torch.allclose(found, torch.tensor(expected).double())
    # Means are zero where a field is −u of one without mean: only covariances differ in sign.
    places = torch.arange(12).double()
    waves = (math.pi * places).cos().view(-1, *[1] * (dimension - 1)).expand(1, *grid)
    energy = (waves * waves).flatten()[0]
    assert energy == 1.0
    against = ssim_map(waves, -waves, dimension)
    assert torch.allclose(against, torch.full_like(against, -1.0), atol=2e-3)


def test_similarity_leaves_out_gaps_and_grids_without_a_window(caplog):
    truth = from_zero_to_one(1, 1, 14, 14)
    draws = truth[:, None].repeat(1, 2, 1, 1, 1)
    present = torch.ones(1, 14, 14, dtype=torch.bool)
    present[0, 13] = False
    draws[..., 13, :] += 5.0
    found = StructuralSimilarity()(Cases(draws, PLANE, truth, present=present))
    assert found == {"ssim_mean": pytest.approx(1.0), "ssim_draw": pytest.approx(1.0)}
    assert StructuralSimilarity()(Cases(draws, PLANE, truth))["ssim_mean"] < 0.99
    small = Cases(draws[..., :10, :10], PLANE, truth[..., :10, :10])
    assert evaluate({"ssim": StructuralSimilarity()}, small) == {}
    assert "metric 'ssim' gives no ssim_mean" in caplog.text


def test_derivatives_of_draws_that_are_scaled():
    """W₁ between laws of u' and of a·u' is |a − 1| E|u'|."""
    basis = FourierBasis(1)
    truth = torch.sin(2 * math.pi * torch.arange(16) / 16).double().view(1, 1, 16)
    slopes = 16 * (truth.roll(-1, -1) - truth)
    draws = torch.stack([0.5 * truth, 0.5 * truth], 1)
    found = PosteriorGradients()(Cases(draws, basis, truth))
    assert found["restored_gradient_w1"] == pytest.approx(0.5 * float(slopes.abs().mean()))
    assert found["restored_gradient_floor"] == pytest.approx(0.0, abs=1e-12)


def test_derivatives_of_a_true_posterior_are_at_their_floor():
    """Truths and draws alike, beside draws that are too smooth by a fifth."""
    fields = normal(24, 41, 1, 64, seed=2).cumsum(-1)
    draws, truth = fields[:, 1:], fields[:, 0]
    true = PosteriorGradients()(Cases(draws, CosineBasis(1), truth))
    smooth = PosteriorGradients()(Cases(0.8 * draws, CosineBasis(1), truth))
    assert true["restored_gradient_w1"] < 3 * true["restored_gradient_floor"]
    assert smooth["restored_gradient_w1"] > 5 * smooth["restored_gradient_floor"]


def test_truths_outside_of_all_draws_are_counted():
    """At 3 of 8 nodes below all 4 draws, at 1 above: 5 times 3/8."""
    draws = torch.tensor([1.0, 2.0, 3.0, 4.0]).double().view(1, 4, 1, 1).expand(1, 4, 1, 8)
    truth = torch.tensor([0.0, 0, 0, 9, 2.5, 1.5, 3.5, 3.6]).double().view(1, 1, 8)
    assert RankExcess()(Cases(draws, CosineBasis(1), truth)) == {"rank_excess": 5 * 3 / 8}
    # Equal to one draw and less than the rest it is as often second as first.
    truth[..., :3] = 1.0
    assert RankExcess()(Cases(draws, CosineBasis(1), truth)) == {"rank_excess": 5 * 1.5 / 8}
    present = torch.tensor([[1, 1, 1, 1, 0, 0, 0, 0]], dtype=torch.bool)
    seen = RankExcess()(Cases(draws, CosineBasis(1), truth, present=present))
    assert seen == {"rank_excess": 5 * 1.5 / 4}


@pytest.mark.parametrize("width", [1.0, 0.5])
def test_ranks_of_a_true_posterior_have_no_excess(width):
    """N(0, 1) truths beside draws of N(0, width²): N + 1 times P(X < all), by quadrature."""
    truth, draws = normal(20, 1, 400), width * normal(20, 9, 1, 400, seed=1)
    grid = np.linspace(-8, 8, 4001)
    density = np.exp(-0.5 * grid**2) / math.sqrt(2 * math.pi)
    above = np.array([0.5 * math.erfc(x / width / math.sqrt(2)) for x in grid])
    expected = 10 * float((density * above**9).sum() * (grid[1] - grid[0]))
    assert expected == pytest.approx(1.0, abs=1e-6) or width < 1
    found = RankExcess()(Cases(draws, CosineBasis(1), truth))["rank_excess"]
    assert found == pytest.approx(expected, abs=0.15)


def test_an_estimate_has_what_needs_no_spread_and_nothing_else():
    """One answer for each case: errors of the mean and the absolute error, no deviation, no rank.

    Its numbers are the limits of those of draws whose spread about it vanishes.
    """
    estimate, truth, reference = (from_zero_to_one(3, 1, 16, 16, seed=s) for s in range(3))
    reference = reference[:, None] + 0.3 * normal(3, 8, 1, 16, 16)
    measures = {
        metric.kind: metric
        for metric in (
            *(PosteriorMoments(), TruthError(), Misfit(), PosteriorEnergyDistance()),
            *(RankedProbabilityScore(), Coverage(), RankExcess()),
            *(PeakSignalToNoise(), StructuralSimilarity(), PosteriorGradients()),
        )
    }
    residuals = normal(3, 40, 5)
    found = evaluate(measures, Cases(estimate[:, None], PLANE, truth, reference, residuals[:, :1]))
    assert [*found] == [
        *("posterior_mean", "posterior_mean_relative", "mean_error", "mean_error_physical"),
        *("crps", "psnr_mean", "ssim_mean", "restored_gradient_w1"),
    ]
    assert found["crps"] == pytest.approx(float((estimate - truth).abs().mean()), rel=1e-12)
    draws = estimate[:, None] + 1e-7 * normal(3, 40, 1, 16, 16, seed=9)
    limits = evaluate(measures, Cases(draws, PLANE, truth, reference, residuals))
    assert found == pytest.approx({name: limits[name] for name in found}, rel=1e-5)


def test_what_needs_a_spread_refuses_an_estimate():
    truth = from_zero_to_one(2, 1, 16, 16)
    with pytest.raises(ValueError, match=r"'coverage' needs 19 draws or more .* there are 1"):
        Coverage()(Cases(truth[:, None], PLANE, truth))
