"""The page about a study: what is in its tables, and what is refused."""

import re
from collections.abc import Iterator
from math import nan

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fsdiff.reports.differences import Differences, differences
from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.moments import by_moment, judged
from fsdiff.reports.page import Contents, Picture, Table, page
from fsdiff.reports.plain_text import number, two_digits
from fsdiff.reports.plotting.quality_by_time import quality_by_time
from fsdiff.reports.plotting.style import experiment_styles
from fsdiff.reports.sooner import Sooner, sooner
from fsdiff.reports.summary import OTHERS, all_words
from fsdiff.study import ConfigurationError, load, strict_yaml

ROW = {"dataset": "d", "resolution": 32, "seconds_per_sample": 0.1}


def summary() -> pd.DataFrame:
    """Two experiments of two seeds, references, and another resolution."""
    rows = [
        {**ROW, "row": "real", "one_point_w1": 0.1},
        {**ROW, "row": "surrogate", "one_point_w1": 0.5},
        {**ROW, "row": "real", "resolution": 64, "one_point_w1": 9.0},
    ]
    for name, values in {"a": (0.2, 0.4), "b": (0.1, 0.1)}.items():
        for seed, value in enumerate(values):
            model = {"row": "model", "experiment": name, "title": f"{name} | title", "seed": seed}
            cost = {"training_seconds": 1000.0 + seed, "trained_at": 32}
            rows.append({**ROW, **model, **cost, "one_point_w1": value})
    return pd.DataFrame(rows)


def trajectories() -> pd.DataFrame:
    """Experiment a after one and two epochs; one seed was ended early."""
    moments = [(0, 1, 10.0, 0.8), (1, 1, 12.0, 0.6), (0, 2, 20.0, 0.2)]
    model = {"row": "model", "experiment": "a", "dataset": "d", "resolution": 32}
    return pd.DataFrame(
        [
            {**model, "seed": seed, "epoch": epoch, "seconds": seconds, "one_point_w1": value}
            for seed, epoch, seconds, value in moments
        ]
    )


def lines(**table) -> list[str]:
    shown = Table(columns=("one_point_w1",), resolution=32, **table)
    text = page(Contents(title="T", text="Asked.", tables=[shown]), summary(), trajectories())
    assert text.startswith("# T\n\nAsked.\n\n")
    return [line for line in text.splitlines() if line.startswith("|")]


def test_a_row_for_each_experiment_with_means_ranges_and_multiples():
    assert lines(multiples=True) == [
        "|  | one-point W₁ |",
        "| --- | ---: |",
        "| *real against real* | 0.100 (1.0) |",
        "| *Gaussian surrogate* | 0.500 (5.0) |",
        r"| a \| title | 0.300 ± 0.100 (3.0) |",
        r"| b \| title | 0.100 (1.0) |",
    ]


def test_of_results_that_nobody_has_there_is_no_table_and_of_unknown_times_no_number():
    nothing = Table(columns=("gradient_w1",), resolution=32)
    untimed = Table(columns=("one_point_w1",), resolution=32, rows="moments")
    contents = Contents(title="T", text="", tables=[nothing, untimed])
    text = page(contents, summary().assign(training_seconds=nan))
    assert f"\n{NO_NUMBERS}\n" in text
    assert "nan" not in text
    assert r"| b \| title |  |  | 0.100 |" in text


def test_a_row_for_each_moment_that_all_seeds_came_to():
    assert lines(rows="moments", samples=100)[4:] == [
        r"| a \| title after 1 epoch | 11 | 21 | 0.700 ± 0.100 |",
        r"| b \| title | 1,000 | 1,010 | 0.100 |",
    ]


def test_parts_stand_in_their_order_with_the_sections_of_other_pages():
    contents = Contents(
        title="T",
        text="Asked.",
        claims="# Claims\n\nNone.\n\n## Settings\n",
        posteriors="## sensors at resolution 8\n\nNear.\n",
        differences=[Differences(columns=("one_point_w1",), resolution=32, title="Differ?")],
        sooner=[
            Sooner(
                columns=("one_point_w1",),
                resolution=32,
                title="Sooner?",
                against=("a",),
                significance=None,
            )
        ],
        tables=[Table(columns=("one_point_w1",), resolution=32, title="All")],
        figures=[Picture(path="d/x.svg", caption="[Seen](y.md)."), Picture(path="d/y.png")],
    )
    text = page(contents, summary(), trajectories())
    headings = [line for line in text.splitlines() if line.startswith("#")]
    sections = ["## Claims", "### Settings", "## sensors at resolution 8"]
    assert headings == ["# T", *sections, "## Differ?", "## Sooner?", "## All"]
    figures = text.partition("## All")[2].partition("![")
    assert figures[0].endswith("\n\n[Seen](y.md).\n\n")
    assert figures[2].splitlines() == [
        "Seen.](figures/d/x.svg)",
        "",
        "![d/y.png](figures/d/y.png)",
    ]


def test_a_table_may_be_about_one_data_set():
    other = summary().assign(dataset="e", one_point_w1=7.0)
    other["experiment"] = other["experiment"].map({"a": "c", "b": "d"})
    both = pd.concat([summary(), other], ignore_index=True)
    for dataset, expected in (("d", summary()), ("e", other)):
        table = Table(columns=("one_point_w1",), resolution=32, dataset=dataset)
        contents = Contents(title="T", text="", tables=[table])
        alone = Contents(title="T", text="", tables=[Table(columns=table.columns, resolution=32)])
        assert page(contents, both) == page(alone, expected)


def tables_of(name: str) -> Iterator[list[str]]:
    """The tables about a result."""
    table = summary().assign(**{name: summary()["one_point_w1"]})
    settings = {"columns": (name,), "resolution": 32}
    shown = Contents(title="", text="", tables=[Table(**settings)])
    yield page(shown, table).splitlines()
    yield list(differences(Differences(**settings), table, None))
    yield list(sooner(Sooner(**settings, against=("a",), significance=None), table, None))


@pytest.mark.parametrize("name", [words.name for words in (*all_words(), *OTHERS)])
def test_rows_have_as_many_cells_as_columns_whatever_results_are_called(name):
    for lines in tables_of(name):
        rows = [line for line in lines if line.startswith("|")]
        assert len(rows) > 2
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_experiments_of_a_page_have_the_colours_of_the_report():
    first = summary().iloc[-1:].assign(experiment="first", title="first", resolution=16)
    other = summary().iloc[-1:].assign(experiment="other", title="other", dataset="e")
    table = pd.concat([other, first, summary()], ignore_index=True)
    settings = Table(columns=("one_point_w1",), resolution=32, dataset="d", rows="moments")
    found = settings.moments(table, trajectories())
    a, b, *_ = quality_by_time(found, table, ["one_point_w1"], samples=50).axes[0].lines
    looks = experiment_styles(["first", "a", "b"])
    assert (a.get_color(), b.get_color()) == (looks["a"]["color"], looks["b"]["color"])


def test_a_curve_has_a_gap_where_a_seed_has_no_number():
    moments = trajectories().assign(one_point_w1=[0.8, float("nan"), 0.2])
    found = judged(summary(), moments, 32, samples=50)
    a, *_ = quality_by_time(found, summary(), ["one_point_w1"], samples=50).axes[0].lines
    assert pd.isna(a.get_ydata()).all()


def test_time_is_that_of_training_and_of_samples():
    found = judged(summary(), trajectories(), 32, samples=50)
    assert found["time"].to_list() == [15.0, 17.0, 25.0, 1005.0, 1006.0]
    assert [(name, len(rows)) for name, _, rows in by_moment(found)] == [("a", 2), ("b", 2)]


def test_the_figure_has_means_over_seeds_against_time():
    found = judged(summary(), trajectories(), 32, samples=50)
    figure = quality_by_time(found, summary(), ["one_point_w1"], samples=50)
    (axes,) = figure.axes
    a, b, *_ = axes.lines
    assert (a.get_xdata().tolist(), a.get_ydata().tolist()) == ([16.0], pytest.approx([0.7]))
    assert b.get_xdata().tolist() == [1005.5]
    assert axes.get_title() == "one-point W₁"


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (12.345, "12.3"), (0.01234, "0.0123"), (100.0, "100")]
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (99.7, "100"), (12.345, "12"), (0.01234, "0.012"), (-2e8, "-2.0e+08")],
)
def test_two_digits_have_no_exponent_where_numbers_are_read_without(value, text):
    assert two_digits(value) == text


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"columns": ["one_point_w2"]}, "page.tables[0].columns[0]"),
        ({"columns": ["one_point_w1"], "resolution": 8}, "is compared with data at 8"),
        (
            {"columns": ["one_point_w1"], "dataset": "wavs"},
            'page.tables[0].dataset = "wavs": there is no such data set; known: waves',
        ),
    ],
)
def test_columns_that_no_experiment_will_have_are_refused(table, problem):
    block = {"title": "T", "text": "", "tables": [{"resolution": 32, **table}]}
    with pytest.raises(ConfigurationError) as caught:
        load("tests/workflow/tiny.yaml", {"page": block})
    assert problem in str(caught.value)


W1 = {"columns": ["one_point_w1"], "resolution": 32}


def other_data(seeds: list[int]) -> dict:
    """What makes a second data set of the tiny study, and an experiment on it."""
    tiny = strict_yaml.read("tests/workflow/tiny.yaml")
    (data,), (experiment, *_) = tiny["datasets"].values(), tiny["experiments"].values()
    return {
        "datasets": {"others": data},
        "experiments": {"other": {**experiment, "dataset": "others", "seeds": seeds}},
    }


@pytest.mark.parametrize(
    ("block", "overlay", "problem"),
    [
        ({"claims": True}, {}, "page.claims = true: the study makes no claims"),
        ({"posteriors": True}, {}, "page.posteriors = true: the study has none"),
        ({"differences": [W1]}, {}, "page.differences[0]: chance is told by two experiments and"),
        ({"sooner": [{**W1, "against": ["x"]}]}, {}, "page.sooner[0]: chance is told by"),
        (
            {"sooner": [{**W1, "against": ["warn"], "significance": None}]},
            {},
            'page.sooner[0].against[0] = "warn": it is not compared with data there',
        ),
        (
            {"differences": [W1]},
            other_data([0, 1]),
            "page.differences[0]: give the dataset that it is about: waves, others",
        ),
        (
            {"sooner": [{**W1, "dataset": "others", "against": ["other"], "significance": None}]},
            other_data([0, 1]),
            'page.sooner[0].against = ["other"]: leave an experiment to compare with these',
        ),
    ],
)
def test_comparisons_that_tell_nothing_are_refused(block, overlay, problem):
    page_of_study = {"title": "T", "text": "", **block}
    with pytest.raises(ConfigurationError) as caught:
        load("tests/workflow/tiny.yaml", {"page": page_of_study, **overlay})
    assert problem in str(caught.value)


def test_a_panel_without_a_point_says_so():
    table = summary().assign(vendi=2.0, vendi_reference=3.0)
    table.loc[table["row"] == "model", "one_point_w1"] = nan
    found = judged(table, None, 32, 100)
    figure = quality_by_time(found, table, ["one_point_w1", "vendi"], samples=100)
    FigureCanvasAgg(figure).draw()
    empty, drawn = figure.axes
    assert [text.get_text() for text in empty.texts] == ["no numbers"]
    assert not drawn.texts
    assert drawn.get_xscale() == "log"


def test_moments_of_results_that_all_came_to_nothing_have_a_remark():
    table = summary().assign(one_point_w1=nan)
    figure = quality_by_time(judged(table, None, 32, 100), table, ["one_point_w1"], samples=100)
    assert [text.get_text() for text in figure.texts] == [NO_NUMBERS]
