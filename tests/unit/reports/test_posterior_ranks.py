"""Coverage and ranks against closed forms; chance against binomial quantiles."""

import numpy as np
import pytest
from scipy.stats import binom, chi2, norm

from fsdiff.reports.posteriors.ranks import LEVELS, Ranks


def gaussian(cases, draws, places, *, width=1.0, shift=0.0, seed=0):
    """Cases whose truth is N(0, 1) and whose draws are N(shift, width²), at independent places."""
    random = np.random.default_rng(seed)
    for _ in range(cases):
        yield (
            shift + width * random.standard_normal((draws, places)),
            random.standard_normal(places),
        )


def test_coverage_counts_ranks_by_the_part_of_their_cell():
    """Of 19 draws rank r is the cell from r/20 to (r + 1)/20 of [0, 1]."""
    draws = np.arange(1.0, 20.0)[:, None]
    middle, below = ([(draws, np.array([value]))] for value in (10.5, 0.5))
    np.testing.assert_allclose(Ranks.of(middle).coverage([0.05, 0.1, 0.9]), [0.5, 1, 1])
    np.testing.assert_allclose(
        Ranks.of(below).coverage([0.9, 0.95, 0.99]), [0, 0.5, 0.9], atol=1e-12
    )


def test_coverage_of_a_right_posterior_has_the_level_as_expectation():
    """However few draws there are: all ranks are as frequent."""
    draws = np.arange(1.0, 6.0)[:, None].repeat(6, 1)
    ranks = Ranks.of([(draws, np.arange(6) + 0.5)])
    np.testing.assert_allclose(ranks.coverage(), LEVELS)
    np.testing.assert_allclose(ranks.density(4), 1)


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_coverage_of_draws_of_another_width(width):
    """Intervals of N(0, s²) have N(0, 1) inside with probability 2 Φ(s z) − 1."""
    coverage = Ranks.of(gaussian(4, 199, 3000, width=width)).coverage()
    expected = 2 * norm.cdf(width * norm.ppf(0.5 + LEVELS / 2)) - 1
    np.testing.assert_allclose(coverage, expected, atol=0.012)


@pytest.mark.parametrize("places", [1, 50])
def test_chance_is_binomial_where_a_case_is_one_number(places):
    """Fields that are constant: a case is covered or not at all places at once."""
    cases = 40
    constant = [
        (np.repeat(draws, places, 1), np.repeat(truth, places))
        for draws, truth in gaussian(cases, 20, 1)
    ]
    levels = np.array([0.5, 0.9])
    low, high = Ranks.of(constant).coverage_by_chance(levels)
    for bound, tail in ((low, 0.025), (high, 0.975)):
        np.testing.assert_allclose(bound, binom.ppf(tail, cases, levels) / cases, atol=0.026)


def test_chance_shrinks_with_independent_places():
    """√(p (1 − p)/(cases · places)), two-sided 95 %."""
    low, high = Ranks.of(gaussian(5, 40, 400)).coverage_by_chance([0.5])
    assert (high - low)[0] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 2000), rel=0.12)


def test_heights_of_the_histogram():
    """Ranks 0, 0, 3 of three draws in two bins: the first has two of three, 4/3 of its share."""
    draws = np.array([[1.0], [2.0], [3.0]]).repeat(3, 1)
    ranks = Ranks.of([(draws, np.array([0.0, 0.5, 9.0]))])
    np.testing.assert_allclose(ranks.density(2), [4 / 3, 2 / 3])
    np.testing.assert_allclose(ranks.density(4), [8 / 3, 0, 0, 4 / 3])


def test_bounds_of_heights_are_binomial_for_independent_ranks():
    cases, places, bins = 10, 8, 5
    low, high = Ranks.of(gaussian(cases, 50, places)).density_by_chance(bins)
    count = cases * places
    for bound, tail in ((low, 0.025), (high, 0.975)):
        expected = binom.ppf(tail, count, 1 / bins) * bins / count
        np.testing.assert_allclose(bound, expected, atol=2.1 * bins / count)


def test_p_values_are_those_of_chi_squared_for_independent_ranks():
    ranks = [Ranks.of(gaussian(20, 59, 10, shift=0.15, seed=seed)) for seed in range(2)]
    for own in ranks:
        statistic = 200 * np.square(own.density(5) - 1).sum() / 5
        assert own.p_value(5) == pytest.approx(chi2.sf(statistic, 4), abs=0.04)
    biased = Ranks.of(gaussian(20, 59, 10, shift=1.0))
    assert biased.p_value(5) < 0.001


def test_equal_values_are_ranked_by_lot():
    """A field of two values: truth and draws agree nearly everywhere, and cover as they should."""
    random = np.random.default_rng(0)
    field = np.sign(random.standard_normal(8_000))
    flips = np.where(random.random((30, 8_000)) < 0.01, -1, 1)
    ranks = Ranks.of([(field * flips[1:], field * flips[0])])
    np.testing.assert_allclose(ranks.coverage(), LEVELS, atol=0.02)
    low, high = ranks.coverage_by_chance()
    assert ((low < LEVELS) & (high > LEVELS)).all()


def test_few_cases_have_few_bins():
    assert Ranks.of(gaussian(4, 64, 10)).bins() == 5
    assert Ranks.of(gaussian(40, 64, 10)).bins() == 10
    assert Ranks.of(gaussian(1, 3, 1)).bins() == 3
