"""References beside models that are judged by as many fields: distances of fewer are larger."""

import itertools

import pandas as pd
import pytest

from fsdiff.reports.combinations import Combinations, multiples
from fsdiff.reports.differences import Differences, differences
from fsdiff.reports.page import Contents, Table, page
from fsdiff.reports.plotting.comparison import metric_by_resolution
from fsdiff.reports.plotting.pareto import quality_against_cost
from fsdiff.reports.plotting.progress import metric_by_epoch
from fsdiff.reports.plotting.table import summary_html
from fsdiff.reports.standings import standings
from fsdiff.reports.summary import as_table, columns, models, reference

FLOORS = {20: 0.1, 5: 0.4}
"""By the number of fields; models are at twice that, the surrogate at five times."""
N = 32


def rows():
    common = {"dataset": "waves", "resolution": N}
    for count, floor in FLOORS.items():
        found = common | {"count": count}
        for share in (0.5, 1.5):
            yield found | {"row": "real", "one_point_w1": share * floor, "rbf_mmd": share - 1}
        yield found | {"row": "surrogate", "one_point_w1": 5 * floor, "rbf_mmd": 3.0}
        cost = {"training_seconds": 9.0, "seconds_per_sample": 1.0, "fine_evaluations": 4.0}
        for seed in (0, 1):
            model = {"experiment": f"of_{count}", "title": f"of {count}", "seed": seed}
            numbers = {"one_point_w1": 2 * floor, "rbf_mmd": 1 - 2 * seed, "trained_at": N}
            yield found | {"row": "model", **model, **numbers, **cost}


SUMMARY = pd.DataFrame(rows())
DURING = SUMMARY[SUMMARY["row"] == "model"].assign(count=5, epoch=1, seconds=3.0)


def test_the_floor_of_each_is_that_of_as_many_fields():
    table = as_table(SUMMARY)
    found = {column.name: column for column in columns(table)}
    for count, rows_of_one in zip(FLOORS, models(table).values(), strict=True):
        w1, mmd = (found[name] for name in ("one_point_w1", "rbf_mmd"))
        assert reference(table, "real", w1, rows_of_one) == pytest.approx(FLOORS[count])
        assert reference(table, "surrogate", w1, rows_of_one) == pytest.approx(5 * FLOORS[count])
        # Signs do not cancel, neither of divisions nor of seeds.
        assert reference(table, "real", mmd, rows_of_one) == 0.5
        assert mmd.mean_deviation(rows_of_one) == 1


def test_multiples_and_ranks_are_in_units_of_it():
    settings = Combinations(columns=("one_point_w1", "rbf_mmd"), resolutions=(N,))
    variations = {f"of_{count}": {"family": "f", "choices": {"of": count}} for count in FLOORS}
    assert multiples(settings, SUMMARY, variations)["multiple"].tolist() == pytest.approx([2] * 4)
    (standing,) = standings(SUMMARY)
    assert [place.mean for place in standing.places] == pytest.approx([2, 2])
    assert standing.surrogate.mean == pytest.approx(5)


def test_tables_have_references_for_each_number_of_fields():
    html = summary_html(SUMMARY)
    assert html.index("resolution 32, 20 fields") < html.index("resolution 32, 5 fields")
    assert html.count("real against real") == 2
    assert html.count("<small>×2</small>") == 4
    table = Table(columns=("one_point_w1", "rbf_mmd"), resolution=N, multiples=True)
    text = page(Contents(title="t", text="t", tables=[table]), SUMMARY)
    assert "| *real against real*, 20 fields | 0.100 (1.0) | 0.500 (1.0) |" in text
    assert "| *real against real*, 5 fields | 0.400 (1.0) | 0.500 (1.0) |" in text
    assert "| *Gaussian surrogate*, 5 fields | 2.00 (5.0) | 3.00 (6.0) |" in text
    assert "| of 5 | 0.800 (2.0) | 0.00 ± 1.00 (2.0) |" in text
    settings = Differences(columns=("one_point_w1",), resolution=N)
    header, _, line = list(differences(settings, SUMMARY, None))[2:]
    assert "| real against real, 20 fields / 5 fields |" in header
    assert "| 0.100 / 0.400 |" in line


def levels(figure, label):
    """Heights of lines of that label, panel by panel."""
    lines = itertools.chain.from_iterable(axes.get_lines() for axes in figure.axes)
    return [line.get_ydata()[0] for line in lines if line.get_label() == label]


def test_figures_have_a_line_for_each_number_of_fields():
    for figure, times in (
        (metric_by_resolution(SUMMARY, names=["one_point_w1"]), 1),
        (quality_against_cost(SUMMARY, metric="one_point_w1", resolution=N), 4),
    ):
        floor = "real against real" + " (floor)" * (times == 1)
        assert levels(figure, f"{floor}, 20 fields") == pytest.approx([0.1] * times)
        assert levels(figure, f"{floor}, 5 fields") == pytest.approx([0.4] * times)
        assert levels(figure, "Gaussian surrogate, 5 fields") == pytest.approx([2.0] * times)


def test_samples_during_training_are_beside_as_many_real_fields():
    figure = metric_by_epoch(DURING, SUMMARY)
    assert levels(figure, "real against real") == pytest.approx([0.4, 0.5])
