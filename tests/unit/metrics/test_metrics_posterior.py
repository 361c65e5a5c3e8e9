"""Measures of posteriors against closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.special import digamma
from scipy.stats import norm

from fsdiff.measures.priors.kernel import RBF
from fsdiff.metrics.posterior.base import Cases, PosteriorMetric, evaluate
from fsdiff.metrics.posterior.calibration import (
    Calibration,
    Coverage,
    RankedProbabilityScore,
    fair_score,
)
from fsdiff.metrics.posterior.distances import ClassifierTwoSample, PosteriorEnergyDistance
from fsdiff.metrics.posterior.exceedance import Exceedance
from fsdiff.metrics.posterior.log_density import LogDensity, LogDensityLost
from fsdiff.metrics.posterior.moments import (
    Misfit,
    PosteriorCovariance,
    PosteriorMoments,
    TruthError,
)
from fsdiff.metrics.posterior.published import PublishedPosterior
from fsdiff.metrics.posterior.sliced import PosteriorSlicedWasserstein
from fsdiff.metrics.posterior.spectrum import PosteriorSpectrum
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.gram import GramBasis

LINE = CosineBasis(1)
ALL: dict[str, PosteriorMetric] = {
    metric.kind: metric
    for metric in (
        PosteriorMoments(),
        PosteriorCovariance(modes=3),
        TruthError(),
        Misfit(),
        PosteriorEnergyDistance(),
        ClassifierTwoSample(modes=2, iterations=5),
        RankedProbabilityScore(),
        Coverage(),
        Calibration(modes=2, bins=4),
        Exceedance(),
        LogDensity(),
        LogDensityLost(),
        PosteriorSlicedWasserstein(projections=20),
        PosteriorSpectrum(),
        PublishedPosterior(projections=20),
    )
}


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def nodes(values):
    """Numbers (cases, draws) as fields of one node."""
    return values[..., None, None]


def test_moments_of_draws_that_are_moved_and_stretched():
    """μ = μ* + δ, σ = (1 + s) σ* give |δ|/σ̄*, s and |δ|/|μ*| exactly."""
    reference = 2.0 + normal(3, 40, 2, 8)
    mean, deviation = reference.mean(1, keepdim=True), reference.std(1, keepdim=True)
    shift = 0.1 * normal(3, 1, 2, 8, seed=1)
    draws = mean + shift + 1.25 * (reference - mean)
    row = PosteriorMoments()(Cases(draws, LINE, reference=reference))
    assert row["posterior_sd"] == pytest.approx(0.25, rel=1e-9)
    expected = [float(shift[case].norm() / deviation[case].norm()) for case in range(3)]
    assert row["posterior_mean"] == pytest.approx(np.mean(expected), rel=1e-9)
    ratios = shift.norm(dim=-1) / mean.norm(dim=-1)
    assert row["posterior_mean_relative"] == pytest.approx(float(ratios.mean()), rel=1e-9)


def test_relative_errors_of_physical_fields_are_those_in_their_units():
    """Of a permeability and a pressure, each with a mean and a unit of its own."""
    shape, units, means = (2, 1), (4.5, 0.004), (7.5, 0.006)
    scale, mean = (torch.tensor(each).double().view(shape) for each in (units, means))
    draws, truth, reference = normal(3, 20, 2, 8), normal(3, 2, 8, seed=1), normal(3, 30, 2, 8)
    origin = (-mean / scale).expand(2, 8)
    cases = Cases(draws, LINE, truth, reference, origin=origin)
    row = TruthError()(cases) | PosteriorMoments()(cases)
    drawn, true, right = (u * scale + mean for u in (draws, truth, reference))

    def relative(u, size):
        return float((u.norm(dim=-1) / size.norm(dim=-1)).mean())

    found = relative(drawn.mean(1) - true, true), relative(drawn - true[:, None], true[:, None])
    assert row["mean_error_physical"] == pytest.approx(found[0], rel=1e-9)
    assert row["draw_error_physical"] == pytest.approx(found[1], rel=1e-9)
    error = relative(drawn.mean(1) - right.mean(1), right.mean(1))
    assert row["posterior_mean_relative"] == pytest.approx(error, rel=1e-9)
    first = TruthError()(cases.of_channels([0]))["mean_error_physical"]
    assert first == pytest.approx(relative((drawn.mean(1) - true)[:, 0], true[:, 0]), rel=1e-9)
    assert row["mean_error"] == TruthError()(Cases(draws, LINE, truth))["mean_error"]


def test_probabilities_to_exceed_a_level_are_compared_node_by_node():
    """Two of four draws above the level against one of two, three of four against none."""
    draws = torch.tensor([[1.0, 2], [1, 2], [-1, 2], [-1, -1]])[None, :, None]
    reference = torch.tensor([[1.0, -1], [-1, -1]])[None, :, None]
    cases = Cases(draws, LINE, reference=reference)
    assert Exceedance()(cases) == {"exceedance": 0.375}
    assert Exceedance(level=1.5)(cases) == {"exceedance": 0.375}
    assert Exceedance(level=1.0)(cases) == {"exceedance": 0.375}
    assert Exceedance(level=2.5)(cases) == {"exceedance": 0.0}
    assert Exceedance(level=-1.0)(cases) == {"exceedance": 0.0}


def test_error_of_the_covariance_is_that_of_the_scale():
    reference = normal(2, 50, 1, 8, 8)
    cases = Cases(1.5 * reference + 3.0, FourierBasis(2), reference=reference)
    row = PosteriorCovariance(modes=6)(cases)
    assert row["posterior_covariance"] == pytest.approx(1.5**2 - 1, rel=1e-9)
    # Scales beyond the leading modes do not count.
    basis = CosineBasis(1)
    wave = basis.inverse(torch.eye(16).double()[[9]], 16)
    rough = Cases(normal(1, 30, 1, 16), basis, reference=None)
    same = Cases(rough.draws + 5 * normal(1, 30, 1, 1) * wave, basis, reference=rough.draws)
    assert PosteriorCovariance(modes=9)(same)["posterior_covariance"] < 1e-12
    assert PosteriorCovariance(modes=10)(same)["posterior_covariance"] > 1


def test_a_draw_of_the_true_posterior_errs_by_root_two_times_the_mean():
    """Truths and draws from one law of many nodes: √(1 + 1/N) and √2 of its deviation."""
    centre, draws = 10.0, 50
    truth, sample = centre + normal(20, 1, 500), centre + normal(20, draws, 1, 500, seed=1)
    row = TruthError()(Cases(sample, LINE, truth=truth))
    size = math.sqrt(centre**2 + 1)
    assert row["mean_error"] * size == pytest.approx(math.sqrt(1 + 1 / draws), rel=0.02)
    assert row["draw_error"] * size == pytest.approx(math.sqrt(2), rel=0.02)


def test_energy_distance_of_shifted_normals():
    """E|N(δ, 2)| = √(4/π) e^{−δ²/4} + δ erf(δ/2) in one dimension."""
    shift, count = 1.5, 1500
    reference = nodes(normal(1, count))
    draws = nodes(shift + normal(1, count, seed=1))
    row = PosteriorEnergyDistance()(Cases(draws, LINE, reference=reference))
    apart = math.sqrt(4 / math.pi) * math.exp(-(shift**2) / 4) + shift * math.erf(shift / 2)
    assert row["posterior_energy_distance"] == pytest.approx(
        2 * apart - 2 * math.sqrt(4 / math.pi), abs=0.1
    )
    same = Cases(nodes(normal(1, count, seed=2)), LINE, reference=reference)
    assert abs(PosteriorEnergyDistance()(same)["posterior_energy_distance"]) < 0.01


def test_the_classifier_is_right_as_often_as_the_best_one():
    """Two normals δ apart are told apart Φ(δ/2) of the time; equal laws half of it."""
    count, metric = 600, ClassifierTwoSample(modes=1, iterations=60, width=16)
    reference = nodes(normal(1, count))
    for shift in (0.0, 2.0):
        draws = nodes(shift + normal(1, count, seed=1))
        accuracy = metric(Cases(draws, LINE, reference=reference))["c2st"]
        assert accuracy == pytest.approx(norm.cdf(shift / 2), abs=0.04)


def test_the_classifier_sees_more_than_second_moments():
    """±1 and N(0, 1) have the same mean and variance."""
    count, metric = 600, ClassifierTwoSample(modes=1, iterations=100, width=16)
    signs = nodes(normal(1, count).sign() + 0.05 * normal(1, count, seed=2))
    cases = Cases(signs, LINE, reference=nodes(normal(1, count, seed=3)))
    first, again = metric(cases), metric(cases)
    assert first == again
    assert first["c2st"] > 0.8


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (0.7, 0.5), (-2.0, 3.0)])
def test_the_score_of_a_normal_law_is_its_closed_form(mean, deviation):
    """σ (z (2Φ(z) − 1) + 2φ(z) − 1/√π), from pairs of draws only: the fair score has no bias."""
    sets, truth = 200_000, torch.tensor(0.4).double()
    draws = mean + deviation * normal(2, sets, seed=5)
    score = fair_score(draws, truth.expand(sets))
    z = (0.4 - mean) / deviation
    exact = deviation * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / math.sqrt(math.pi))
    error = float(score.std()) / math.sqrt(sets)
    assert abs(float(score.mean()) - exact) < 4.5 * error


def test_the_score_is_that_of_all_pairs():
    draws, truth = normal(7, 3, 4), normal(3, 4, seed=1)
    pairs = (draws[:, None] - draws[None]).abs().sum((0, 1)) / (7 * 6)
    expected = (draws - truth).abs().mean(0) - 0.5 * pairs
    assert torch.allclose(fair_score(draws, truth), expected, rtol=1e-12)
    draws, truth = draws.view(1, 7, 1, 12), truth.view(1, 1, 12)
    row = RankedProbabilityScore()(Cases(draws, LINE, truth=truth))
    assert row["crps"] == pytest.approx(float(expected.mean()), rel=1e-12)


@pytest.mark.parametrize("draws", [19, 39, 30, 200])
def test_intervals_of_the_same_law_cover_as_often_as_they_say(draws):
    """Truth and draws exchangeable, 20,000 independent numbers: within 4.5 standard errors."""
    cases, size = 10, 2000
    row = Coverage()(
        Cases(normal(cases, draws, 1, size), LINE, truth=normal(cases, 1, size, seed=1))
    )
    for level in (0.5, 0.9):
        error = math.sqrt(level * (1 - level) / (cases * size))
        # With 30 draws quantiles are interpolated, which costs up to a few thousandths.
        slack = 0.004 if draws == 30 else 0.0
        assert abs(row[f"coverage_{100 * level:.0f}"] - level) < 4.5 * error + slack


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
def test_intervals_of_fields_with_two_values_cover_what_they_should(share):
    """Calibrated draws do, though most of them equal the truth, or all."""
    random, basis = np.random.default_rng(0), CosineBasis(1)
    draws, truth = (
        torch.from_numpy((random.random((300, count, 1, 16)) < share).astype(float))
        for count in (39, 1)
    )
    row = Coverage()(Cases(draws, basis, truth=truth[:, 0]))
    assert row["coverage_50"] == pytest.approx(0.5, abs=0.02)
    assert row["coverage_90"] == pytest.approx(0.9, abs=0.015)


def test_intervals_of_a_wrong_spread_cover_as_the_normal_law_says():
    size, draws = 4000, 399
    cases = Cases(0.5 * normal(5, draws, 1, size), LINE, truth=normal(5, 1, size, seed=1))
    row = Coverage()(cases)
    for level in (0.5, 0.9):
        half = 0.5 * norm.ppf(0.5 + level / 2)
        expected = norm.cdf(half) - norm.cdf(-half)
        assert row[f"coverage_{100 * level:.0f}"] == pytest.approx(expected, abs=0.015)


def test_ranks_count_the_draws_below_and_their_statistic_is_by_hand():
    """40 truths of which ranks 0 … 3 among three draws are 10, 10, 15 and 5."""
    draws = torch.tensor([1.0, 2.0, 3.0]).double().expand(40, 3)
    truth = torch.tensor([0.5] * 10 + [1.5] * 10 + [2.5] * 15 + [3.5] * 5).double()
    cases = Cases(nodes(draws), LINE, truth=truth[:, None, None])
    metric = Calibration(modes=1, bins=4)
    assert metric.histogram(cases).tolist() == [[10, 10, 15, 5]]
    row = metric(cases)
    assert row["calibration"] == pytest.approx((25 + 25) / 10 / 3)
    # χ² = 5 of three degrees of freedom.
    expected = math.erfc(math.sqrt(2.5)) + math.sqrt(10 / math.pi) * math.exp(-2.5)
    assert row["calibration_p_value"] == pytest.approx(expected, rel=1e-9)


def test_bins_that_do_not_divide_the_ranks_have_their_own_shares():
    """Ranks 0 … 6 in three bins: 3, 2 and 2 of seven."""
    cases = Cases(nodes(normal(7000, 6)), LINE, truth=normal(7000, seed=1)[:, None, None])
    counts = Calibration(modes=1, bins=3).histogram(cases)[0]
    error = math.sqrt(7000 * 3 / 7 * 4 / 7)
    assert np.abs(counts - np.array([3000, 2000, 2000])).max() < 4.5 * error


def test_calibrated_draws_pass_and_others_do_not():
    cases, draws = 200, 49
    truth, sample = normal(cases, 1, 8), normal(cases, draws, 1, 8, seed=1)
    metric = Calibration()
    good = metric(Cases(sample, LINE, truth=truth))
    assert good["calibration_p_value"] > 0.01
    assert good["calibration"] == pytest.approx(1.0, abs=0.6)
    narrow = metric(Cases(0.6 * sample, LINE, truth=truth))
    assert narrow["calibration_p_value"] < 1e-6
    assert narrow["calibration"] > 3
    # Ranks pile up at both ends where draws are too narrow.
    histogram = metric.histogram(Cases(0.6 * sample, LINE, truth=truth)).sum(0)
    assert histogram[[0, -1]].min() > 2 * histogram[1:-1].mean()


def test_equal_values_get_ranks_by_lot():
    zeros = torch.zeros(900, 2, 1, 1).double()
    cases = Cases(zeros, LINE, truth=torch.zeros(900, 1, 1).double())
    counts = Calibration(modes=1, bins=3).histogram(cases)[0]
    assert np.abs(counts - 300).max() < 4.5 * math.sqrt(200)


def test_misfit_of_residuals():
    residuals = torch.tensor([[[1.0, -1.0], [2.0, 0.0]]])
    row = Misfit()(Cases(normal(1, 2, 1, 4), LINE, residuals=residuals))
    assert row == {"misfit": pytest.approx(6 / 4)}


def test_halves_of_a_reference_are_at_its_own_error():
    """N and N draws of one law: ‖μ − μ'‖/σ ≈ √(2/N)."""
    count = 800
    reference = normal(6, count, 1, 64) + 1.0
    row = PosteriorMoments()(Cases(reference[:, 1::2], LINE, reference=reference[:, ::2]))
    assert row["posterior_mean"] == pytest.approx(math.sqrt(4 / count), rel=0.15)
    assert row["posterior_sd"] == pytest.approx(math.sqrt(2 / count), rel=0.15)


OF_MODES = (
    *("posterior_covariance", "c2st", "calibration"),
    *("posterior_sliced_wasserstein", "posterior_spectrum", "published_posterior"),
)
"""Measures of coefficients in functions on the whole box."""


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind not in OF_MODES])
def test_fields_with_gaps_are_compared_where_they_have_values(kind):
    """As functions of only those nodes are, of another number of nodes in each channel."""
    metric, sizes = ALL[kind], (8, 8, 3)
    present = torch.zeros(3, 16, dtype=torch.bool)
    for channel, size in enumerate(sizes):
        present[channel, torch.randperm(16, generator=torch.Generator().manual_seed(1))[:size]] = 1
    draws, reference = normal(2, 24, 3, 16), 1.2 * normal(2, 24, 3, 16, seed=1) + 0.1
    truth, residuals = normal(2, 3, 16, seed=2), normal(2, 24, 5, seed=3)

    def row(own, chosen, present=None):
        fields = (draws[:, :, own][..., chosen], truth[:, own][..., chosen])
        true = reference[:, :, own][..., chosen]
        return metric(Cases(fields[0], LINE, fields[1], true, residuals, present))

    every = torch.arange(16)
    for channel in (0, 2):
        alone = row([channel], present[channel].nonzero()[:, 0])
        assert row([channel], every, present[[channel]]) == pytest.approx(alone, rel=1e-9)
    # A channel of few nodes counts as much as any other.
    if kind in ("crps", "exceedance", "log_density", "log_density_lost"):
        apart = [row([channel], every, present[[channel]])[kind] for channel in range(3)]
        assert row([0, 1, 2], every, present)[kind] == pytest.approx(np.mean(apart), rel=1e-9)


POINTS = np.sort(np.random.default_rng(3).random(40)) ** 3
IRREGULAR = GramBasis(points=tuple(POINTS), covariance=RBF(length=0.3))


def test_errors_on_irregular_points_are_integrals():
    """Of functions that are known everywhere, by quadrature on a fine grid."""
    x = torch.linspace(0, 1, 20_001).double()

    def made(x):
        truth, errors = torch.sin(3 * x), torch.stack([0.5 * x, 0.2 - x, x**2])
        return truth, truth + errors

    truth, draws = made(torch.from_numpy(POINTS))
    reference = draws + 0.1 * torch.cos(2 * torch.from_numpy(POINTS))
    cases = Cases(draws[None, :, None], IRREGULAR, truth[None, None], reference[None, :, None])
    row = TruthError()(cases) | RankedProbabilityScore()(cases) | PosteriorMoments()(cases)
    fine_truth, fine = made(x)
    mean = (fine.mean(0) - fine_truth).square().mean() / fine_truth.square().mean()
    assert row["mean_error"] == pytest.approx(float(mean.sqrt()), rel=0.02)
    score = fair_score(fine, fine_truth).mean()
    assert row["crps"] == pytest.approx(float(score), rel=0.02)
    shift, spread = (0.1 * torch.cos(2 * x)).square().mean(), fine.var(0).mean()
    assert row["posterior_mean"] == pytest.approx(float((shift / spread).sqrt()), rel=0.02)


def test_coefficients_on_irregular_points_are_those_of_the_basis():
    draws = normal(2, 5, 1, 40)
    weighted = Cases(draws, IRREGULAR).weighted()
    found = weighted.leading(weighted.draws, 4)
    assert torch.allclose(found, IRREGULAR.forward(draws)[:, :, 0, :4])


@pytest.mark.parametrize("kind", ALL)
def test_what_fields_have_in_gaps_is_of_no_account(kind):
    metric, present = ALL[kind], torch.ones(2, 16, dtype=torch.bool)
    present[0, 5:9] = present[1, :3] = False
    draws, reference = normal(20, 24, 2, 16), normal(20, 24, 2, 16, seed=1)
    truth, residuals = normal(20, 2, 16, seed=2), normal(20, 24, 5, seed=3)
    moved = [torch.where(present, u, 7 + 3 * u) for u in (draws, truth, reference)]
    row = metric(Cases(draws, LINE, truth, reference, residuals, present))
    assert metric(Cases(moved[0], LINE, *moved[1:], residuals, present)) == row
    if kind != "misfit":
        assert metric(Cases(moved[0], LINE, *moved[1:], residuals)) != row


def test_evaluation_leaves_out_what_cannot_be_compared():
    draws = normal(20, 24, 1, 4)
    row = evaluate(ALL, Cases(draws, LINE, truth=normal(20, 1, 4, seed=1)))
    assert list(row) == [
        *("mean_error", "draw_error", "mean_error_physical", "draw_error_physical"),
        *("crps", "coverage_50", "coverage_90"),
        *("calibration", "calibration_p_value", "log_density"),
    ]
    with pytest.raises(ValueError, match="metric 'again' gives 'crps' again"):
        evaluate({"crps": ALL["crps"], "again": ALL["crps"]}, Cases(draws, LINE, truth=draws[:, 0]))


@pytest.mark.parametrize("kind", ALL)
def test_results_have_words_and_needs_are_named(kind):
    metric = ALL[kind]
    draws = normal(20, 24, 1, 4)
    cases = Cases(
        draws,
        LINE,
        truth=draws[:, 0],
        reference=normal(20, 24, 1, 4, seed=1),
        residuals=normal(20, 24, 3),
    )
    row = metric(cases)
    assert tuple(row) == metric.results == tuple(words.name for words in metric.words)
    assert all(math.isfinite(value) for value in row.values())
    needed = metric.needs[0]
    with pytest.raises(ValueError, match=rf"'{kind}' compares draws with the {needed}"):
        metric(Cases(draws, LINE))


def test_sets_that_do_not_fit_are_refused_by_name():
    draws = normal(2, 5, 1, 4)
    with pytest.raises(ValueError, match=r"truth has shape \(3, 1, 4\); expected \(2, 1, 4\)"):
        Cases(draws, LINE, truth=normal(3, 1, 4))
    with pytest.raises(ValueError, match=r"reference has shape .* expected \(2, any, 1, 4\)"):
        Cases(draws, LINE, reference=normal(2, 5, 2, 4))
    with pytest.raises(ValueError, match=r"reference has one draw of each case"):
        Cases(draws, LINE, reference=normal(2, 1, 1, 4))
    with pytest.raises(ValueError, match=r"draws contain NaN or infinity, first in case 1"):
        Cases(torch.cat([draws[:1], draws[1:] / 0]), LINE)
    with pytest.raises(ValueError, match=r"'coverage' needs 19 draws or more .* there are 5"):
        Coverage()(Cases(draws, LINE, truth=draws[:, 0]))
    with pytest.raises(ValueError, match=r"'calibration' needs 50 cases or more; there are 2"):
        Calibration()(Cases(draws, LINE, truth=draws[:, 0]))
    few = normal(60, 8, 1, 4)
    with pytest.raises(ValueError, match=r"10 bins needs 9 draws or more; .* 8: lower bins"):
        Calibration()(Cases(few, LINE, truth=few[:, 0]))


def test_the_log_likelihood_of_new_data_is_that_of_their_normal_law():
    """A mean over new data, by quadrature; what worse draws lose is a divergence."""
    draws, truth = 0.4 + 0.3 * normal(1, 50, 1, 4), normal(1, 1, 4, seed=1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    spread = (draws.var(1) + 0.2**2).sqrt().numpy()
    values = [norm.logpdf(truth + 0.2 * node, draws.mean(1), spread).mean() for node in nodes]
    expected = float(np.dot(weights, values) / weights.sum())
    row = LogDensity(noise=0.2)(Cases(draws, LINE, truth=truth))
    assert row["log_density"] == pytest.approx(expected, rel=1e-10)
    reference = 0.1 + 0.5 * normal(1, 30, 1, 4, seed=2)
    both = Cases(draws, LINE, truth=truth, reference=reference)
    best = LogDensity(noise=0.2)(Cases(reference, LINE, truth=truth))["log_density"]
    assert LogDensityLost(noise=0.2)(both)["log_density_lost"] == pytest.approx(best - expected)


def test_draws_of_the_true_posterior_lose_what_chance_takes():
    """Of N(0, 1): E ln s² and E 1/s² of N draws are those of χ² with N − 1 degrees."""
    draws, reference = normal(4000, 20, 1, 4), normal(4000, 200, 1, 4, seed=1)
    cases = Cases(draws, LINE, truth=normal(4000, 1, 4, seed=2), reference=reference)
    lost = LogDensityLost(noise=1e-3)(cases)["log_density_lost"]

    def chance(n):
        logarithm = digamma((n - 1) / 2) + math.log(2 / (n - 1))
        return 0.5 * (logarithm + (1 + 1 / n) * (n - 1) / (n - 3))

    assert lost == pytest.approx(chance(20) - chance(200), abs=0.008)
    assert lost > 0.04
