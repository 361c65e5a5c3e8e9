"""Rankings of experiments that are combinations of choices, and their figure."""

import numpy as np
import pandas as pd
import pytest

from fsdiff.reports.combinations import Combinations, multiples, ranking
from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.plotting.combinations import heat_maps

FLOORS = {("waves", 32): 0.1, ("waves", 64): 0.2, ("rocks", 32): 1.0, ("rocks", 64): 1.0}
FACTORS = {("noise", "rough"): 4.0, ("noise", "white"): 2.0, ("data", "rough"): 8.0}
"""Distances of the experiments as multiples of the floor, at 32; at 64 four times as many."""

SETTINGS = Combinations(columns=("one_point_w1",), resolutions=(32, 64))


def variations() -> dict[str, dict]:
    return {
        f"{dataset}_{prediction}_{prior}": {
            "family": dataset.title(),
            "choices": {"prediction": prediction, "prior": f"{prior} | noise"},
        }
        for dataset in ("waves", "rocks")
        for prediction, prior in FACTORS
    }


def summary() -> pd.DataFrame:
    """Two seeds, half as far and one and a half times as far as their mean."""
    rows = [
        {"row": "real", "dataset": dataset, "resolution": n, "one_point_w1": floor}
        for (dataset, n), floor in FLOORS.items()
    ]
    for (dataset, n), floor in FLOORS.items():
        for choices, factor in FACTORS.items():
            name = "_".join((dataset, *choices))
            mean = floor * factor * (4 if n == 64 else 1)
            rows += [
                {
                    "row": "model",
                    "dataset": dataset,
                    "experiment": name,
                    "title": name,
                    "resolution": n,
                    "seed": seed,
                    "one_point_w1": share * mean,
                }
                for seed, share in enumerate((0.5, 1.5))
            ]
    return pd.DataFrame(rows)


def test_combinations_are_ranked_by_the_geometric_mean_of_multiples_of_the_floor():
    assert ranking(SETTINGS, summary(), variations()) == [
        "| prediction | prior | all | Waves, 32 / 64 | Rocks, 32 / 64 |",
        "| --- | --- | ---: | ---: | ---: |",
        r"| noise | white \| noise | 4.00 | 2.00 / 8.00 | 2.00 / 8.00 |",
        r"| noise | rough \| noise | 8.00 | 4.00 / 16.0 | 4.00 / 16.0 |",
        r"| data | rough \| noise | 16.0 | 8.00 / 32.0 | 8.00 / 32.0 |",
    ]


def test_nobody_is_ranked_first_for_what_was_not_measured():
    """Distances are larger on the fine grid, so that a mean without it compares with none."""
    table = summary()
    gone = (table["experiment"] == "waves_noise_white") & (table["resolution"] == 64)
    *_, last = ranking(SETTINGS, table[~gone], variations())
    assert last == r"| noise | white \| noise | – | 2.00 / – | 2.00 / 8.00 |"


def test_what_is_unknown_of_all_is_left_out_of_the_mean():
    table = summary()
    gone = (table["row"] == "real") & (table["dataset"] == "waves") & (table["resolution"] == 64)
    _, _, first, *_ = ranking(SETTINGS, table[~gone], variations())
    assert first == rf"| noise | white \| noise | {32 ** (1 / 3):.2f} | 2.00 / – | 2.00 / 8.00 |"


def test_experiments_that_are_no_combinations_are_not_ranked():
    known = {name: item for name, item in variations().items() if name.startswith("waves")}
    assert set(multiples(SETTINGS, summary(), known)["family"]) == {"Waves"}


def test_a_panel_for_each_data_set_has_a_cell_for_each_experiment_and_grid():
    figure = heat_maps(multiples(SETTINGS, summary(), variations()))
    assert [axes.get_title() for axes in figure.axes] == [
        "Waves: one-point W₁",
        "Rocks: one-point W₁",
    ]
    for axes in figure.axes:
        assert [label.get_text() for label in axes.get_yticklabels()] == ["noise", "data"]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["32", "64"] * 2
        cells = [text.get_text() for text in axes.texts]
        assert cells[:8] == ["4", "16", "2", "8", "8", "32", "–", "–"]
        assert cells[8:] == ["rough | noise", "white | noise"]
        (image,) = axes.images
        assert float(image.get_array()[0, 0]) == pytest.approx(1.3863, abs=1e-4)


@pytest.mark.parametrize("gone", [np.nan, None])
def test_results_that_all_came_to_nothing_are_told(gone):
    """A table that is read again has no column of what was no number everywhere."""
    table = summary().assign(one_point_w1=gone)
    assert ranking(SETTINGS, table, variations()) == [NO_NUMBERS]
    figure = heat_maps(multiples(SETTINGS, table, variations()))
    assert [text.get_text() for text in figure.texts] == [NO_NUMBERS]


def test_samples_without_any_distance_are_as_white_as_the_floor():
    table = summary()
    table.loc[table["experiment"] == "waves_noise_white", "one_point_w1"] = 0.0
    (image,) = heat_maps(multiples(SETTINGS, table, variations())).axes[0].images
    assert np.nanmin(image.get_array()) == 0
