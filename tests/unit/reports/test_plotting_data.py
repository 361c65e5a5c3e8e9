"""Figures about data by themselves: they show the numbers that they are given."""

import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.data.sources.darcy import DarcyData
from fsdiff.data.sources.reaction_diffusion import ReactionDiffusionData
from fsdiff.diagnostics.balance import closure, joined
from fsdiff.parts import build
from fsdiff.reports.plotting.balances import balances, time_axis
from fsdiff.reports.plotting.data import gallery, hierarchy_densities, hierarchy_spectra
from fsdiff.reports.plotting.solutions import evolution, steady_states
from fsdiff.reports.plotting.style import save
from fsdiff.spaces.bases import CosineBasis

BASIS = CosineBasis()


def fields(samples: int = 14, n: int = 16, channels: tuple[str, ...] = ("u", "v"), times=()):
    """Random fields with a falling spectrum."""
    shape = (samples, len(times) or 1, len(channels), n, n)
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal(shape))
    values = BASIS.multiply(noise, 1 / (1 + BASIS.omega_squared(n))).numpy().astype(np.float32)
    coordinates = {
        "sample": range(samples),
        "time": list(times) or [0.0],
        "channel": list(channels),
    }
    array = xr.DataArray(values, coordinates, ("sample", "time", "channel", "y", "x"))
    return array if times else array.isel(time=0, drop=True)


def hierarchy(fine: xr.DataArray, *resolutions: int) -> dict[int, xr.DataArray]:
    """The restrictions of fields."""
    found = {}
    for n in (*resolutions, fine.sizes["x"]):
        values = BASIS.restrict(torch.from_numpy(fine.values), n).numpy()
        found[n] = xr.DataArray(values, fine.coords, fine.dims)
    return found


def line(axes, label):
    return next(line for line in axes.lines if str(line.get_label()).startswith(label))


def images(figure):
    return [axes for axes in figure.get_axes() if axes.images]


# Pages of fields


def test_gallery_shows_the_first_samples_of_each_channel():
    data = fields()
    shown = images(gallery(data))
    assert len(shown) == 16
    np.testing.assert_array_equal(shown[7].images[0].get_array(), data[7, 0])
    np.testing.assert_array_equal(shown[8].images[0].get_array(), data[0, 1])


def test_gallery_of_few_samples_has_one_row():
    assert len(images(gallery(fields(3, channels=("u",))))) == 3


def test_evolution_shows_frames_at_equal_distances_with_a_scale_for_each_time():
    data = fields(2, times=(0.0, 0.5, 1.0, 1.5, 2.0))
    data[:, 2] *= 100
    shown = images(evolution(data, columns=3))
    assert len(shown) == 12
    np.testing.assert_array_equal(shown[1].images[0].get_array(), data[0, 2, 0])
    limits = [axes.images[0].norm.vmax for axes in shown[:6]]
    assert limits[0] == limits[3]
    assert limits[1] > 20 * limits[0]
    assert shown[1].get_title().startswith("t = 1\n±")


@pytest.mark.parametrize("draw", [evolution, steady_states])
def test_solutions_keep_the_proportions_of_their_sides(draw):
    channels = ("u", "flux_x", "flux_y")
    data = fields(2, 16, channels, times=(0.0, 1.0) if draw is evolution else ())
    data = data.isel(y=slice(8)).assign_coords(y=np.arange(8.0), x=np.arange(16.0))
    figure = draw(data)
    figure.draw_without_rendering()
    box = images(figure)[0].get_window_extent()
    assert box.width / box.height == pytest.approx(2, rel=0.02)


def test_steady_states_join_the_components_of_a_flux():
    channels = ("permeability", "pressure", "flux_x", "flux_y")
    data = np.abs(fields(2, channels=channels)) + 1
    shown = images(steady_states(data))
    assert len(shown) == 6
    magnitude = np.hypot(data[1, 2], data[1, 3])
    np.testing.assert_allclose(shown[5].images[0].get_array(), magnitude, rtol=1e-6)


# Spectra and densities


def test_spectra_of_restrictions_lie_on_that_of_the_finest_grid():
    data = fields()
    figure = hierarchy_spectra(hierarchy(data, 8), data * 2, basis=BASIS)
    energy, ratio = figure.axes[0], figure.axes[2]
    np.testing.assert_allclose(ratio.lines[1].get_ydata()[1:], 1, rtol=1e-5)
    fine = line(energy, "16 × 16").get_ydata()
    assert len(fine) == 16
    np.testing.assert_allclose(line(energy, "8 × 8").get_ydata()[1:], fine[1:8], rtol=1e-5)
    np.testing.assert_allclose(line(energy, "initial").get_ydata()[1:], 4 * fine[1:], rtol=1e-5)


def test_legend_states_the_share_of_the_mean_square_that_a_grid_leaves_out():
    data = fields(channels=("u",))
    coarse = hierarchy(data, 8)[8]
    lost = 1 - float((coarse**2).mean() / (data**2).mean())
    figure = hierarchy_spectra(hierarchy(data, 8), None, basis=BASIS)
    assert line(figure.axes[0], "8 × 8").get_label() == f"8 × 8, leaves out {lost:.1e}"


def test_series_are_shown_at_three_times():
    data = fields(3, channels=("u",), times=(0.0, 0.5, 1.0, 1.5, 2.0))
    start = data.isel(time=0, drop=True)
    spectra = hierarchy_spectra(hierarchy(data, 8), start, basis=BASIS)
    densities = hierarchy_densities(hierarchy(data, 8))
    for figure in (spectra, densities):
        assert [a.get_title() for a in figure.axes[:3]] == ["u, t = 0", "u, t = 1", "u, t = 2"]
    first = spectra.axes[0]
    np.testing.assert_allclose(
        line(first, "initial").get_ydata()[1:], line(first, "16 × 16").get_ydata()[1:]
    )


def test_densities_integrate_to_one_and_state_the_moments():
    two = xr.DataArray(
        np.where(np.arange(16 * 16).reshape(16, 16) % 2, 3.0, 12.0)[None, None],
        {"channel": ["a"]},
        ("sample", "channel", "y", "x"),
    )
    (axes,) = hierarchy_densities({16: two}).axes
    heights, edges, _ = axes.patches[0].get_data()
    assert np.nansum(heights) * np.diff(edges)[0] == pytest.approx(1)
    label = axes.patches[0].get_label()
    assert label == "16 × 16: mean 7.5, deviation 4.5,\nskewness 0.00, kurtosis 1.00"


# Balances


def examined(source, samples=(0, 1)):
    part = build("diagnostics", {"kind": source.kind})
    return joined([part.examine(source, i, 0) for i in samples], samples)


def test_balances_show_all_terms_and_state_the_closure():
    found = examined(ReactionDiffusionData(resolution=8, time=0.3))
    figure = balances(found.balances, found.residual)
    assert len(figure.axes) == 10
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    for balance in found.balances:
        assert f"closes to {float(closure(balance).max()):.0e} of the turnover" in titles
    terms = figure.axes[titles.index("terms of its rate of change")]
    first = found.balances[0].isel(sample=0)
    np.testing.assert_array_equal(line(terms, "−k").get_ydata(), first["rate"].sel(term="−k"))
    total = line(terms, "sum").get_ydata()
    np.testing.assert_allclose(total, first["rate"].sum("term"))
    dots = line(terms, "derivative")
    np.testing.assert_allclose(
        np.interp(dots.get_xdata(), first["time"], total), dots.get_ydata(), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize(
    "source",
    [ReactionDiffusionData(resolution=8, time=0.3), DarcyData(resolution=8)],
    ids=lambda source: source.kind,
)
def test_panels_of_balances_have_room(source, tmp_path):
    found = examined(source)
    figure = balances(found.balances, found.residual)
    save(figure, tmp_path / "balances.svg")
    width = figure.get_window_extent().width
    narrow = width / 5 if "time" in found.balances[0].dims else width / 4
    assert min(axes.get_window_extent().width for axes in figure.axes) > narrow


def test_steady_balances_are_stacks_that_meet():
    found = examined(DarcyData(resolution=8))
    figure = balances(found.balances, found.residual)
    bars = figure.axes[0].patches
    heights = [(bar.get_y(), bar.get_height()) for bar in bars]
    assert min(y + h for y, h in heights) == pytest.approx(-max(y + h for y, h in heights))


def test_frames_are_equidistant_on_the_axis_of_time():
    figure = balances(examined(ReactionDiffusionData(resolution=8, time=0.3)).balances)
    axes = figure.axes[0]
    times = np.array([0.0, 0.1, 0.4, 0.9, 1.6, 2.5])
    axes.clear()
    axes.plot(times, times)
    time_axis(axes, times)
    pixels = axes.transData.transform(np.column_stack([times, times]))[:, 0]
    np.testing.assert_allclose(np.diff(pixels), np.diff(pixels)[0], rtol=1e-9)


def test_pages_are_files_with_the_same_bytes_every_time(tmp_path):
    found = examined(DarcyData(resolution=8), (0,))
    for name in ("a", "b"):
        save(steady_states(found.fields), tmp_path / f"{name}.png")
        save(balances(found.balances), tmp_path / f"{name}.svg")
    for suffix in ("png", "svg"):
        a, b = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("a", "b"))
        assert a == b
