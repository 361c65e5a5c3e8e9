"""Figures show the numbers they are given; the table names the right winner."""

import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import jinja2
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from docutils.core import publish_parts
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from fsdiff.measures.roughness import Comparison
from fsdiff.metrics.densities import kurtosis
from fsdiff.metrics.spectra import radial_spectrum
from fsdiff.reports.plotting.comparison import cost, metric_by_resolution
from fsdiff.reports.plotting.distributions import densities
from fsdiff.reports.plotting.fields import resolution_grid, sample_grid
from fsdiff.reports.plotting.history import loss_curves
from fsdiff.reports.plotting.pareto import pareto_front, quality_against_cost
from fsdiff.reports.plotting.prior_spectrum import prior_spectrum
from fsdiff.reports.plotting.progress import metric_by_epoch
from fsdiff.reports.plotting.spectra import spectra
from fsdiff.reports.plotting.style import WARNING, label_ends, per, plain_ticks, save, squared
from fsdiff.reports.plotting.table import summary_html
from fsdiff.reports.standings import standings
from fsdiff.reports.summary import as_table, columns
from fsdiff.spaces.bases import CosineBasis

BASIS = CosineBasis()
REPORT = Path(__file__).parents[3] / "workflow" / "report"


def fields(count: int, n: int, seed: int = 0, sharpness: float = 3.0) -> torch.Tensor:
    """tanh of a Gaussian random field: plateaus and fronts, (count, 1, n, n)."""
    normals = np.random.default_rng(seed).standard_normal((count, 1, 32, 32))
    variance = (50 + BASIS.omega_squared(32)) ** -2.0
    coefficients = torch.from_numpy(normals) * (variance / variance.sum()).sqrt()
    return BASIS.restrict(torch.tanh(sharpness * BASIS.inverse(coefficients, 32)), n)


def line(axes, label: str):
    """The line with a label."""
    return next(line for line in axes.lines if line.get_label() == label)


def texts(figure: Figure) -> str:
    """All text of a figure."""
    return " ".join(t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text")))


# Fields


def test_sample_grid_shows_the_given_fields_on_the_scale_of_the_data():
    data, model = fields(5, 16), 4 * fields(5, 16, seed=1)
    figure = sample_grid(data, {"model": model}, surrogate=data.flip(0), columns=4)
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 3 * 4
    np.testing.assert_array_equal(images[2].get_array(), data[2, 0])
    np.testing.assert_array_equal(images[4 + 1].get_array(), model[1, 0])
    assert len({image.get_clim() for image in images}) == 1
    low, high = images[0].get_clim()
    assert low == -high
    assert 0.5 < high <= float(data.abs().max())
    assert "Gaussian surrogate" in texts(figure)


def test_fields_of_one_sign_get_a_scale_that_is_not_centred():
    figure = sample_grid(2 + fields(3, 16), {})
    low, high = figure.axes[0].images[0].get_clim()
    assert 0 < low < high


def test_the_selected_channel_is_shown():
    both = torch.cat([fields(2, 8), fields(2, 8, seed=5)], dim=1)
    figure = sample_grid(both, {}, channel=1)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), both[0, 1])


def test_fields_without_a_channel_axis_are_refused_by_name():
    with pytest.raises(ValueError, match=r"'model' have shape \(3, 8, 8\)"):
        sample_grid(fields(3, 8), {"model": fields(3, 8)[:, 0]})


def test_resolution_grid_frames_exactly_what_lies_above_training():
    samples = {n: fields(2, n) for n in (8, 16, 32)}
    data = {n: fields(2, n, seed=3) for n in (8, 16)}
    figure = resolution_grid(samples, data, title="model", finest_trained=16, rows=2)
    images = [axes for axes in figure.axes if axes.images]
    framed = [a for a in images if to_hex(a.spines["top"].get_edgecolor()) == WARNING.lower()]
    assert [a.images[0].get_array().shape for a in framed] == [(32, 32)] * 2
    # One sample per row: its coarse view is the restriction of its fine view.
    np.testing.assert_allclose(
        BASIS.restrict(torch.from_numpy(np.array(framed[1].images[0].get_array())), 8),
        images[-3].images[0].get_array(),
        atol=1e-12,
    )
    assert "no data" in texts(figure)


# Spectra


def test_spectra_draws_the_spectrum_and_its_ratio_to_the_data():
    n = 32
    data = radial_spectrum(fields(8, n), BASIS)[1][0]
    model = radial_spectrum(fields(8, n, seed=1, sharpness=1.0), BASIS)[1][0]
    figure = spectra(data, {"model": model}, basis=BASIS, resolution=n, levels=(8, 16))
    energy, ratio = figure.axes
    drawn = line(energy, "model")
    np.testing.assert_array_equal(drawn.get_xdata(), np.arange(n))
    np.testing.assert_allclose(drawn.get_ydata()[1:], model[1:n])
    np.testing.assert_allclose(ratio.lines[0].get_ydata()[1:], (model / data)[1:n])
    vertical = [li.get_xdata()[0] for li in energy.lines if len(set(li.get_xdata())) == 1]
    assert vertical == [7, 15]
    assert energy.get_xscale() == energy.get_yscale() == "log"


def test_a_failed_model_does_not_hide_the_data():
    data = radial_spectrum(fields(8, 16), BASIS)[1][0]
    experiments = {"exploded": 1e30 * data, "collapsed": 0 * data}
    figure = spectra(data, experiments, basis=BASIS, resolution=16, levels=(16,))
    low, high = figure.axes[0].get_ylim()
    assert low < data[1:16].min() < data[1:16].max() < high < 1e10
    assert "exploded" in texts(figure)
    assert "collapsed" in texts(figure)


def test_prior_spectrum_warns_in_words_and_joins_equal_priors():
    k = np.arange(32).clip(1)
    rough, smooth = (Comparison(k**-3.0, noise, 0.0) for noise in (k**-1.0, np.exp(-k)))
    figure = prior_spectrum({"rough": rough, "rough too": rough, "smooth": smooth})
    said = texts(figure)
    assert "rough; rough too: the noise is rough enough" in said
    assert "⚠ smooth: the noise is smoother than the data" in said
    assert len(figure.axes[0].lines) == 3
    assert line(figure.axes[0], "rough; rough too")
    shaded = [patch.get_extents().bounds for patch in figure.axes[1].patches]
    assert len(shaded) == 1
    ratio = line(figure.axes[1], "_child0").get_ydata()
    np.testing.assert_allclose(ratio[1:], k[1:] ** -2.0)
    assert "⚠" not in texts(prior_spectrum({"rough": rough}))


def test_data_without_a_wavenumber_have_no_axes():
    figure = prior_spectrum({"rough": Comparison(np.ones(1), np.ones(1), 0.0)})
    figure.draw_without_rendering()
    assert not any(axes.axison for axes in figure.axes)
    assert "the noise is rough enough for these data." in texts(figure)


def test_labels_of_coincident_lines_do_not_overlap():
    figure = Figure(figsize=(5, 4))
    axes = figure.subplots()
    lines = [axes.plot([0, 1], [0, 1 + 1e-6 * i], label=f"line {i}")[0] for i in range(6)]
    label_ends(axes, lines)
    figure.draw_without_rendering()
    boxes = sorted((Text.get_window_extent(t) for t in axes.texts), key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 for below, above in pairwise(boxes))


# Densities


def test_densities_integrate_to_one_and_peak_where_the_data_do():
    data = fields(16, 32)
    gaussian = torch.from_numpy(np.random.default_rng(0).standard_normal(data.shape))
    figure = densities(
        data, {"model": data}, basis=BASIS, surrogate=gaussian, lengths={"y": 2.0, "x": 2.0}
    )
    values, slopes = figure.axes
    for axes in (values, slopes):
        x, y = line(axes, "data (test)").get_data()
        assert np.nansum(y) * (x[1] - x[0]) == pytest.approx(1.0, abs=2e-3)
        np.testing.assert_array_equal(line(axes, "model").get_ydata(), y)
    x, y = line(values, "data (test)").get_data()
    assert abs(x[np.nanargmax(y)]) > 0.8
    assert kurtosis(np.sort(data.numpy().ravel())) < 2


def test_derivatives_have_the_units_of_the_box():
    ramp = torch.linspace(0, 1, 33, dtype=torch.float64)[:-1].expand(1, 1, 32, 32)
    noise = 1e-3 * torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1, 32, 32)))
    figure = densities(ramp + noise, {}, basis=BASIS, lengths={"y": 1.0, "x": 4.0})
    x, y = line(figure.axes[1], "data (test)").get_data()
    peaks = x[np.nan_to_num(y) > 0.2 * np.nanmax(y)]
    # ∂u/∂x = 1/4, ∂u/∂y = 0
    assert peaks.min() == pytest.approx(0.0, abs=0.03)
    assert peaks.max() == pytest.approx(0.25, abs=0.03)


def test_derivatives_are_pooled_over_the_axes_that_have_lengths():
    ramp = torch.linspace(0, 1, 33)[:-1].expand(1, 1, 32, 32) + 1e-3 * torch.randn(1, 1, 32, 32)
    lengths = {"x": 4.0}
    axes = densities(ramp, {}, basis=BASIS, lengths=lengths, slope="derivative of u [K/m]").axes[1]
    x, y = line(axes, "data (test)").get_data()
    assert x[y > 0].min() > 0.2
    assert axes.get_xlabel() == "derivative of u [K/m] along x"


@pytest.mark.parametrize(
    ("unit", "square", "slope"),
    [("1", "1", "1/m"), ("K", "K²", "K/m"), ("m/s", "(m/s)²", "(m/s)/m")],
)
def test_units_of_squares_and_derivatives(unit, square, slope):
    assert (squared(unit), per(unit, "m"), per(unit, "1")) == (square, slope, unit)


# Training


def history(level: int, epochs: list[int], seconds: float, best: int) -> xr.Dataset:
    epoch = np.array(epochs)
    loss = 1.0 / (1 + epoch) / level
    return xr.Dataset(
        {
            "training_loss": ("epoch", loss),
            "validation_loss": (("epoch", "resolution"), np.stack([loss, 2 * loss], 1)),
            "seconds": ("epoch", seconds * epoch / epoch[-1]),
        },
        coords={"epoch": epoch, "resolution": [16, 32]},
        attrs={"level": level, "best_epoch": best},
    )


HISTORIES = {
    "multilevel": [history(16, [0, 2, 4], 10.0, 2), history(32, [0, 1, 2], 30.0, 2)],
    "cold_start": [history(32, [0, 1, 2, 3], 60.0, 3)],
}
TITLES = {"cold_start": "cold start"}


def test_loss_curves_count_time_and_epochs_through_the_levels():
    axes = np.array(loss_curves(HISTORIES, TITLES).axes).reshape(2, 3)
    seconds, loss = line(axes[0, 2], "multilevel").get_data()
    np.testing.assert_allclose(seconds, [0, 5, 10, 10, 25, 40])
    expected = [level.validation_loss.sel(resolution=32) for level in HISTORIES["multilevel"]]
    np.testing.assert_allclose(loss, np.concatenate(expected))
    np.testing.assert_allclose(line(axes[1, 0], "multilevel").get_xdata(), [0, 2, 4, 4, 5, 6])
    curve = line(axes[1, 0], "multilevel")
    np.testing.assert_allclose(curve.get_xdata()[curve.get_markevery()], [2, 6])
    assert curve.get_marker() != line(axes[1, 0], "cold start").get_marker()
    vertical = [li.get_xdata()[0] for li in axes[0, 0].lines if list(li.get_ydata()) == [0, 1]]
    assert vertical == [10]


def test_cost_stacks_the_seconds_of_the_levels():
    bars, scatter = cost(HISTORIES, results(), metric="one_point_w1", resolution=32).axes
    widths = [patch.get_width() for patch in bars.patches]
    assert widths == [10.0, 30.0, 60.0]
    assert [patch.get_x() for patch in bars.patches] == [0.0, 10.0, 0.0]
    (x,), (y,) = line(scatter, "multilevel").get_data()
    assert (x, y) == (40.0, pytest.approx(0.03))
    assert line(scatter, "cold start").get_xydata().tolist() == [[60.0, pytest.approx(0.3)]]


# Tables


def results() -> list[dict]:
    """Two experiments, two seeds, one structural metric and one that is blind to structure."""
    rows = []
    for n in (16, 32):
        for row, w1, sliced, kurt in (
            ("real", 0.01, 0.22, 1.38),
            ("surrogate", 0.2, 0.206, 3.34),
            ("white_noise", 0.5, 0.9, 3.0),
        ):
            rows.append(result(row, n, w1, sliced, kurt))
        for seed in (0, 1):
            rows.append(result("model", n, 0.02 + 0.02 * seed, 0.25, 1.5, "multilevel", seed))
            rows.append(result("model", n, 0.3, 0.23, 1.1, "cold start", seed))
    return rows


def result(row, n, w1, sliced, kurt, title=None, seed=None) -> dict:
    return {
        "experiment": title and title.replace(" ", "_"),
        "title": title,
        "dataset": "reaction_diffusion",
        "row": row,
        "seed": seed,
        "resolution": n,
        "trained_at": 16 if title else None,
        "one_point_w1": w1,
        "sliced_wasserstein": sliced,
        "one_point_kurtosis": kurt,
        "one_point_kurtosis_reference": 1.4,
        "training_seconds": 40.0 if title == "multilevel" else 60.0 if title else None,
        "seconds_per_sample": 0.5 if title else None,
        "fine_evaluations": 20.0 if title else None,
    }


def test_the_pareto_front_joins_what_nothing_beats():
    points = [(3.0, 1.0), (1.0, 3.0), (2.0, 3.5), (2.5, 2.0), (4.0, 1.0)]
    assert pareto_front(points) == [(1.0, 3.0), (2.5, 2.0), (3.0, 1.0)]


def test_quality_is_set_against_every_cost():
    figure = quality_against_cost(results(), metric="one_point_w1", resolution=16)
    training, sampling, evaluations, total = figure.axes
    for axes, x in ((training, 40), (sampling, 0.5), (evaluations, 20), (total, 540)):
        np.testing.assert_allclose(line(axes, "multilevel").get_data(), [[x], [0.03]])
    np.testing.assert_allclose(line(training, "cold start").get_data(), [[60], [0.3]])
    assert "real against real" in [item.get_label() for item in training.lines]
    with pytest.raises(ValueError, match="no metric 'vendi' at resolution 16"):
        quality_against_cost(results(), metric="vendi", resolution=16)


def test_what_costs_nothing_is_on_the_left_edge_and_in_the_front():
    free = result("model", 16, 0.1, 0.3, 1.5, "baseline", 0) | {"training_seconds": 0.0}
    figure = quality_against_cost([*results(), free], metric="one_point_w1", resolution=16)
    training = figure.axes[0]
    left = training.get_xlim()[0]
    assert 0 < left < 40
    np.testing.assert_allclose(line(training, "baseline").get_data(), [[left], [0.1]])
    (stairs,) = [item for item in training.lines if item.get_drawstyle() == "steps-post"]
    corners = [[left, 0.1], [40, 0.03]]
    np.testing.assert_allclose(stairs.get_xydata()[1:3], corners)


def test_there_is_no_mean_over_the_seeds_that_have_a_number():
    rows = [row | {"one_point_w1": np.nan} if row["seed"] == 1 else row for row in results()]
    pareto = quality_against_cost(rows, metric="one_point_w1", resolution=16)
    assert not [item for item in pareto.axes[0].lines if item.get_label() == "multilevel"]
    _, scatter = cost(HISTORIES, rows, metric="one_point_w1", resolution=32).axes
    assert not [item for item in scatter.lines if item.get_label() == "multilevel"]
    panel = metric_by_resolution(rows, names=["one_point_w1"]).axes[0]
    (bars,) = [bars for bars in panel.containers if bars.get_label() == "multilevel"]
    assert np.isnan(bars[0].get_ydata().astype(float)).all()
    table = pd.DataFrame(rows)
    moments = pd.concat([
        table[table["row"] == "model"].assign(epoch=epoch, seconds=float(epoch)) for epoch in (1, 2)
    ])  # fmt: skip
    moments.loc[moments["epoch"] == 1, "one_point_w1"] = 0.5
    curve = line(metric_by_epoch(moments, table).axes[0], "multilevel").get_ydata()
    np.testing.assert_array_equal(curve, [0.5, np.nan])


def test_experiments_keep_their_looks_where_others_have_no_samples():
    """Of two with one title, the first has none at 32; the second is drawn and called as ever."""
    rows = [{**row, "title": row["title"] and "T"} for row in results()]
    gone = [r for r in rows if (r["experiment"], r["resolution"]) != ("multilevel", 32)]
    whole = quality_against_cost(rows, metric="one_point_w1", resolution=32).axes[0]
    left = quality_against_cost(gone, metric="one_point_w1", resolution=32).axes[0]
    (expected,) = [item for item in whole.lines if "cold_start" in str(item.get_label())]
    (found,) = [item for item in left.lines if "cold_start" in str(item.get_label())]
    for look in ("color", "marker", "label"):
        assert getattr(found, f"get_{look}")() == getattr(expected, f"get_{look}")()
    trained = {"cold_start": HISTORIES["cold_start"]}
    _, scatter = cost(trained, results(), metric="one_point_w1", resolution=32).axes
    assert line(scatter, "cold start").get_color() == expected.get_color()
    titles = {"surrogate": "first", "cold_start": "cold start"}
    losses = loss_curves(trained, titles).axes[0]
    assert line(losses, "cold start").get_color() == expected.get_color()
    k = np.arange(32).clip(1)
    noise = Comparison(k**-3.0, k**-1.0, 0.0)
    priors = prior_spectrum({"cold_start": noise}, titles).axes[0]
    assert line(priors, "cold start").get_color() == expected.get_color()


def cells(page: str, title: str, resolution: int) -> dict[str, tuple[str, str]]:
    """Column title → (classes, text) of one line of the table."""
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", page.split("</thead>")[0].split("</tr><tr>")[1])
    block = page.split(f"resolution {resolution}<")[1].split("</tbody>")[0]
    row = re.search(rf"<th>{re.escape(title)}</th>(.*?)</tr>", block)[1]
    found = re.findall(r"<td(?: class=\"([^\"]*)\")?>(.*?)</td>", row)
    return dict(zip(heads[1:], found, strict=True))


def test_the_table_marks_winners_and_judges_against_surrogate_and_floor():
    page = summary_html(results())
    winner, loser = cells(page, "multilevel", 16), cells(page, "cold start", 16)
    classes, text = winner["one-point W₁"]
    assert {"best", "better"} <= set(classes.split())
    assert re.sub("<.*?>", "", text) == "0.0300 ± 0.0141 ×3"
    assert "worse" in loser["one-point W₁"][0]
    assert "best" not in loser["one-point W₁"][0]
    # Distance from the data's 1.4: 0.1 against 0.3, although 1.1 < 1.5.
    assert "best" in winner["one-point kurtosis"][0]
    assert "best" in winner["training [s]"][0]
    assert "better" not in winner["training [s]"][0]


def test_an_experiment_does_not_win_by_the_seeds_that_have_a_number():
    found = results()
    for row in found:
        if row["title"] == "multilevel" and row["seed"] == 1:
            row["one_point_w1"] = float("nan")
    classes, text = cells(summary_html(found), "multilevel", 16)["one-point W₁"]
    assert (classes, re.sub("<.*?>", "", text)) == ("first", "0.0200 (1 of 2)")
    (standing,) = standings(found)
    assert [place.name for place in standing.places] == ["cold start", "multilevel"]
    assert np.isnan(standing.places[1].mean)


def test_a_metric_blind_to_structure_is_not_coloured():
    page = summary_html(results())
    assert "†" in cells(page, "Gaussian surrogate", 16)["sliced Wasserstein"][1]
    assert "†" not in cells(page, "Gaussian surrogate", 16)["one-point W₁"][1]
    classes = cells(page, "cold start", 16)["sliced Wasserstein"][0].split()
    assert "best" in classes
    assert not {"better", "worse"} & set(classes)


def test_samples_above_the_trained_resolution_are_marked():
    page = summary_html(results())
    assert cells(page, "multilevel ↑", 32)
    assert "multilevel ↑" not in page.split("resolution 32<")[0]


def test_absent_columns_and_text_from_users_do_no_harm():
    rows = [{"row": "model", "resolution": 8, "title": "<b>&", "vendi": 3.0, "new_metric": 0.5}]
    page = summary_html(rows)
    assert "&lt;b&gt;&amp;" in page
    assert "new metric" in page
    shown = {column.name: column.ranked for column in columns(as_table(rows))}
    assert shown == {"new_metric": True, "vendi": False}


def test_negative_unbiased_estimates_are_noise_not_victories():
    rows = [
        {"row": "model", "title": "a", "resolution": 8, "rbf_mmd": -0.02},
        {"row": "model", "title": "b", "resolution": 8, "rbf_mmd": 0.001},
    ]
    page = summary_html(rows)
    assert "best" in cells(page, "b", 8)["MMD², Gaussian kernel"][0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [([{"row": "model"}], "resolution"), ([{"row": "rael", "resolution": 8}], "'rael'")],
)
def test_a_foreign_summary_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        summary_html(rows)


def test_metric_by_resolution_draws_means_floor_and_hollow_markers():
    figure = metric_by_resolution(results())
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    assert set(panels) == {"one-point W₁", "one-point kurtosis"}
    axes = panels["one-point W₁"]
    curves = [li for li in axes.lines if li.get_marker() == "o"]
    np.testing.assert_allclose(np.array(curves[0].get_data(), float), [[16, 32], [0.03, 0.03]])
    hollow = [li for li in axes.lines if li.get_markerfacecolor() == "white"]
    assert [list(li.get_xdata()) for li in hollow] == [[32], [32]]
    np.testing.assert_allclose(line(axes, "real against real (floor)").get_ydata(), 0.01)
    assert axes.get_yscale() == "log"
    assert panels["one-point kurtosis"].get_yscale() == "linear"


# Files and captions


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_results_give_the_same_bytes(tmp_path, suffix):
    for name in ("a", "b"):
        figure = sample_grid(fields(2, 8), {"model": fields(2, 8, seed=1)})
        save(figure, tmp_path / f"{name}.{suffix}")
    first, second = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("a", "b"))
    assert first == second
    assert len(first) > 5000
    assert len(list(tmp_path.iterdir())) == 2


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        save(Figure(), tmp_path / "figure.jpg")


REPORTED = ("verdict.md", "summary.html")


class Category(NamedTuple):
    name: str


def rendered(path: Path, **context) -> str:
    template = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    ).from_string(path.read_text(encoding="utf-8") + context.pop("links", ""))
    settings = {"halt_level": 2, "report_level": 2}
    text = template.render(**{"files": [], **context})
    return publish_parts(text, writer_name="html", settings_overrides=settings)["html_body"]


@pytest.mark.parametrize(
    "path", sorted(REPORT.glob("*.rst")), ids=lambda path: path.stem
)  # fmt: skip
def test_captions_render(path, tmp_path):
    experiment = {
        "title": "Bessel prior", "dataset": "rd", "prior": {"kind": "bessel"},
        "process": {"kind": "vp"}, "network": {"kind": "fno"}, "sampler": {"kind": "ddim"},
        "levels": [{"resolution": 32}, {"resolution": 64}],
    }  # fmt: skip
    dataset = {"source": {"kind": "rd"}, "resolutions": [32, 64], "split": {"train": 8, "test": 4}}
    wildcards = {
        "dataset": "rd",
        "resolution": "64",
        "experiment": "bessel",
        "search": "modes",
        "observation": "sensors",
    }
    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(**wildcards),
        config={"datasets": {"rd": dataset}, "experiments": {"bessel": experiment}, "defaults": {}},
    )
    (tmp_path / "verdict.html").write_text("<p>The nearest.</p>", encoding="utf-8")
    files = [SimpleNamespace(target=name, path=tmp_path / name) for name in REPORTED]
    page = rendered(
        path,
        links="\n\n.. _Samples: javascript:show\n.. _summary.html: javascript:all\n",
        files=files,
        snakemake=snakemake,
        categories={Category("Samples"): {Category("rd"): []}},
    )
    assert "system-message" not in page
    if path.stem == "workflow":
        assert "32 → 64" in page
        assert 'href="javascript:show"' in page
        assert page.index("<p>The nearest.</p>") < page.index('href="javascript:all"')


def test_losses_are_shown_but_not_ranked():
    identity = {"experiment": "a", "dataset": "d", "row": "model", "seed": 0, "resolution": 32}
    table = as_table([{**identity, "trained_at": 32, "loss": 0.5, "one_point_w1": 0.1}])
    ranked = {column.name: column.ranked for column in columns(table)}
    assert ranked == {"one_point_w1": True, "loss": False}


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((0.03, 30.0), ["0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "20"]),
        ((0.73, 1.02), ["0.8", "0.9", "1"]),
        ((3.0, 4.1), ["3", "3.2", "3.4", "3.6", "3.8", "4"]),
    ],
)
def test_logarithmic_axes_are_labelled_however_short_they_are(limits, labels):
    figure = Figure()
    axes = figure.subplots()
    axes.set(yscale="log", ylim=limits)
    plain_ticks(axes.yaxis)
    low, high = limits
    shown = [
        label.get_text()
        for label, place in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
        if low <= place <= high
    ]
    assert shown == labels
