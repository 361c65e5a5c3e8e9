"""Figures of posteriors show the numbers they are given, in panels that leave each other room."""

from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from fsdiff import parts
from fsdiff.metrics.posterior.calibration import RankedProbabilityScore
from fsdiff.metrics.posterior.moments import PosteriorMoments, TruthError
from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.plotting.posteriors.calibration import Calibrated, calibration
from fsdiff.reports.plotting.posteriors.errors import errors_by_resolution
from fsdiff.reports.plotting.posteriors.fields import posterior_fields
from fsdiff.reports.plotting.posteriors.planes import UNSEEN, _told, beyond
from fsdiff.reports.plotting.posteriors.resolutions import across_resolutions
from fsdiff.reports.plotting.posteriors.scene import Scene, ensembles
from fsdiff.reports.plotting.posteriors.spread import Spread, spread_over_time
from fsdiff.reports.plotting.style import WARNING, save
from fsdiff.reports.posteriors.ranks import LEVELS, Ranks
from fsdiff.reports.posteriors.seen import Dots, Elsewhere, Image

KNOWN = [
    words
    for metric in (PosteriorMoments(), RankedProbabilityScore(), TruthError())
    for words in metric.words
]


def truth(*shape, channels=("u",), unit="K"):
    values = np.random.default_rng(0).standard_normal((len(channels), *shape))
    axes = ("t", "y", "x")[-len(shape) :]
    coordinates = {axis: np.arange(n) / n for axis, n in zip(axes, shape, strict=True)}
    array = xr.DataArray(values, {"channel": list(channels), **coordinates}, ("channel", *axes))
    array.attrs["units"] = unit
    if "t" in axes:
        array["t"].attrs["units"] = "s"
    return array


def draws(like, count=12, width=1.0, seed=1):
    random = np.random.default_rng(seed)
    return 0.5 * like.values + width * random.standard_normal((count, *like.shape))


def scene(*shape, seen=None, **more):
    return Scene(truth(*shape, **more), seen or {}, "sensors: sample 7")


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def images(figure: Figure) -> list:
    return [axes.images[0] for axes in figure.axes if axes.images]


def line(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def assert_apart(figure: Figure):
    """No panel lies on another, and no text on a panel that is not its own."""
    figure.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in figure.axes if axes.axison]
    for one, other in combinations(boxes, 2):
        assert not one.shrunk(0.999, 0.999).overlaps(other.shrunk(0.999, 0.999))
    for axes in figure.axes:
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            if text.get_text() and axes.axison:
                extent = text.get_window_extent()
                own = axes.get_window_extent()
                assert not any(extent.overlaps(box) for box in boxes if box.bounds != own.bounds)
                assert extent.x0 >= 0
                assert extent.x1 <= figure.bbox.x1


# Fields


def test_a_plane_shows_mean_draws_deviation_and_error():
    case = scene(6, 6)
    own = draws(case.truth)
    figure = posterior_fields(case, ensembles({"model": own}))
    first, blank, mean, *drawn, deviation, error = images(figure)
    np.testing.assert_array_equal(first.get_array(), case.truth[0])
    assert blank.get_array().mask.all()
    np.testing.assert_allclose(mean.get_array(), own.mean(0)[0])
    for i, image in enumerate(drawn):
        np.testing.assert_array_equal(image.get_array(), own[i, 0])
    np.testing.assert_allclose(deviation.get_array(), own.std(0, ddof=1)[0])
    expected = np.abs(own.mean(0) - case.truth.values) / own.std(0, ddof=1)
    np.testing.assert_allclose(error.get_array(), expected[0])
    assert len({image.get_clim() for image in (first, mean, *drawn)}) == 1
    said = texts(figure)
    rms = np.sqrt(np.square(own.mean(0) - case.truth.values).mean())
    assert f"rms error {rms:.2g}" in said
    assert f"{100 * (expected > 2).mean():.0f} % above 2" in said
    assert {"u [K]", "sd [K]", "in sd", "model", "draw 3"} <= set(said)
    assert "sensors: sample 7 at 6 × 6" in said
    assert_apart(figure)


def test_sensors_have_the_colours_of_their_data():
    places, values = np.array([[0.0, 0.0], [5.5, 2.25]]), np.array([-1.0, 2.0])
    case = scene(6, 6, seen={0: [Dots(places, values, np.array([0.1, 0.1]))]})
    figure = posterior_fields(case, ensembles({"model": draws(case.truth)}))
    for axes in figure.axes[:2]:
        (dots,) = axes.collections
        np.testing.assert_array_equal(dots.get_offsets(), places[:, ::-1])
        np.testing.assert_array_equal(dots.get_array(), values)
        assert dots.get_clim() == figure.axes[0].images[0].get_clim()
    assert any("2 sensors, noise 0.1" in text for text in texts(figure))


def test_sensors_of_another_quantity_have_colours_of_their_own():
    case = scene(6, 6, seen={0: [Dots(np.ones((2, 2)), np.array([40.0, 50.0]), foreign=True)]})
    figure = posterior_fields(case, ensembles({"model": draws(case.truth)}))
    figure.draw_without_rendering()
    assert figure.axes[0].collections[0].get_clim() == (40, 50)
    assert any("of another quantity,\n40 to 50" in text for text in texts(figure))


@pytest.mark.parametrize("shape", [(8,), (6, 6), (8, 4, 4)])
def test_data_that_have_no_place_are_told_where_there_is_room(shape):
    case = scene(*shape, seen={0: [Elsewhere(np.array([3.0, 7.0]), np.array([0.5, 0.5]))]})
    figure = posterior_fields(case, ensembles({"model": draws(case.truth)}))
    assert not any(axes.collections for axes in figure.axes[:2]) or len(shape) == 1
    if len(shape) == 2:
        told = "2 data of another quantity,\n3 to 7, noise 0.5"
        assert any(told in text for text in texts(figure))


def test_a_single_datum_has_no_range():
    assert _told(Elsewhere(np.array([3.0]))) == "1 datum of another quantity,\n3"
    assert _told(Dots(np.ones((1, 2)), np.array([4.0]))) == "1 sensor"


def test_what_is_not_seen_is_grey():
    image = np.full((3, 3), np.nan)
    image[0] = 1.0
    case = scene(6, 6, seen={0: [Image(image, np.array([0.25]))]})
    figure = posterior_fields(case, ensembles({"model": draws(case.truth)}))
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), np.ma.masked_invalid(image))
    assert to_hex(figure.axes[1].get_facecolor()) == UNSEEN.lower()
    assert figure.axes[0].get_position().bounds[2:] == pytest.approx(
        figure.axes[1].get_position().bounds[2:]
    )
    assert any("3 data, noise 0.25\ngrey: nothing is seen" in text for text in texts(figure))


def test_deviations_are_on_the_scale_of_a_reference_that_has_converged():
    case = scene(6, 6)
    sound, wild = draws(case.truth), draws(case.truth, width=50.0)
    top = 2 * np.quantile(sound.std(0, ddof=1), 0.998)

    def limit(**more):
        figure = posterior_fields(case, ensembles({"wild": wild}, sound, **more))
        return images(figure)[-2].get_clim()[1], figure

    limited, figure = limit()
    assert limited == pytest.approx(top)
    assert figure.axes[3].get_ylabel() == "reference"
    unusable, figure = limit(remark="R̂ = 1.4")
    assert unusable > 10 * top
    label = figure.axes[3].yaxis.label
    assert label.get_text() == "reference\n(not converged)"
    assert label.get_color() == WARNING


def test_channels_have_blocks_of_their_own():
    case = scene(6, 12, channels=("u", "v"), seen={1: [Dots(np.ones((1, 2)), np.zeros(1))]})
    case.truth[1] = 100 + 0 * case.truth[1]
    figure = posterior_fields(case, ensembles({"model": draws(case.truth)}))
    shown = images(figure)
    half = len(shown) // 2
    np.testing.assert_array_equal(shown[half].get_array(), case.truth[1])
    assert shown[half].get_clim() != shown[0].get_clim()
    assert any("nothing is seen of this channel" in text for text in texts(figure))
    assert {"u [K]", "v [K]"} <= set(texts(figure))
    assert_apart(figure)


def test_nodes_without_values_stay_empty():
    case = scene(6, 6)
    case.truth[0, 0] = np.nan
    own = draws(case.truth)
    figure = posterior_fields(case, ensembles({"model": own}))
    for image in (shown for shown in images(figure) if not shown.get_array().mask.all()):
        assert image.get_array().mask[0].all()
        assert not image.get_array().mask[1:].any()
    assert beyond(np.array([np.nan, 3.0, 1.0, 1.0])) == "33 % above 2"


def test_a_deviation_of_zero_has_no_error():
    case = scene(6, 6)
    constant = np.repeat(case.truth.values[None], 4, 0)
    (own,) = ensembles({"constant": constant})
    assert np.isnan(own.error(case.truth.values)).all()
    assert posterior_fields(case, [own])


def test_a_line_has_bands_curves_and_data():
    dots = Dots(np.array([[0.0], [7.5]]), np.array([1.0, 2.0]), np.array([0.3, 0.3]))
    case = scene(8, seen={0: [dots]}, unit="1")
    own, reference = draws(case.truth, 200), draws(case.truth, 200, seed=5)
    figure = posterior_fields(case, ensembles({"model": own}, reference))
    above, beside, left, right = figure.axes
    x = case.truth["x"].values
    np.testing.assert_allclose(line(left, "mean").get_ydata(), own.mean(0)[0])
    np.testing.assert_array_equal(line(left, "truth").get_ydata(), case.truth[0])
    wide, narrow = (band.get_paths()[0].vertices for band in left.collections[:2])
    for vertices, level in ((wide, 0.9), (narrow, 0.5)):
        low, high = np.quantile(own[:, 0], [0.5 - level / 2, 0.5 + level / 2], axis=0)
        assert vertices[:, 1].min() == pytest.approx(low.min())
        assert vertices[:, 1].max() == pytest.approx(high.max())
    (data,) = [item for item in left.containers if item.get_label() == "data"]
    np.testing.assert_allclose(data[0].get_xdata(), [x[0], x[7] + 0.5 * (x[7] - x[6])])
    np.testing.assert_array_equal(data[0].get_ydata(), [1.0, 2.0])
    np.testing.assert_allclose(line(right, "sd").get_ydata(), own.std(0, ddof=1)[0])
    expected = reference.std(0, ddof=1)[0]
    np.testing.assert_allclose(line(right, "sd of the reference").get_ydata(), expected)
    errors = np.abs(own.mean(0) - case.truth.values)[0]
    np.testing.assert_allclose(line(right, "|mean − truth|").get_ydata(), errors)
    assert above.get_ylim() == left.get_ylim()
    assert beside.get_ylim() == right.get_ylim()
    assert_apart(figure)


def test_a_volume_is_a_strip_of_frames():
    seen = np.full((8, 4, 4), np.nan)
    seen[:2] = 1.0
    case = scene(8, 4, 4, seen={0: [Image(seen)]})
    own = draws(case.truth)
    figure = posterior_fields(case, ensembles({"model": own}))
    shown = images(figure)
    assert len(shown) == 6 * (2 + 5)
    frames = [0, 1, 3, 4, 6, 7]
    for column, frame in enumerate(frames):
        np.testing.assert_array_equal(shown[2 * column - column].get_array(), case.truth[0, frame])
        np.testing.assert_allclose(shown[12 + column].get_array(), own.mean(0)[0, frame])
        assert shown[6 + column].get_array().mask.all() == (frame > 1)
    assert figure.axes[1].get_title() == "t = 0.125 s"
    assert "model\nsd" in texts(figure)
    assert_apart(figure)


def test_dots_are_in_the_frame_that_is_nearest():
    dots = Dots(np.array([[0.4, 1.0, 2.0], [6.8, 0.0, 3.0]]), np.array([1.0, 2.0]))
    case = scene(8, 4, 4, seen={0: [dots]})
    figure = posterior_fields(case, ensembles({"model": draws(case.truth)}))
    found = {i: axes.collections[0] for i, axes in enumerate(figure.axes[:6]) if axes.collections}
    assert sorted(found) == [0, 5]
    np.testing.assert_array_equal(found[0].get_offsets(), [[2.0, 1.0]])
    np.testing.assert_array_equal(found[5].get_array(), [2.0])


def across(shape_of, **more):
    """A case on two grids, one of its posteriors on the finer one alone."""
    drawn = {}
    for n in (4, 8):
        case = scene(*shape_of(n), **more)
        own = {"both": draws(case.truth)}
        if n == 8:
            own["fine"] = draws(case.truth, seed=3)
        drawn[n] = case, ensembles(own, draws(case.truth, seed=2))
    return drawn


def test_a_case_on_all_grids_has_means_left_and_deviations_right():
    drawn = across(lambda n: (n, n))
    figure = across_resolutions(drawn)
    shown = [image.get_array() for image in images(figure)]
    assert [len(values) for values in shown] == [4, 8, 4, 8, 4, 8, 4, 8, 4, 8, 8, 8]
    for n, place in ((4, 6), (8, 7)):
        own = drawn[n][1][1]
        assert own.title == "both"
        np.testing.assert_allclose(shown[place], own.mean[0])
        np.testing.assert_allclose(shown[place + 2], own.deviation[0])
    for kind in ([0, 1, 2, 3], [4, 5, 8, 9]):
        assert len({images(figure)[place].get_clim() for place in kind}) == 1
    assert {"4 × 4", "8 × 8", "reference", "both", "fine"} <= set(texts(figure))
    assert_apart(figure)


def test_functions_of_one_variable_have_a_curve_for_each_grid():
    drawn = across(lambda n: (n,))
    figure = across_resolutions(drawn)
    mean, deviation = figure.axes[2:4]
    for n in (4, 8):
        own = drawn[n][1][1]
        np.testing.assert_allclose(line(mean, f"{n} nodes").get_ydata(), own.mean[0])
        np.testing.assert_allclose(line(deviation, f"{n} nodes").get_ydata(), own.deviation[0])
    assert len(figure.axes[5].lines) == 1
    assert mean.get_title(loc="left") == "both: mean"
    assert_apart(figure)


def test_channels_have_an_axis_of_values_each():
    drawn = across(lambda n: (n,), channels=("u", "v"))
    for scene, shown in drawn.values():
        scene.truth.values[1] *= 1000
        for own in shown:
            own.draws[:, 1] *= 1000
    figure = across_resolutions(drawn)
    first, second = (axes.get_ylim()[1] for axes in (figure.axes[0], figure.axes[6]))
    assert second > 100 * first


def test_of_volumes_the_middle_frame_is_shown():
    drawn = across(lambda n: (6, n, n))
    first = images(across_resolutions(drawn))[0].get_array()
    np.testing.assert_array_equal(first, drawn[4][0].truth[0, 3])


def test_the_same_figure_is_the_same_file(tmp_path):
    case = scene(6, 6)
    for name in ("one", "other"):
        save(
            posterior_fields(case, ensembles({"<b>": draws(case.truth)})), tmp_path / f"{name}.png"
        )
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


# Calibration


def test_coverage_and_ranks_are_drawn_with_what_chance_allows():
    random = np.random.default_rng(0)
    cases = [(random.standard_normal((19, 30)), random.standard_normal(30)) for _ in range(6)]
    narrow = [(0.3 * own, right) for own, right in cases]
    shown = [Calibrated(name, Ranks.of(own), Ranks.of(own)) for name, own in
             (("right", cases), ("narrow", narrow))]  # fmt: skip
    figure = calibration(shown, "sensors")
    above = figure.axes[:2]
    below = figure.axes[2:]
    for axes, own in zip(above, shown, strict=True):
        np.testing.assert_allclose(line(axes, "coverage").get_ydata(), 100 * own.nodes.coverage())
        band = axes.collections[0].get_paths()[0].vertices
        low, high = 100 * own.nodes.coverage_by_chance(LEVELS)
        assert band[:, 1].min() == pytest.approx(low.min())
        assert band[:, 1].max() == pytest.approx(high.max())
    for axes, own in zip(below, shown, strict=True):
        heights = [bar.get_height() for bar in axes.patches if hasattr(bar, "get_height")]
        np.testing.assert_allclose(heights, own.modes.density(own.modes.bins()))
        assert np.mean(heights) == pytest.approx(1)
    assert "p < 0.001" in below[1].get_title()
    assert "p = " in below[0].get_title()
    assert figure.get_suptitle() == "sensors, 6 cases"
    held = 100 * shown[1].nodes.coverage([0.9])[0]
    assert any(f"90 % hold {held:.0f} %" in text for text in texts(figure))
    assert_apart(figure)


def test_many_posteriors_stand_in_rows_of_four():
    random = np.random.default_rng(0)
    ranks = Ranks.of([(random.standard_normal((9, 5)), random.standard_normal(5))] * 2)
    figure = calibration([Calibrated(f"model {i}", ranks, ranks) for i in range(5)])
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == 10
    assert_apart(figure)


# Forecasts


def test_spread_and_error_of_a_known_ensemble():
    """Draws ±a about a mean that is b from the truth, growing with time; N = 2."""
    times = np.arange(3.0)
    error, spread = 1 + times, 2 * (1 + times)
    truth = np.zeros((4, 2, 3, 5))
    draws = truth[:, None] + error[:, None] + np.stack([spread, -spread])[:, None, :, None]
    found = Spread.of("model", draws, truth)
    np.testing.assert_allclose(found.error, [error, error])
    # The variance of ±a is 2a² with one degree of freedom, times 1 + 1/2.
    np.testing.assert_allclose(found.spread, np.sqrt(3) * np.stack([spread, spread]))
    truth[0, :, :, 0] = np.nan
    np.testing.assert_allclose(Spread.of("model", draws, truth).error, [error, error])


def test_a_right_ensemble_spreads_as_it_errs():
    random = np.random.default_rng(0)
    scales = np.array([0.1, 1.0, 3.0])[:, None]
    truth = scales * random.standard_normal((50, 1, 3, 200))
    draws = scales * random.standard_normal((50, 8, 1, 3, 200))
    found = Spread.of("model", draws, truth)
    np.testing.assert_allclose(found.error, found.spread, rtol=0.03)
    turned = Spread.of("model", np.swapaxes(draws, 3, 4), np.swapaxes(truth, 2, 3), time=1)
    np.testing.assert_allclose(turned.error, found.error)


def test_the_forecast_marks_the_frames_that_are_seen():
    own = Spread("model", np.array([[0.1, 0.2, 0.5]]), np.array([[0.1, 0.3, 0.4]]), "#0072B2")
    figure = spread_over_time(
        [own, own], np.array([0.0, 1.0, 2.0]), [0, 1], {0: "u [K]"}, axis="t [s]", title="first"
    )
    axes = figure.axes[0]
    np.testing.assert_array_equal(line(axes, "error").get_data(), [[0, 1, 2], [0.1, 0.2, 0.5]])
    np.testing.assert_array_equal(line(axes, "spread").get_ydata(), [0.1, 0.3, 0.4])
    (seen,) = [patch for patch in axes.patches if patch.get_width() > 0]
    assert (seen.get_x(), seen.get_width()) == (-0.5, 2.0)
    assert axes.get_ylabel() == "rms, u [K]"
    assert axes.get_xlabel() == "t [s]"
    assert_apart(figure)


# Errors by resolution


def rows(**more):
    base = {"observation": "sensors", "title": "", "posterior": "", "seed": None}
    table = []
    for n in (16, 32):
        for kind, mean in (("prior", 2.0), ("kriging", 0.5), ("reference", 0.1)):
            table.append({**base, "row": kind, "resolution": n, "posterior_mean": mean} | more)
        for seed, mean in ((0, 0.2), (1, 0.4)):
            identity = {"row": "posterior", "posterior": "a", "title": "model a", "seed": seed}
            table.append({**base, **identity, "resolution": n, "posterior_mean": mean} | more)
    return table


def test_errors_are_means_over_seeds_beside_the_baselines():
    figure = errors_by_resolution(rows(), known=KNOWN)
    (axes,) = figure.axes
    assert axes.get_title() == "error of the mean, in\ndeviations"
    np.testing.assert_array_equal(line(axes, "kriging").get_data(), [[16, 32], [0.5, 0.5]])
    np.testing.assert_array_equal(
        line(axes, "reference, half against half").get_ydata(), [0.1, 0.1]
    )
    (bars,) = axes.containers
    assert bars.get_label() == "model a"
    np.testing.assert_allclose(bars[0].get_ydata().astype(float), 0.3)
    spans = [segment[:, 1] for segment in bars[2][0].get_segments()]
    np.testing.assert_allclose(spans, [[0.3 - 0.02**0.5, 0.3 + 0.02**0.5]] * 2)


def test_without_a_reference_errors_are_those_against_the_truth():
    table = [
        {key: value for key, value in row.items() if key != "posterior_mean"}
        for row in rows(mean_error=0.3, crps=0.2)
    ]
    titles = [axes.get_title() for axes in errors_by_resolution(table, known=KNOWN).axes]
    assert titles == ["error of the mean against the\ntruth, relative", "CRPS"]
    bare = [{key: row[key] for key in ("observation", "row", "resolution", "posterior")}
            for row in table]  # fmt: skip
    assert [text.get_text() for text in errors_by_resolution(bare, known=KNOWN).texts] == [
        NO_NUMBERS
    ]


@pytest.mark.parametrize("kind", parts.kinds("posterior_metrics"))
def test_a_study_may_measure_one_thing_alone(kind):
    """Posteriors are drawn by then: whatever is measured of them has a figure."""
    metric = parts.build("posterior_metrics", {"kind": kind})
    table = [
        {key: value for key, value in row.items() if key != "posterior_mean"}
        for row in rows(**dict.fromkeys(metric.results, -0.5))
    ]
    assert errors_by_resolution(table, known=list(metric.words)).axes
