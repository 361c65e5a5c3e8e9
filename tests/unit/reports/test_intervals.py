"""Intervals of means and ratios, against tests of the same hypotheses and their coverage."""

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp, ttest_rel

from fsdiff.reports.intervals import Values, mean, ratio

SEEDS = tuple(range(5))


def of_seeds(numbers, seeds=SEEDS, **known):
    return Values(np.asarray(numbers, dtype=float), seeds, **known)


def test_the_ends_of_a_ratio_of_pairs_are_those_that_a_t_test_just_does_not_refute():
    """Fieller's interval holds the ratios ρ for which a − ρ b may have mean zero."""
    random = np.random.default_rng(3)
    b = 2 + 0.3 * random.standard_normal(5)
    a = 0.1 * random.standard_normal(5) + 0.2 * (b - 2)
    found = ratio("b", of_seeds(a), of_seeds(b))
    assert found.low < found.value < found.high
    for end in (found.low, found.high):
        assert ttest_rel(a, end * b).pvalue == pytest.approx(0.05, rel=1e-6)


def test_the_ends_of_a_ratio_to_an_exact_number_are_those_of_the_mean():
    a = np.array([-0.1, 0.2, 0.05, -0.02, 0.1])
    found = ratio("real", of_seeds(a), Values(np.array([4.0])))
    interval = ttest_1samp(a, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low / 4, interval.high / 4))


def test_ratios_of_means_of_other_seeds_cover_the_truth():
    """Numbers about zero: 31 of 32 times not all are positive."""
    random = np.random.default_rng(4)
    draws = 0.2 * random.standard_normal((800, 2, 5)) + [[0.0], [1.0]]
    others = tuple(range(5, 10))
    found = [ratio("b", of_seeds(a), of_seeds(b, others)) for a, b in draws if (a <= 0).any()]
    covered = np.mean([one.low <= 0 <= one.high for one in found])
    assert 0.93 < covered < 0.99


def test_a_mean_of_numbers_that_are_known_by_themselves():
    """Two equal intervals of ±0.4 leave ±0.4/√2 to the mean, however well the seeds agree."""
    ends = np.array([[0.1, 0.1], [0.9, 0.9]])
    found = mean("share", of_seeds([0.5, 0.5], seeds=(0, 1), ends=ends))
    reach = 0.4 / np.sqrt(2)
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach))


def test_seeds_that_scatter_more_than_their_intervals_have_students():
    """Areas under curves, each known to 0.04; no interval leaves [0, 1]."""
    values = np.array([0.55, 0.62, 0.70])
    found = mean(
        "auc", of_seeds(values, seeds=(0, 1, 2), ends=np.array([values - 0.04, values + 0.04]))
    )
    assert (found.low, found.high) == pytest.approx(ttest_1samp(values, 0).confidence_interval())
    wide = np.array([0.0, 1.0, 0.0])
    ends = np.array([[0.0, 0.2, 0.0], [0.8, 1.0, 0.8]])
    found = mean("share", of_seeds(wide, seeds=(0, 1, 2), ends=ends), (0.0, 1.0))
    assert (found.low, found.high) == (0.0, 1.0)


@pytest.mark.parametrize("ends", [None, np.array([[0.6], [0.8]])])
def test_one_seed_does_not_say_how_others_scatter(ends):
    assert np.isnan(mean("auc", of_seeds([0.7], seeds=(0,), ends=ends)).low)


def test_shares_of_tests_are_known_as_the_share_of_all_tests():
    """Two seeds that reject 1 and 2 of 20 tests: three of 40 by Clopper and Pearson."""
    values = of_seeds([0.05, 0.10], seeds=(0, 1), tests=np.array([20.0, 20.0]))
    interval = binomtest(3, 40).proportion_ci(method="exact")
    assert mean("share", values).high >= interval.high
    assert values.reach() == pytest.approx((0.075 - interval.low, interval.high - 0.075))
    none = mean("share", of_seeds([0.0, 0.0], seeds=(0, 1), tests=np.array([20.0, 20.0])))
    assert (none.low, none.high) == pytest.approx((0, 1 - 0.025 ** (1 / 40)))
    assert none.limited_by_tests
    # Seventy-two tests without a rejection are what it takes for 0.05.
    assert none.seeds_to_decide((-np.inf, 0.05)) == pytest.approx(72 / 20, abs=1)
