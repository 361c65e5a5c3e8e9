"""Figures of fields on lines, rectangles, volumes, and in space and time."""

import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.reports.plotting.data import gallery, hierarchy_spectra
from fsdiff.reports.plotting.distributions import densities
from fsdiff.reports.plotting.fields import resolution_grid, sample_grid
from fsdiff.reports.plotting.grids import Grid, grid_of
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.boxes import Axis, Box

RECTANGLE = Box(
    axes=(
        Axis(kind="neumann", name="latitude", nodes=8, side=0.5),
        Axis(kind="periodic", name="longitude", nodes=32, side=1.0),
    )
)


def labelled(dims, shape, units, scales):
    values = np.random.default_rng(0).standard_normal((4, 1, *shape))
    coordinates = {
        name: (name, scale * np.arange(n), {"units": unit})
        for name, n, unit, scale in zip(dims, shape, units, scales, strict=True)
    }
    names = ("sample", "channel", *dims)
    return xr.DataArray(values, {"channel": ["u"], **coordinates}, names)


MAP = labelled(("latitude", "longitude"), (8, 32), ("degrees_north", "degrees_east"), (5.0, 2.5))


def test_grids_of_one_kind_of_unit_have_their_proportions():
    assert grid_of(MAP) == Grid(("latitude [degrees_north]", "longitude [degrees_east]"), 2.0)
    plane = labelled(("y", "x"), (8, 8), ("m", "m"), (2.0, 2.0))
    assert grid_of(plane) == Grid()
    assert grid_of(labelled(("t", "x"), (8, 8), ("1", "1"), (1.0, 1.0))).aspect is None
    assert grid_of(labelled(("y", "x"), (8, 8), ("m", "s"), (1.0, 1.0))).aspect is None
    assert grid_of(labelled(("y", "x"), (8, 8), ("1", "1"), (9.0, 1.0))).aspect is None
    depth = Grid(("depth [m]",), None, (0.0, 2.0, 4.0))
    assert grid_of(labelled(("depth",), (3,), ("m",), (2.0,))) == depth


def test_rectangles_keep_the_proportions_of_their_sides():
    figure = gallery(MAP)
    figure.draw_without_rendering()
    [first, *_] = [axes for axes in figure.axes if axes.images]
    assert first.get_aspect() == 2.0
    box = first.get_window_extent()
    assert box.width / box.height == pytest.approx(32 * 2.5 / (8 * 5.0), rel=0.02)
    assert figure.get_supxlabel() == "longitude [degrees_east], latitude [degrees_north]"


def test_functions_on_lines_are_curves_on_one_scale():
    data, model = torch.randn(3, 1, 16), torch.randn(3, 1, 16)
    figure = sample_grid(data, {"model": model}, grid=Grid(("depth [m]",), None))
    curves = [axes.lines[0].get_ydata() for axes in figure.axes]
    assert len(curves) == 6
    np.testing.assert_array_equal(curves[0], data[0, 0])
    np.testing.assert_array_equal(curves[3], model[0, 0])
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert figure.get_suptitle() == "u at 16 nodes"
    assert figure.get_supxlabel() == "depth [m]"


def test_curves_lie_over_the_coordinates_of_their_nodes():
    points = (0.0, 0.1, 0.5, 2.0)
    grid = Grid(("x [m]",), None, points)
    axes = sample_grid(torch.randn(3, 1, 4), {}, grid=grid).axes[0]
    assert axes.lines[0].get_xdata().tolist() == list(points)
    assert axes.get_xlim() == (0.0, 2.0)


def test_a_curve_that_leaves_its_panel_is_marked():
    data = torch.zeros(500, 1, 4)
    data[1, 0, 0] = 1.0  # beyond any quantile
    model = torch.tensor([[[5.0, 7, 9, 7]], [[0.5, -3, 0, 0]], [[1, 1, 1, 1]]])
    panels = np.array(sample_grid(data, {"model": model}).axes).reshape(2, 3)
    said = [[text.get_text() for text in axes.texts] for axes in panels.ravel()]
    assert said == [[], [], [], ["▲ 9"], ["▼ -3"], []]
    assert panels[0, 0].get_ylim() == pytest.approx((-0.1, 1.1))


def test_volumes_are_three_slices():
    fields = torch.randn(2, 1, 5, 6, 32)
    figure = sample_grid(fields, {}, grid=Grid(("z", "y", "x"), 1.0))
    shown = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)
    assert shown.shape == (6, 3 * 32 + 2 * 2)
    np.testing.assert_array_equal(shown[:, :32], fields[0, 0, 0])
    np.testing.assert_array_equal(shown[:, 34:66], fields[0, 0, 2])
    np.testing.assert_array_equal(shown[:, 68:], fields[0, 0, 4])
    assert np.isnan(shown[:, 32:34]).all()
    assert figure.get_suptitle() == "u at 5 × 6 × 32"
    assert figure.get_supxlabel() == "x, y at the first, middle and last z"


def test_columns_are_named_after_the_shapes_of_their_grids():
    fields = {16: torch.randn(2, 1, 8, 16), 32: torch.randn(2, 1, 16, 32)}
    figure = resolution_grid(fields, {16: fields[16]}, title="model", finest_trained=16)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["8 × 16\n", "16 × 32\nabove training"]


def test_spectra_and_densities_name_the_axes_of_a_box():
    fields = {n: MAP[..., : n // 4, :n] for n in (16, 32)}
    figure = hierarchy_spectra(fields, None, basis=RECTANGLE)
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels[0] == "8 × 32"
    figure = densities(MAP.values, {}, basis=RECTANGLE)
    assert figure.axes[1].get_xlabel() == "derivative of u along longitude and latitude"
    line = densities(torch.randn(3, 1, 16), {}, basis=CosineBasis(1))
    assert line.axes[1].get_xlabel() == "derivative of u along x"
