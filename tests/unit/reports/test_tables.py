"""Tables of results are read as they were written, whatever experiments are called."""

import csv

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsdiff.reports import tables
from fsdiff.reports.claims import Claim, judge
from fsdiff.reports.summary import as_table, models, titles

NAMES = ["nan", "null", "inf", "true", "na", "none", "e1"]
TITLES = ["1", "1e3", "NA", "", "=1+1", "'quoted'", "-0"]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def table(names=NAMES, called=TITLES):
    rows = [
        {"experiment": name, "title": title, "dataset": "null", "row": "model", "seed": i,
         "resolution": 8, "trained_at": 8, "distance": 1 / (3 + i), "absent": np.nan}
        for i, (name, title) in enumerate(zip(names, called, strict=True))
    ]  # fmt: skip
    rows.append({"dataset": "null", "row": "real", "resolution": 8, "distance": np.inf})
    whole = {"seed": "Int64", "trained_at": "Int64"}
    identity = {"experiment": "", "title": ""}
    return pd.DataFrame(rows).astype(whole).fillna(identity)


@pytest.fixture
def read(tmp_path):
    tables.write(table(), tmp_path / "summary.csv")
    return tables.read(tmp_path / "summary.csv")


def test_names_and_titles_are_text(read):
    assert read["experiment"].tolist() == [*NAMES, ""]
    assert read["title"].tolist() == [*TITLES, ""]
    assert set(read["dataset"]) == {"null"}


def test_numbers_are_numbers_and_empty_cells_none(read):
    assert read["distance"].tolist() == [1 / (3 + i) for i in range(len(NAMES))] + [np.inf]
    assert read["seed"].tolist()[:-1] == list(range(len(NAMES)))
    assert np.isnan(read["seed"].iloc[-1])
    assert read["absent"].isna().all()


def test_no_experiment_is_lost_on_the_way_to_figures_and_claims(read):
    found = models(as_table(read))
    assert list(found) == NAMES
    assert titles(as_table(read)) == dict(
        zip(NAMES, [*TITLES[:3], "true", *TITLES[4:]], strict=True)
    )
    for i, name in enumerate(NAMES):
        claim = Claim(
            where="§1", statement="so", metric="distance", experiment=name, resolution=8, at_most=1
        )
        assert judge(claim, read).estimates[0].value == 1 / (3 + i)


def test_spreadsheets_find_no_formulas(tmp_path):
    path = tmp_path / "summary.csv"
    called = ['=HYPERLINK("http://x";"y")', "+1", "-1+1", "@a", "\tb", "\rc", "'=d"]
    columns = {"distance": "=distance"}
    tables.write(table(called=called).rename(columns=columns), path)
    with path.open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert [cell for cell in cells if cell.startswith(tuple("=+-@\t\r"))] == ["+1"]  # a number
    found = tables.read(path)
    assert found["title"].tolist() == [*called, ""]
    assert "=distance" in found


@given(title=TEXT)
def test_every_title_comes_back(tmp_path_factory, title):
    path = tmp_path_factory.getbasetemp() / "titles.csv"
    tables.write(table(called=[title] * len(NAMES)), path)
    assert tables.read(path)["title"].tolist() == [title] * len(NAMES) + [""]


def test_other_columns_are_text_on_demand(tmp_path):
    tables.write(pd.DataFrame({"kind": ["nan", "1"], "mean_at_8": [0.1, 0.2]}), tmp_path / "s.csv")
    assert tables.read(tmp_path / "s.csv", text=["kind"])["kind"].tolist() == ["nan", "1"]
