"""The analysis of variance between experiments, and its table."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fsdiff.reports.differences import Differences, chance, differences, of_seeds
from fsdiff.reports.moments import judged
from fsdiff.reports.summary import columns

SETTINGS = Differences(columns=("one_point_w1",), resolution=32)


@pytest.mark.parametrize("noise", [0.01, 0.5, 2.0])
def test_two_experiments_on_two_seeds_have_a_closed_form(noise):
    # Rows explain 1, the rest is 4·noise², with one degree of freedom each: F = 1/(4·noise²), and
    # the F distribution of (1, 1) degrees is that of a squared Cauchy variable.
    logarithms = np.array([[0.0, 0.0], [1.0, 1.0]]) + noise * np.array([[1, -1], [-1, 1]])
    expected = 1 - 2 / np.pi * np.arctan(1 / (2 * noise))
    assert chance(pd.DataFrame(np.exp(logarithms))) == pytest.approx(expected, rel=1e-9)


def test_of_two_experiments_it_is_the_paired_t_test():
    logarithms = np.random.default_rng(0).normal(size=(2, 7))
    expected = stats.ttest_rel(*logarithms).pvalue
    assert chance(pd.DataFrame(np.exp(logarithms))) == pytest.approx(expected, rel=1e-9)


def test_units_and_what_seeds_share_change_nothing():
    ends = pd.DataFrame(np.random.default_rng(1).lognormal(size=(4, 3)))
    assert chance(7.0 * ends) == pytest.approx(chance(ends), rel=1e-9)
    assert chance(ends * [1.0, 5.0, 0.2]) == pytest.approx(chance(ends), rel=1e-9)


def test_p_values_are_uniform_where_experiments_are_alike():
    random = np.random.default_rng(2)
    found = [chance(pd.DataFrame(random.lognormal(size=(5, 3)))) for _ in range(400)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_seeds_that_some_experiment_lacks_are_left_out():
    ends = pd.DataFrame(np.random.default_rng(3).lognormal(size=(3, 3)))
    lacking = ends.assign(other=[np.nan, 1.0, 2.0])
    assert chance(lacking) == chance(ends)


def test_nothing_is_known_of_chance_from_one_seed_or_one_experiment():
    assert np.isnan(chance(pd.DataFrame([[1.0], [2.0]])))
    assert np.isnan(chance(pd.DataFrame([[1.0, 2.0]])))


def test_equal_experiments_differ_by_chance_and_equal_ratios_do_not():
    assert chance(pd.DataFrame([[1.0, 2.0], [1.0, 2.0]])) == 1.0
    assert chance(pd.DataFrame([[1.0, 2.0], [8.0, 16.0]])) == 0.0


@pytest.mark.parametrize("value", [0.0, np.inf])
def test_nothing_is_known_of_chance_where_a_result_has_no_logarithm(value):
    assert np.isnan(chance(pd.DataFrame([[value, 1.0, 3.0], [1.0, 2.0, 4.0]])))


def summary() -> pd.DataFrame:
    """Two experiments of two seeds: their ends, and real data."""
    rows = [{"row": "real", "dataset": "d", "resolution": 32, "one_point_w1": 0.1}]
    for name, values in {"a": (0.25, 1.0), "b": (1.0, 4.0)}.items():
        for seed, value in enumerate(values):
            model = {"row": "model", "experiment": name, "title": f"{name} | title", "seed": seed}
            cost = {"seconds_per_sample": 0.1, "training_seconds": 10.0, "trained_at": 32}
            at = {"dataset": "d", "resolution": 32, "one_point_w1": value}
            rows.append({**model, **cost, **at})
    return pd.DataFrame(rows)


def trajectories() -> pd.DataFrame:
    """Both seeds of experiment a, whose samples were not finite after the second epoch of one."""
    moments = [(0, 1, 5.0, 2.0), (1, 1, 5.0, 4.0), (0, 2, 10.0, 0.25), (1, 2, 10.0, np.nan)]
    model = {"row": "model", "experiment": "a", "dataset": "d", "resolution": 32}
    return pd.DataFrame(
        {**model, "seed": seed, "epoch": epoch, "seconds": seconds, "one_point_w1": value}
        for seed, epoch, seconds, value in moments
    )


def test_the_last_moment_is_the_last_even_where_it_has_no_result():
    found = judged(summary(), trajectories(), 32, samples=0)
    (column,) = [one for one in columns(summary()) if one.name == "one_point_w1"]
    first, last = of_seeds(found, column, "first"), of_seeds(found, column, "last")
    assert first.loc["a"].to_list() == [2.0, 4.0]
    assert last.loc["a"].to_list() == [0.25, pytest.approx(np.nan, nan_ok=True)]
    assert first.loc["b"].to_list() == last.loc["b"].to_list() == [1.0, 4.0]


def test_a_row_for_each_column_says_who_is_nearest():
    # Logarithms of the ends: seeds and experiments add up, with nothing left to chance.
    legend, _, *table = differences(SETTINGS, summary(), None)
    assert legend.startswith("Ranges of all experiments at their ends, means over seeds. *p* is")
    assert table == [
        "|  | ends | real against real | p | nearest at the end |",
        "| --- | ---: | ---: | ---: | --- |",
        r"| one-point W₁ | 0.625 to 2.50 | 0.100 | 0 | a \| title |",
    ]


def test_where_samples_were_judged_in_training_first_moments_stand_beside_the_last():
    legend, _, header, _, row = differences(SETTINGS, summary(), trajectories().dropna())
    assert legend.startswith("Ranges of all experiments at their first moments and last moments")
    assert header.startswith("|  | first moments | last moments | real against real |")
    # Experiment a goes from 3 to 2.125: means of (2, 4) and of (0.25, 4). Of b there is the end.
    assert row.startswith("| one-point W₁ | 2.50 to 3.00 | 2.12 to 2.50 | 0.100 |")


def test_nobody_is_nearest_by_the_seeds_that_have_a_number():
    table = summary()
    table.loc[(table["experiment"] == "a") & (table["seed"] == 1), "one_point_w1"] = np.nan
    *_, row = differences(SETTINGS, table, None)
    assert row == r"| one-point W₁ | 2.50 | 0.100 | – | b \| title |"


def test_means_are_over_the_seeds_that_an_experiment_has():
    table = summary()
    *_, row = differences(
        SETTINGS, table[~((table["experiment"] == "b") & (table["seed"] == 1))], None
    )
    assert row.startswith("| one-point W₁ | 0.625 to 1.00 | 0.100 | – | a")


def test_other_data_sets_are_left_out():
    other = summary().assign(dataset="e", experiment="c", title="c", one_point_w1=9.0)
    both = pd.concat([summary(), other.iloc[1:]], ignore_index=True)
    settings = Differences(columns=("one_point_w1",), resolution=32, dataset="d")
    assert list(differences(settings, both, None)) == list(differences(SETTINGS, summary(), None))


def test_floors_stand_in_the_order_of_the_header():
    rows = [row.assign(count=count) for row in [summary()] for count in (100, 50)]
    rows[1]["experiment"] += " of few"
    both = pd.concat([rows[0].iloc[1:], rows[1]], ignore_index=True)
    *_, header, _, row = differences(SETTINGS, both, None)
    assert "| real against real, 100 fields / 50 fields |" in header
    assert "| – / 0.100 |" in row


def test_no_samples_are_no_differences():
    settings = Differences(columns=("one_point_w1",), resolution=64)
    (told,) = differences(settings, summary(), None)
    assert told == "There are none: no experiment has samples at resolution 64."
