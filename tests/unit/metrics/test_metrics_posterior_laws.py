"""Distances between laws of whole fields given data, and those that are published."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm, wasserstein_distance

from fsdiff.measures.initial import GaussianRandomField
from fsdiff.metrics.posterior.base import Cases
from fsdiff.metrics.posterior.published import (
    PublishedPosterior,
    discrepancy,
    power,
    spectral_error,
)
from fsdiff.metrics.posterior.sliced import PosteriorSlicedWasserstein
from fsdiff.metrics.posterior.spectrum import PosteriorSpectrum
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.channels import ChannelBasis

LINE, SQUARE = CosineBasis(1), CosineBasis(2)
SLICED = PosteriorSlicedWasserstein()
ROUGH = GaussianRandomField(correlation_length=0.2, smoothness=0.6)


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def sliced(draws, reference, basis=SQUARE, metric=SLICED, **about):
    cases = Cases(draws, basis, reference=reference, **about)
    return metric(cases)["posterior_sliced_wasserstein"]


def rough(count, n, seed, basis=SQUARE):
    """Draws (1, count, 1, *grid) that are the same functions on every grid."""
    return ROUGH.sample(basis, n, range(count), seed, channels=1)[None]


def test_moved_and_stretched_draws_are_as_far_as_the_closed_form_says():
    """√(Σ⟨g, δ⟩²/Σ Var) of a shift δ; |a − 1| √(1 − 1/N) of deviations a times as large."""
    reference, shift = normal(2, 40, 2, 8, 8), normal(2, 1, 2, 8, 8, seed=1)
    directions = SLICED.directions(Cases(reference, SQUARE))
    along = torch.einsum("bcxy,gcxy->bg", shift[:, 0], directions) / 64
    own = torch.einsum("bncxy,gcxy->bng", reference, directions) / 64
    expected = (along.square().sum(1) / own.var(1).sum(1)).sqrt().mean()
    assert sliced(reference + shift, reference) == pytest.approx(float(expected), rel=1e-9)
    mean = reference.mean(1, keepdim=True)
    stretched = mean + 1.3 * (reference - mean)
    wide = 0.3 * (1 - 1 / 40) ** 0.5
    assert sliced(stretched, reference) == pytest.approx(wide, rel=1e-9)
    # In units of the reference's own deviation: those of the fields are of no account.
    assert sliced(7 * stretched, 7 * reference) == pytest.approx(wide, rel=1e-9)
    assert sliced(reference, reference) == 0.0


def test_directions_have_the_covariance_that_is_stated():
    """E⟨g, δ⟩² = ⟨δ, Qδ⟩: for a single mode, the eigenvalue of it, among many directions."""
    metric = PosteriorSlicedWasserstein(projections=6000, length=0.4, smoothness=1.5)
    like = torch.zeros(1, 2, 1, 16, 16)
    drawn = SQUARE.forward(metric.directions(Cases(like, SQUARE)))[:, 0]
    law = GaussianRandomField(correlation_length=0.4, smoothness=1.5).eigenvalues(SQUARE, 16)
    ratio = (drawn.square().mean(0) / law)[:4, :4]
    assert (ratio - 1).abs().max() < 4.5 * math.sqrt(2 / 6000)


@pytest.mark.parametrize(
    "basis", [SQUARE, FourierBasis(2), SineBasis(2)], ids=lambda basis: basis.kind
)
def test_the_distance_converges_as_the_grid_is_refined(basis):
    """Rough functions on grids of 8 to 64 nodes: each step is nearer, and ever nearer.

    With white directions, as over the unit sphere, the number changes with every grid.
    """
    shift = 0.3 * rough(1, 64, seed=2, basis=basis)
    fine = 1.2 * rough(60, 64, 0, basis) + shift, rough(80, 64, 1, basis)
    found, white = [], []
    for n in (8, 16, 32, 64):
        draws, reference = (basis.restrict(u, n) for u in fine)
        found.append(sliced(draws, reference, basis))
        one = PosteriorSlicedWasserstein(length=1e-3)
        white.append(sliced(draws, reference, basis, one))
    steps = np.abs(np.diff(found)) / found[-1]
    assert steps.max() < 0.02
    assert steps[2] < 0.5 * steps[0] < 0.01
    assert abs(white[0] / white[-1] - 1) > 3 * abs(found[0] / found[-1] - 1)


def test_it_sees_more_than_second_moments():
    """±1 and N(0, 1) times a function: W₂² = 2 − 2 E|Z|, whatever the directions."""
    count, wave = 4000, torch.cos(math.pi * (torch.arange(16) + 0.5) / 16).double()
    levels = (torch.arange(count).double() + 0.5) / count
    quantiles = torch.from_numpy(norm.ppf(levels.numpy()))[:, None] * wave
    signs = torch.where(levels < 0.5, -1.0, 1.0)[:, None] * wave
    value = sliced(signs[None, :, None], quantiles[None, :, None], LINE)
    assert value == pytest.approx(math.sqrt(2 - 2 * math.sqrt(2 / math.pi)), rel=2e-3)


def test_numbers_of_draws_may_differ_and_draws_of_the_truth_are_at_the_floor():
    """Of N, and twice as many, draws of one law: both near zero, the more the nearer."""
    reference = rough(1200, 16, 0)
    few, many = (sliced(rough(count, 16, 1), reference) for count in (100, 800))
    assert many < few < 0.25
    assert many < 0.1
    assert sliced(reference[:, 1::2], reference[:, ::2]) < 0.1
    # It is the same law that is twice repeated.
    once = rough(50, 16, 1)
    assert sliced(torch.cat([once, once], 1), reference) == pytest.approx(
        sliced(once, reference), rel=1e-9
    )


def test_lengths_are_in_units_of_the_longest_side():
    """The same fields on a square of a kilometre as on one of a metre."""
    far = Box(axes=tuple(Axis(kind="neumann", name=a, nodes=16, side=1e3) for a in "yx"))
    draws, reference = rough(30, 16, 0), rough(30, 16, 1)
    assert sliced(draws, reference, far) == pytest.approx(sliced(draws, reference), rel=1e-6)


def test_channels_of_different_bases_have_directions_of_their_own():
    basis = ChannelBasis(bases=(SineBasis(2), CosineBasis(2)))
    reference = normal(1, 30, 2, 8, 8)
    mean = reference.mean(1, keepdim=True)
    value = sliced(mean + 2 * (reference - mean), reference, basis)
    assert value == pytest.approx((1 - 1 / 30) ** 0.5, rel=1e-9)
    both = SLICED.directions(Cases(reference, basis))
    alone = SLICED.directions(Cases(reference[:, :, :1], SineBasis(2)))
    assert torch.allclose(both[:, :1], alone)


def test_spectra_of_deviations_are_compared_shell_by_shell():
    """|ln c²| for draws c times as far from their mean, which itself is of no account."""
    metric, reference = PosteriorSpectrum(), normal(3, 30, 2, 16, 16)
    draws = 5 * normal(3, 1, 2, 16, 16, seed=1) + 0.8 * reference
    row = metric(Cases(draws, SQUARE, reference=reference))
    expected = abs(math.log(0.64))
    assert row == {"posterior_log_spectrum_error": pytest.approx(expected, rel=1e-9)}
    # Energies are without bias: squares of N draws less their mean are over N − 1.
    twice = metric(Cases(torch.cat([reference] * 2, 1), SQUARE, reference=reference))
    expected = math.log(30 / 29) - math.log(60 / 59)
    assert twice["posterior_log_spectrum_error"] == pytest.approx(expected, rel=1e-9)


def published(draws, reference, basis=SQUARE, **about):
    row = PublishedPosterior()(Cases(draws, basis, reference=reference, **about))
    return {name.removeprefix("published_"): value for name, value in row.items()}


def test_published_errors_of_mean_and_deviation_are_of_physical_fields():
    """u = 2 + v, draws moved by a tenth and stretched by a quarter: 0.1/‖2 + v̄‖ and 0.25."""
    reference = normal(2, 30, 1, 8, 8)
    mean = reference.mean(1, keepdim=True)
    draws = mean + 0.1 + 1.25 * (reference - mean)
    row = published(draws, reference, origin=-2 * torch.ones(1, 8, 8).double())
    sizes = (2 + mean).flatten(1).norm(dim=1)
    assert row["mean_rel_l2"] == pytest.approx(float((0.1 * 8 / sizes).mean()), rel=1e-9)
    assert row["std_rel_l2"] == pytest.approx(0.25, rel=1e-9)


def test_the_published_discrepancy_is_the_biased_one_of_five_kernels():
    """By hand, in numpy; of N and M draws of white noise of many nodes its root is not zero."""
    x, y = normal(5, 3, 3).numpy(), normal(7, 3, 3, seed=1).numpy() + 0.5

    def squares(a, b):
        return ((a[:, None] - b[None]) ** 2).sum((-2, -1))

    median = np.median(squares(x, y))
    means = [
        np.mean([np.exp(-squares(*pair) / (w * median)).mean() for w in (0.2, 0.5, 1, 2, 5)])
        for pair in ((x, x), (y, y), (x, y))
    ]
    expected = math.sqrt(means[0] + means[1] - 2 * means[2])
    assert discrepancy(*map(torch.from_numpy, (x, y))) == pytest.approx(expected, rel=1e-9)
    own, other = normal(50, 32, 32), normal(80, 32, 32, seed=1)
    kernel = np.mean([math.exp(-1 / w) for w in (0.2, 0.5, 1, 2, 5)])
    bias = math.sqrt((1 / 50 + 1 / 80) * (1 - kernel))
    assert discrepancy(own, other) == pytest.approx(bias, rel=0.05)
    # One more field of the reference for each draw is as far as the same set itself.
    assert discrepancy(own, own) == pytest.approx(0.0, abs=1e-6)


def test_the_published_sliced_distance_grows_with_the_grid_and_sees_no_mean():
    """Of functions that all grids resolve: as the root of the number of nodes."""
    draws, reference = rough(40, 8, 0), rough(60, 8, 1)
    sizes = [
        published(SQUARE.prolong(draws, n), SQUARE.prolong(reference, n))["swd"] for n in (32, 64)
    ]
    assert sizes[1] / sizes[0] == pytest.approx(2.0, rel=0.1)
    moved = published(reference + 3.0, reference)
    assert moved["swd"] == pytest.approx(0.0, abs=1e-9)
    assert moved["mean_rel_l2"] > 1
    directions = PublishedPosterior().directions((32, 32))
    assert torch.allclose(directions.flatten(1).norm(dim=1), torch.ones(128).double())
    found = PublishedPosterior(projections=3)
    cut = found.directions((8, 8)).numpy()
    own, true = (
        np.tensordot(u[0, :, 0].numpy(), cut, ((1, 2), (1, 2))) for u in (draws, reference)
    )
    expected = np.mean([wasserstein_distance(own[:, p], true[:, p]) for p in range(3)])
    assert found(Cases(draws, SQUARE, reference=reference))["published_swd"] == pytest.approx(
        expected, rel=1e-9
    )


def test_published_directions_have_their_law():
    """Variances of cosine coefficients are ∝ (π²k² + 9)⁻², and the constant has none."""
    drawn = PublishedPosterior(projections=4000).directions((16, 16))
    variances = SQUARE.forward(drawn).square().mean(0)
    assert float(variances[0, 0]) < 1e-20
    # Of small scales, on which the length of a direction does not depend.
    found = float(variances[2, 3] / variances[5, 4])
    expected = ((41 * math.pi**2 + 9) / (13 * math.pi**2 + 9)) ** 2
    assert found == pytest.approx(expected, rel=4.5 * math.sqrt(4 / 4000))


@pytest.mark.parametrize("grid", [(8, 8), (9, 9), (6, 10)])
def test_published_shells_are_those_of_the_distance_from_the_centre(grid):
    fields, step = normal(4, *grid), 1 / min(grid)
    f = np.meshgrid(*(np.fft.fftfreq(size) for size in grid), indexing="ij")
    radius = np.sqrt(f[0] ** 2 + f[1] ** 2)
    squares = (np.abs(np.fft.fft2(fields.numpy())) ** 2).mean(0)
    count = math.ceil(min(grid) / 2)
    expected = [
        squares[(radius >= k * step - 1e-12) & (radius < (k + 1) * step - 1e-12)].mean()
        for k in range(count)
    ]
    assert power(fields).tolist() == pytest.approx(expected, rel=1e-9)


def test_a_published_shell_that_agrees_by_chance_hides_the_others():
    """Relative errors of 0.1, 0.4 and 0: the geometric mean of 0.1, 0.4 and 10⁻¹⁰."""
    true = torch.tensor([1.0, 2.0, 3.0, 0.0]).double()
    found = torch.tensor([1.1, 1.2, 3.0, 1.0]).double()
    expected = (0.1 * 0.4 * 1e-10) ** (1 / 3)
    assert spectral_error(found, true) == pytest.approx(expected, rel=1e-6)
