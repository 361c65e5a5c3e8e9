"""Solutions of differential equations: fields over time, and the parts of a steady state."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fsdiff.reports.plotting.grids import Grid, grid_of
from fsdiff.reports.plotting.panels import (
    PANEL,
    colour_scale,
    frame,
    name_axes,
    name_row,
    proportion,
    scale_of,
    show,
)
from fsdiff.reports.plotting.style import styled

FLUX = ("flux_x", "flux_y")
"""Channels that are drawn together, as the magnitude of a flux and its direction."""


@styled
def evolution(fields: xr.DataArray, *, columns: int = 6) -> Figure:
    """Fields (sample, time, channel, …, x) from the first frame to the last, a row for each sample.

    Times are those of frames at equal distances in number, so that they are as dense as the frames
    are. Rows of one channel stand together and share, in each column, the colour scale that is
    written above it: states at different times may differ by orders of magnitude.
    """
    columns = min(columns, fields.sizes["time"])
    chosen = np.rint(np.linspace(0, fields.sizes["time"] - 1, columns)).astype(int)
    shown = fields.isel(time=chosen)
    channels, samples = shown["channel"].values, shown["sample"].values
    grid = grid_of(fields)
    shape = proportion(shown[0, 0, 0].values, grid)
    rows = shape * len(channels) * len(samples)
    size = ((columns + 1.0) * PANEL, (rows + 0.35 * len(channels) + 0.2) * PANEL)
    figure = Figure(figsize=size, layout="compressed")
    bands = figure.subfigures(len(channels), 1, squeeze=False)[:, 0]
    for band, channel in zip(bands, channels, strict=True):
        panels = band.subplots(len(samples), columns, squeeze=False)
        for column, time in enumerate(shown["time"].values):
            now = shown.isel(time=column).sel(channel=channel).values
            colours = scale_of(now)
            panels[0, column].set_title(
                f"t = {time:.3g}\n{_extent(*colours.get_clim())}", fontsize=8.5
            )
            for axes, field in zip(panels[:, column], now, strict=True):
                show(axes, field, colours, grid)
        for axes, sample in zip(panels[:, 0], samples, strict=True):
            name_row(axes, f"{channel}\nsample {sample}")
    name_axes(figure, grid)
    return figure


@styled
def steady_states(fields: xr.DataArray) -> Figure:
    """Fields (sample, channel, y, x), a row for each sample and a column for each channel.

    A column shares its colour scale. Channels ``flux_x`` and ``flux_y`` become one column: the
    magnitude of the flux with its stream lines.
    """
    samples = fields["sample"].values
    columns = {
        str(name): fields.sel(channel=name).values
        for name in fields["channel"].values
        if name not in FLUX
    }
    flux = fields.sel(channel=list(FLUX)).values if len(columns) < fields.sizes["channel"] else None
    if flux is not None:
        columns["flux"] = np.hypot(flux[:, 0], flux[:, 1])
    grid = grid_of(fields)
    high = 1.6 * PANEL * proportion(fields[0, 0].values, grid)
    size = (1.6 * PANEL * len(columns) + 1.0, high * len(samples) + 0.9)
    figure = Figure(figsize=size, layout="compressed")
    panels = figure.subplots(len(samples), len(columns), squeeze=False)
    for column, (name, values) in zip(panels.T, columns.items(), strict=True):
        colours = colour_scale(values)
        if name == "flux":
            colours = ScalarMappable(Normalize(0, np.quantile(values, 0.99)), cmap="magma")
        for i, axes in enumerate(column):
            show(axes, values[i], colours, grid)
            if name == "flux" and flux is not None:
                _stream_lines(axes, grid, *flux[i])
        column[0].set_title(name)
        bar = figure.colorbar(colours, ax=list(column), location="bottom", aspect=25, pad=0.02)
        bar.outline.set_linewidth(0.5)
    for axes, sample in zip(panels[:, 0], samples, strict=True):
        name_row(axes, f"sample {sample}")
    name_axes(figure, grid)
    return figure


def _extent(low: float, high: float) -> str:
    return f"±{high:.2g}" if low == -high else f"{low:.2g} … {high:.2g}"


def _stream_lines(axes: Axes, grid: Grid, q_x: np.ndarray, q_y: np.ndarray) -> None:
    y, x = (np.arange(count) for count in q_x.shape)
    across = q_y / (grid.aspect or 1.0)  # in cells, which are the units of the panel
    axes.streamplot(x, y, q_x, across, color="white", linewidth=0.5, density=0.8, arrowsize=0.5)
    axes.set(xlim=(-0.5, x[-1] + 0.5), ylim=(-0.5, y[-1] + 0.5))
    frame(axes)
