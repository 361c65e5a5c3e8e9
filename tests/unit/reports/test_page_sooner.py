"""How much sooner experiments are as near to the data, on curves whose ratios are known."""

import numpy as np
import pandas as pd
import pytest

from fsdiff.reports.moments import judged
from fsdiff.reports.sooner import Sooner, sooner, times_sooner
from fsdiff.reports.summary import columns

TIMES = (1.0, 2.0, 4.0, 8.0)
LEVELS = {"slow": 8.0, "fast": 2.0, "slower": 32.0}
"""Experiments with the distance level/time at each of ``TIMES``; seed 1 takes twice as long."""

SECONDS_PER_SAMPLE = {"slow": 0.01, "fast": 0.03, "slower": 0.02}


def moments() -> list[dict]:
    return [
        {
            "row": "model",
            "dataset": "d",
            "resolution": 32,
            "experiment": name,
            "title": name.title(),
            "seed": seed,
            "epoch": epoch,
            "seconds": (seed + 1) * time,
            "one_point_w1": level / time,
        }
        for name, level in LEVELS.items()
        for seed in (0, 1)
        for epoch, time in enumerate(TIMES, start=1)
    ]


def trajectories() -> pd.DataFrame:
    return pd.DataFrame(moments())


def summary() -> pd.DataFrame:
    """The last moments."""
    found = trajectories().groupby(["experiment", "seed"], sort=False).tail(1)
    found = found.rename(columns={"seconds": "training_seconds"}).drop(columns="epoch")
    cost = found["experiment"].map(SECONDS_PER_SAMPLE)
    return found.assign(seconds_per_sample=cost, trained_at=32)


def factors(name: str, *, samples: int = 0, same_sampler: bool = False) -> list[float]:
    found = judged(summary(), trajectories(), 32, samples, same_sampler=same_sampler)
    (column,) = [one for one in columns(summary()) if one.name == "one_point_w1"]
    against = found[found["experiment"] == "slow"]
    return times_sooner(found[found["experiment"] == name], against, column)


def test_a_quarter_of_the_distance_is_four_times_sooner():
    # The nearest that slow comes is 8/8, which fast has after 2: every seed by itself.
    assert factors("fast") == [4.0, 4.0]
    assert factors("slow") == [1.0, 1.0]


def test_what_never_comes_as_near_has_no_factor():
    assert factors("slower") == [0.0, 0.0]


def test_samples_take_time_too():
    assert factors("fast", samples=100) == pytest.approx([9 / 5, 17 / 7])


def test_one_sampler_has_one_time():
    assert factors("fast", samples=100, same_sampler=True) == pytest.approx([10 / 4, 18 / 6])


def test_the_first_moment_counts_even_if_later_ones_are_farther():
    kept = trajectories()
    kept.loc[(kept["experiment"] == "fast") & (kept["epoch"] > 2), "one_point_w1"] = 9.0
    found = judged(summary(), kept, 32, samples=0)
    (column,) = [one for one in columns(summary()) if one.name == "one_point_w1"]
    against = found[found["experiment"] == "slow"]
    assert times_sooner(found[found["experiment"] == "fast"], against, column) == [4.0, 4.0]


def test_seeds_that_are_compared_with_none_have_no_factor():
    found = judged(summary(), trajectories(), 32, samples=0)
    (column,) = [one for one in columns(summary()) if one.name == "one_point_w1"]
    against = found[(found["experiment"] == "slow") & (found["seed"] == 0)]
    first, second = times_sooner(found[found["experiment"] == "fast"], against, column)
    assert first == 4.0
    assert np.isnan(second)


def lines(**settings) -> list[str]:
    chosen = Sooner(columns=("one_point_w1",), resolution=32, against=("slow",), **settings)
    return list(sooner(chosen, summary(), trajectories()))


def test_a_row_for_each_experiment_with_a_number_for_each_seed():
    legend, _, *table = lines()
    assert legend == (
        "The time of training to the nearest moment of *Slow*, seed by seed, by the time to an "
        "experiment's first moment that is as near. Columns are those whose last moments differ by "
        "more than chance (p < 0.05)."
    )
    assert table == [
        "|  | one-point W₁ |",
        "| --- | ---: |",
        "| Fast | 4.00, 4.00 |",
        "| Slower | never, never |",
    ]


def test_what_differs_by_chance_is_not_told():
    noise = np.array([[1.0, 9.0], [9.0, 1.0], [3.0, 3.0]]).ravel()
    kept = trajectories()
    kept.loc[kept["epoch"] == len(TIMES), "one_point_w1"] = noise
    chosen = Sooner(columns=("one_point_w1",), resolution=32, against=("slow",))
    told = list(sooner(chosen, summary(), kept))
    assert told[2:] == ["There is none: nothing differs by more than chance."]


def test_one_seed_does_not_tell_whether_anything_differs():
    alone = (part[part["seed"] == 0] for part in (summary(), trajectories()))
    chosen = Sooner(columns=("one_point_w1",), resolution=32, against=("slow",))
    (told,) = list(sooner(chosen, *alone))[2:]
    assert told.startswith("There is none: whether anything differs by more than chance is not kno")


def test_against_nobody_there_is_no_table():
    chosen = Sooner(columns=("one_point_w1",), resolution=32, against=("slow_er",))
    told = list(sooner(chosen, summary(), trajectories()))
    assert told == ["There is none: none of slow_er has samples."]
