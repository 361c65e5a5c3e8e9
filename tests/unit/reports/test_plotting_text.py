"""Titles are labels: no two experiments become one by them, and no title is more than text."""

import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from docutils.core import publish_parts
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from test_plain_text import Page
from test_plotting import BASIS, REPORT, cells, fields, history, line, rendered, texts

from fsdiff.characters import HIDDEN
from fsdiff.measures.roughness import Comparison
from fsdiff.metrics.spectra import radial_spectrum
from fsdiff.reports import ranking
from fsdiff.reports.plotting.comparison import cost, metric_by_resolution
from fsdiff.reports.plotting.data import gallery, hierarchy_densities, hierarchy_spectra
from fsdiff.reports.plotting.distributions import densities
from fsdiff.reports.plotting.fields import resolution_grid, sample_grid
from fsdiff.reports.plotting.history import loss_curves
from fsdiff.reports.plotting.pareto import quality_against_cost
from fsdiff.reports.plotting.prior_spectrum import prior_spectrum
from fsdiff.reports.plotting.progress import metric_by_epoch
from fsdiff.reports.plotting.ranking import coarse_against_fine
from fsdiff.reports.plotting.solutions import evolution, steady_states
from fsdiff.reports.plotting.spectra import spectra
from fsdiff.reports.plotting.style import quantity_of, save, wrapped
from fsdiff.reports.plotting.table import summary_html
from fsdiff.reports.plotting.transfer import trained_by_sampled

HOSTILE = [
    r"$\frac{$",
    r"100 $ or \$5 and $x^2$",
    "_hidden",
    "data (test)",
    "Gaussian surrogate",
    "<script>alert('1')</script> ]]> -- &",
    "two\nlines\r\x1b[31m\x00\u202e\ufffe",
    "{braces} %s %(x)s {{ 7 * 7 }}",
    "nan",
    "$",
]
SAME = {"a": "the same title", "b": "the same title"}
LABELS = ["the same title (a)", "the same title (b)"]


def summary(titles, seeds=(0, 1)):
    """Two experiments or so: the first is near the data, the others ever farther away."""
    shared = {"dataset": "waves", "one_point_kurtosis_reference": 1.4}
    rows = [
        {**shared, "experiment": "", "title": "", "row": row, "resolution": n,
         "one_point_w1": w1, "one_point_kurtosis": 1.5}
        for row, w1 in (("real", 0.01), ("surrogate", 0.2), ("white_noise", 0.5))
        for n in (16, 32)
    ]  # fmt: skip
    rows += [
        {**shared, "experiment": name, "title": title, "row": "model", "resolution": n,
         "seed": seed, "trained_at": 16 * (1 + i % 2), "one_point_w1": 0.02 * 4**i + 0.01 * seed,
         "one_point_kurtosis": 1.6 + i, "training_seconds": 10.0 + i, "seconds_per_sample": 0.5,
         "fine_evaluations": 20.0 + i}
        for i, (name, title) in enumerate(titles.items())
        for n in (16, 32)
        for seed in seeds
    ]  # fmt: skip
    return pd.DataFrame(rows)


def trajectories(titles):
    table = summary(titles)
    table = table[table["row"] == "model"]
    return pd.concat([table.assign(epoch=e, seconds=2.0 * e) for e in (1, 2)])


def spectrum(seed=0):
    return radial_spectrum(fields(4, 16, seed), BASIS)[1][0]


def histories(titles):
    return {name: [history(16, [0, 1], 5.0 + i, 1)] for i, name in enumerate(titles)}


COMPARED = {
    "sample_grid": lambda t: sample_grid(
        fields(2, 8), {k: fields(2, 8, i) for i, k in enumerate(t)}, surrogate=fields(2, 8),
        titles=t,
    ),
    "densities": lambda t: densities(
        fields(2, 16), {k: fields(2, 16, i) for i, k in enumerate(t)}, basis=BASIS,
        surrogate=fields(2, 16), titles=t,
    ),
    "spectra": lambda t: spectra(
        spectrum(), {k: spectrum(i) for i, k in enumerate(t)}, basis=BASIS, resolution=16,
        levels=[8], surrogate=spectrum(9), priors={k: spectrum(i + 5) for i, k in enumerate(t)},
        titles=t,
    ),
    "prior_spectrum": lambda t: prior_spectrum(
        {
            k: Comparison(np.arange(1, 33) ** -3.0, np.arange(1, 33) ** (-1.0 - i), 0.0)
            for i, k in enumerate(t)
        },
        t,
    ),
    "loss_curves": lambda t: loss_curves(histories(t), t),
    "cost": lambda t: cost(histories(t), summary(t), metric="one_point_w1", resolution=16),
    "metric_by_resolution": lambda t: metric_by_resolution(summary(t)),
    "pareto": lambda t: quality_against_cost(summary(t), metric="one_point_w1", resolution=16),
    "metric_by_epoch": lambda t: metric_by_epoch(trajectories(t), summary(t)),
    "trained_by_sampled": lambda t: trained_by_sampled(summary(t)),
}  # fmt: skip


@pytest.mark.parametrize("draw", COMPARED.values(), ids=COMPARED)
def test_experiments_of_one_title_are_both_in_every_figure(draw):
    said = " ".join(texts(draw(SAME)).split())
    assert all(label in said for label in LABELS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("draw", COMPARED.values(), ids=COMPARED)
def test_the_longest_titles_leave_room_for_what_is_drawn(draw, tmp_path):
    figure = draw({name: letter * 200 for name, letter in zip(SAME, "xe", strict=True)})
    save(figure, tmp_path / "figure.svg")
    sizes = [axes.get_position().size for axes in figure.axes if axes.axison]
    assert min(map(min, sizes)) > 0.005


MANY = {f"e{i}": f"experiment {i:02d} with a title of forty let" for i in range(30)}


@pytest.mark.filterwarnings("error", "ignore:Glyph")
@pytest.mark.parametrize("draw", COMPARED.values(), ids=COMPARED)
def test_thirty_experiments_leave_axes_their_size(draw):
    few, many = draw(dict(list(MANY.items())[:2])), draw(MANY)
    for figure in (few, many):
        figure.draw_without_rendering()
    for small, large in zip(few.axes, many.axes, strict=False):
        if small.axison and large.get_label() != "<colorbar>" != small.get_label():
            room = large.get_window_extent().size / small.get_window_extent().size
            assert (room > 0.75).all()
    for legend in many.legends:
        box = legend.get_window_extent()
        assert box.y0 >= 0
        assert box.y1 <= many.bbox.y1


def test_lines_of_thirty_experiments_look_different():
    figures = COMPARED["densities"](MANY), COMPARED["spectra"](MANY)
    for axes in (figures[0].axes[0], figures[1].axes[1]):
        looks = {(line.get_color(), str(line._dash_pattern)) for line in axes.lines}
        assert len(looks) >= len(MANY) + 2


def test_equal_noise_of_many_is_named_after_the_first():
    drawn = spectra(
        spectrum(), {}, basis=BASIS, resolution=16, levels=[8],
        priors=dict.fromkeys(MANY, spectrum(3)), titles=MANY,
    )  # fmt: skip
    said = " ".join(texts(drawn).split())
    assert f"noise of {MANY['e0']} and 29 others" in said


def test_samples_of_very_many_experiments_are_those_of_the_first(tmp_path):
    figure = sample_grid(fields(2, 8), dict.fromkeys(map(str, range(230)), fields(2, 8)), columns=1)
    assert len(figure.axes) == 1 + 50 + 1
    assert figure.get_suptitle().endswith(", the first 50 of 230 experiments")


def test_the_highest_pictures_have_as_many_pixels_as_can_be(tmp_path):
    figure = Figure(figsize=(0.2, 500))
    save(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert 65000 < picture.height < 2**16


def test_results_of_experiments_of_one_title_are_not_averaged():
    axes = next(a for a in metric_by_resolution(summary(SAME)).axes if "W₁" in a.get_title())
    bars = {bar.get_label(): bar.lines[0].get_ydata().tolist() for bar in axes.containers}
    near, far = pytest.approx([0.025] * 2), pytest.approx([0.085] * 2)
    assert bars == dict(zip(LABELS, (near, far), strict=True))
    training = quality_against_cost(summary(SAME), metric="one_point_w1", resolution=16).axes[0]
    assert [line(training, label).get_xdata() for label in LABELS] == [[10.0], [11.0]]
    scatter = cost(histories(SAME), summary(SAME), metric="one_point_w1", resolution=16).axes[1]
    points = [line(scatter, label).get_xydata().tolist() for label in LABELS]
    assert points == [[[5.0, pytest.approx(0.025)]], [[6.0, pytest.approx(0.085)]]]
    panel = metric_by_epoch(trajectories(SAME), summary(SAME)).axes[0]
    assert [line(panel, label).get_ydata()[0] for label in LABELS] == pytest.approx([0.025, 0.085])


def test_the_table_has_a_row_for_each_experiment():
    page = summary_html(summary(SAME))
    found = [cells(page, label, 16)["one-point W₁"][1].split(" <")[0] for label in LABELS]
    assert found == ["0.0250 ± 0.0071", "0.0850 ± 0.0071"]


def test_bands_of_experiments_of_one_title_have_their_own_samples():
    first, second = fields(2, 8, 1), fields(2, 8, 2)
    figure = sample_grid(fields(2, 8), {"a": first, "b": second}, titles=SAME)
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    np.testing.assert_array_equal(images[2], first[0, 0])
    np.testing.assert_array_equal(images[4], second[0, 0])


# Text that would be something else


def valid(figure, path):
    """Save a figure, and parse its file."""
    save(figure, path)
    return ElementTree.parse(path).getroot()


TITLES = {f"e{i}": title for i, title in enumerate(HOSTILE)}


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:constrained_layout")
@pytest.mark.parametrize("draw", COMPARED.values(), ids=COMPARED)
def test_titles_are_drawn_as_they_stand(draw, tmp_path):
    figure = draw(TITLES)
    said = "".join(texts(figure).split())
    for title in HOSTILE[:2] + HOSTILE[5:6] + HOSTILE[7:8]:
        assert "".join(title.split()) in said
    assert "data(test)(e3)" in said
    valid(figure, tmp_path / "figure.svg")


def series(channels, unit, times=()):
    """Fields whose names and units are anybody's."""
    shape = (2, len(times) or 1, len(channels), 8, 8)
    values = np.random.default_rng(0).standard_normal(shape)
    coordinates = {"time": ("time", list(times) or [0.0], {"units": unit}), "channel": channels}
    array = xr.DataArray(
        values, coordinates, ("sample", "time", "channel", "y", "x"), attrs={"units": unit}
    ).assign_coords(sample=[0, 1])
    return array if times else array.isel(time=0, drop=True)


ABOUT_DATA = {
    "gallery": lambda c, u: gallery(series(c, u)),
    "evolution": lambda c, u: evolution(series(c, u, (0.0, 1.0))),
    "steady_states": lambda c, u: steady_states(series(c, u)),
    "hierarchy_spectra": lambda c, u: hierarchy_spectra({8: series(c, u)}, None, basis=BASIS),
    "hierarchy_densities": lambda c, u: hierarchy_densities({8: series(c, u)}),
    "sample_grid": lambda c, u: sample_grid(
        fields(2, 8), {}, quantity=quantity_of(series(c, u, (0.0,)).to_dataset(name="field"))
    ),
    "resolution_grid": lambda c, u: resolution_grid(
        {8: fields(2, 8)}, {8: fields(2, 8)}, title=c[0], finest_trained=8, quantity=u
    ),
}


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:constrained_layout")
@pytest.mark.parametrize("draw", ABOUT_DATA.values(), ids=ABOUT_DATA)
def test_channels_and_units_are_drawn_as_they_stand(draw, tmp_path):
    figure = draw(HOSTILE[:2] + HOSTILE[5:7], r"$\frac{$ <m>\x1b&")
    valid(figure, tmp_path / "figure.svg")
    assert r"$\frac{$" in texts(figure)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_hyperparameters_are_drawn_as_they_stand(tmp_path):
    runs = [{"point": {"kind": kind, "at": n}, "seed": 0} for n in (8, 16) for kind in HOSTILE[:2]]
    rows = [{"w1": 1.0 + i, "training_seconds": 1.0} for i in range(4)]
    found = ranking.outcomes(runs, rows, "w1")
    figure = coarse_against_fine(ranking.compared(found), ranking.agreements(found)[0], metric="w1")
    valid(figure, tmp_path / "figure.svg")
    assert f"kind {HOSTILE[0]} (places 1, 1)" in texts(figure)


def test_numbers_at_ticks_have_exponents():
    figure = loss_curves({"a": [history(16, [0, 10**6], 5.0, 10**6)]})
    figure.draw_without_rendering()
    labels = figure.axes[0].get_yticklabels()
    assert all(label.get_parse_math() for label in labels)
    assert not any(
        text.get_parse_math() for axes in figure.axes for text in (axes.title, axes.xaxis.label)
    )


def test_dollars_at_ticks_are_dollars():
    axes = trained_by_sampled(summary({"a": r"$x^2$ \$"})).axes[0]
    (text,) = axes.get_yticklabels()
    assert (text.get_text(), text.get_parse_math()) == (r"$x^2$ \$   16", False)


def test_the_table_holds_no_elements_but_its_own():
    plain, hostile = (Page(summary_html(summary(t))) for t in (dict.fromkeys(TITLES, ""), TITLES))
    assert plain.elements == hostile.elements
    assert "<script>alert('1')</script> ]]> -- &" in hostile.text


# Pages of the report

DIRECTIVES = [
    "x\n\n.. raw:: html\n\n   <script>alert(1)</script>\n",
    "x\n\n.. include:: /etc/passwd\n",
    ".. include:: /etc/passwd",
    "`x <javascript:alert(1)>`_ |x| [1]_ a_ ``b`` *c* **d** :raw-html:`e` \\",
    "**\n\n.. csv-table::\n   :file: /etc/passwd\n",
    "{{ 7 * 7 }} {% raw %}",
]


def described(title):
    """The description of a study of two experiments and one analysis with a title."""
    parts = ("prior", "process", "network", "sampler")
    experiment = {
        "title": title, "dataset": "waves_", **{part: {"kind": "any"} for part in parts},
        "levels": [{"resolution": 32}],
    }  # fmt: skip
    dataset = {"source": {"kind": "any"}, "resolutions": [32], "split": {"train": 8}}
    config = {
        "datasets": {"waves_": dataset},
        "experiments": {
            "first_": experiment,
            "second_": {"title": title, "dataset": "waves_", "method": {"kind": "gaussian"}},
        },
        "analyses": {"exact_": {"kind": "any", "title": title, "figure": ""}},
        "posteriors": {
            "guided_": {
                "title": title,
                "experiment": "first_",
                "observation": "sensors_",
                "guidance": {"kind": "any_"},
            },
            "amortised_": {"experiment": "first_", "observation": "sensors_"},
        },
        "defaults": {},
    }
    snakemake = SimpleNamespace(config=config)
    page = rendered(REPORT / "workflow.rst", snakemake=snakemake, categories={})
    assert "system-message" not in page
    return Page(page)


@pytest.mark.filterwarnings("ignore:Argument")
@pytest.mark.parametrize("title", [*DIRECTIVES, *HOSTILE])
def test_the_description_includes_nothing_and_has_no_elements_of_titles(title):
    page = described(title)
    assert page.elements == described("title").elements
    assert "root:x" not in page.text
    if not HIDDEN.search(title):  # such titles are refused
        assert " ".join(title.split()) in " ".join(page.text.split())


@pytest.mark.filterwarnings("ignore:Argument")
def test_the_description_of_an_experiment_names_the_parts_of_its_method():
    text = " ".join(described("title").text.split())
    parts = "prior any, process any, network any, trained at 32, sampler any."
    assert f"on waves_: {parts}" in text
    assert text.count("prior any") == 1
    assert "on waves_: method gaussian." in text
    assert "title (guided_): experiment first_ given sensors_, guided by any_." in text
    assert "amortised_ (amortised_): experiment first_ given sensors_." in text


@pytest.mark.filterwarnings("ignore:Argument")
def test_docutils_would_include_what_is_not_escaped():
    assert "<script>" in publish_parts(DIRECTIVES[0], writer_name="html")["body"]


def test_words_without_end_are_broken_and_others_are_not():
    assert wrapped("x" * 49, 24) == f"{'x' * 24}\n{'x' * 24}\nx"
    assert wrapped("two_words_that_belong_together here", 24) == (
        "two_words_that_belong_together\nhere"
    )


PAGE = 900 / 96
"""Inches that the report gives to a figure."""


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:constrained_layout")
@pytest.mark.parametrize("draw", COMPARED.values(), ids=COMPARED)
def test_no_text_is_smaller_than_eight_points_on_a_page(draw):
    figure = draw({"a": "Bessel prior, 32 → 64", "b": "White noise"})
    figure.draw_without_rendering()
    shrunk = min(1.0, PAGE / figure.get_figwidth())
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()]
    assert min(sizes) * shrunk >= 8.0
