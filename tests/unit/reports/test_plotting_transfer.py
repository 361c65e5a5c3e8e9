"""The matrix of grids trained on and sampled on has each result in its cell."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.plotting.comparison import metric_by_resolution
from fsdiff.reports.plotting.progress import metric_by_epoch
from fsdiff.reports.plotting.transfer import trained_by_sampled

FLOOR = 0.1


def summary():
    """Three models on three grids, the second trained on two seeds; one metric has a target."""
    rows = [
        {"row": "real", "resolution": n, "patch_sliced_wasserstein": FLOOR, "vendi": 5.0,
         "vendi_reference": 5.0}
        for n in (16, 22, 32)
    ]  # fmt: skip
    for trained, title, seeds in ((32, "fine", 1), (16, "coarse", 2), (16, "other", 1)):
        rows += [
            {
                "row": "model", "experiment": title, "title": title, "resolution": n,
                "trained_at": trained, "seed": seed, "vendi": 4.0, "vendi_reference": 5.0,
                "patch_sliced_wasserstein": FLOOR * (1 + abs(n - trained)) * (1 + 0.2 * seed),
            }
            for n in (16, 22, 32)
            for seed in range(seeds)
            if title != "other" or n != 22
        ]  # fmt: skip
    return rows


@pytest.fixture
def panels():
    figure = trained_by_sampled(summary())
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}


def contents(axes):
    """Text by (column, row)."""
    return {(int(t.get_position()[0]), int(t.get_position()[1])): t.get_text() for t in axes.texts}


def boxes(axes, *, filled):
    return {
        (round(box.get_x() + 0.5), round(box.get_y() + 0.5)): box.get_facecolor()
        for box in axes.patches
        if isinstance(box, Rectangle) and box.get_fill() == filled
    }


def test_rows_go_from_coarse_to_fine_and_columns_are_grids(panels):
    axes = panels["sliced Wasserstein of patches"]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["coarse   16", "other   16", "fine   32"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["16", "22", "32"]
    assert axes.get_ylim() == (2.5, -0.5)  # the first row on top


def test_cells_hold_means_and_scatter(panels):
    found = contents(panels["sliced Wasserstein of patches"])
    assert found[0, 0] == "0.11\n± 0.01"
    assert found[0, 2] == "1.7"
    assert found[2, 2] == "0.1"
    assert (1, 1) not in found  # never sampled there


def test_distances_are_from_the_value_of_the_data(panels):
    (title,) = set(panels) - {"sliced Wasserstein of patches"}
    assert "that of the data" in title
    assert contents(panels[title])[2, 2] == "1"


def test_the_grid_trained_on_is_framed(panels):
    assert set(boxes(panels["sliced Wasserstein of patches"], filled=False)) == {
        (0, 0), (0, 1), (2, 2),
    }  # fmt: skip


def test_colours_grow_darker_away_from_the_floor(panels):
    colours = boxes(panels["sliced Wasserstein of patches"], filled=True)
    light = {place: np.dot(colour[:3], (0.3, 0.59, 0.11)) for place, colour in colours.items()}
    assert light[2, 2] > light[1, 2] > light[0, 2]
    # Where real data are at no distance from each other there is no unit.
    (other,) = set(panels) - {"sliced Wasserstein of patches"}
    assert set(boxes(panels[other], filled=True).values()) == {to_rgba((0.93, 0.93, 0.93))}


def test_a_cell_is_empty_if_a_seed_has_no_number():
    rows = [
        row | {"patch_sliced_wasserstein": np.nan} if row.get("seed") == 1 else row
        for row in summary()
    ]
    said = contents(trained_by_sampled(rows).axes[0])
    assert set(said) == {(0, 1), (2, 1), (0, 2), (1, 2), (2, 2)}


def test_without_metrics_the_figures_of_a_study_say_so():
    """Models are trained by then, and what else is known of them is shown."""
    rows = pd.DataFrame([{"row": "model", "resolution": 8, "title": "a", "trained_at": 8}])
    figures = (
        trained_by_sampled(rows),
        metric_by_resolution(rows),
        metric_by_epoch(rows.assign(epoch=1, seconds=2.0), rows),
    )
    assert [figure.texts[0].get_text() for figure in figures] == [NO_NUMBERS] * 3
