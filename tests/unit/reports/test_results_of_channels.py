"""Results of single channels, from files through tables and figures to claims."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from fsdiff.data import storage
from fsdiff.reports import ranking
from fsdiff.reports.claims import Claim, judge
from fsdiff.reports.plotting.comparison import metric_by_resolution
from fsdiff.reports.plotting.progress import metric_by_epoch
from fsdiff.reports.plotting.table import summary_html
from fsdiff.reports.plotting.transfer import trained_by_sampled
from fsdiff.reports.summary import as_table, column_title, columns
from fsdiff.stages.trajectory import _dataset

KEYS = ("sliced_wasserstein", "vendi", "vendi_reference", "one_point_w1")
PLAIN = ("one_point_w1", "sliced_wasserstein", "vendi")
"""The results in the order of the table."""


def rows() -> pd.DataFrame:
    """Two experiments of which each is better in one channel, and real data."""
    values = {"a": (0.3, 0.1, 0.5), "b": (0.4, 0.7, 0.2), "real": (0.1, 0.1, 0.1)}
    found = []
    for name, numbers in values.items():
        identity = {"experiment": name, "title": name, "dataset": "d", "resolution": 8, "seed": 0}
        row = {
            "row": "real" if name == "real" else "model",
            "trained_at": 8,
            **identity,
            "loss": 1.0,
        }
        for suffix, value in zip(("[pressure]", "", "[a-ω.1]"), numbers, strict=True):
            row |= {f"{key}{suffix}": value for key in KEYS}
            row |= {f"vendi_reference{suffix}": 0.1}
        found.append(row)
    return pd.DataFrame(found)


@pytest.fixture
def table(tmp_path) -> pd.DataFrame:
    """The same after it was written and read again."""
    rows().to_csv(tmp_path / "summary.csv", index=False)
    return pd.read_csv(tmp_path / "summary.csv")


def test_columns_of_all_channels_come_first_then_channel_by_channel(table):
    found = columns(as_table(table))
    of_channels = [f"{name}[{channel}]" for channel in ("pressure", "a-ω.1") for name in PLAIN]
    assert [column.name for column in found] == [*PLAIN, "loss", *of_channels]
    families = [column.family for column in found[-6:]]
    assert families == ["channel pressure"] * 3 + ["channel a-ω.1"] * 3
    assert [column.compares for column in found] == [True] * 3 + [False] * 7
    vendi = next(column for column in found if column.name == "vendi[pressure]")
    assert (vendi.target, vendi.ranked) == ("vendi_reference[pressure]", True)
    assert vendi.deviation(table).to_list() == pytest.approx([0.2, 0.3, 0.0])
    assert column_title("sliced_wasserstein[pressure]") == "channel pressure, sliced Wasserstein"
    assert column_title("sliced_wasserstein") == "sliced Wasserstein"


def test_a_channel_without_a_target_of_its_own_is_not_ranked_by_another_s(table):
    found = columns(as_table(table.drop(columns="vendi_reference[pressure]")))
    ranked = {column.name: column.ranked for column in found}
    assert (ranked["vendi[pressure]"], ranked["vendi"]) == (False, True)


def test_the_page_has_a_group_of_columns_for_each_channel(table):
    page = summary_html(table)
    groups = re.findall(r'<th class="first" colspan="(\d)">(.*?)</th>', page)
    assert groups[-2:] == [("3", "channel pressure"), ("3", "channel a-ω.1")]
    (line,) = re.findall(r"<tr><th>a</th>(.*?)</tr>", page)
    cells = re.findall(r"<td(.*?)>(.*?)</td>", line)
    best = ["best" in classes for classes, _ in cells]
    assert best == [True, True, True, False, True, True, True, False, False, False]


def test_figures_are_of_all_channels_unless_one_is_named(table):
    titles = [axes.get_title() for axes in metric_by_resolution(table).axes]
    assert titles == ["one-point W₁"]
    figure = metric_by_resolution(table, names=["one_point_w1[pressure]"])
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.1]
    panels = [axes for axes in trained_by_sampled(table).axes if axes.get_title(loc="left")]
    assert len(panels) == 3


def test_trajectories_keep_results_of_channels(tmp_path, table):
    found = {"one_point_w1": 0.4, "one_point_w1[pressure]": 0.7, "one_point_w1[a-ω.1]": 0.2}
    moments = _dataset(
        [{"epoch": 1, "seconds": 2.0, **found}, {"epoch": 2, "seconds": 3.0}], 1.0, 8
    )
    made_from = storage.Provenance({}, "code", 0)
    storage.write(moments, tmp_path / "moments.nc", title="moments", provenance=made_from)
    read = xr.load_dataset(tmp_path / "moments.nc")
    for name, value in found.items():
        np.testing.assert_array_equal(read[name], [value, np.nan])
    identity = {"experiment": "b", "title": "b", "dataset": "d", "row": "model", "seed": 0}
    kept = read.to_dataframe().reset_index().assign(**identity, trained_at=8)
    figure = metric_by_epoch(kept, table)
    assert [axes.get_ylabel() for axes in figure.axes] == ["one-point W₁"]


def test_claims_and_searches_may_be_about_a_channel(table):
    about = {"where": "here", "statement": "Better.", "experiment": "a", "resolution": 8}
    claim = Claim(**about, metric="one_point_w1[pressure]", against=("b",), at_most=1.0)
    (estimate,) = judge(claim, table).estimates
    assert estimate.value == pytest.approx(0.3 / 0.4)
    runs = [{"point": {"modes": 2, "at": 8}, "seed": 0}]
    results = [{"one_point_w1[pressure]": 0.5, "training_seconds": 1.0}]
    outcome = ranking.outcomes(runs, results, "one_point_w1[pressure]")
    assert outcome["value"].to_list() == [0.5]
