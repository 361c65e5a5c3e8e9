"""A data set by itself: its fields, their energy spectra and one-point densities on every grid."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.data.storage import is_series
from fsdiff.metrics.spectra import radial_spectrum
from fsdiff.reports.plotting.grids import grid_of, nodes
from fsdiff.reports.plotting.panels import (
    columns_for,
    name_axes,
    name_row,
    panelled,
    proportion,
    scale,
    scale_of,
    show,
)
from fsdiff.reports.plotting.style import (
    SMALL,
    SURROGATE,
    WIDTH,
    level_colours,
    squared,
    styled,
    unit_of,
)
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.shells import whole_shells

BINS = 100
"""Of the histograms."""

INITIAL = {"color": "#D55E00", "linestyle": (0, (4, 2)), "linewidth": 1.4}
"""How the law that solutions start from is drawn."""


@styled
def gallery(fields: xr.DataArray, *, columns: int | None = None) -> Figure:
    """The first fields (sample, channel, *axes) of a data set, two rows by channel.

    There are four ``columns`` by default, two for volumes. Panels of a channel share its colours.
    """
    channels, grid, unit = fields["channel"].values, grid_of(fields), unit_of(fields)
    first = fields.isel(channel=0).values
    columns = min(columns or columns_for(first), fields.sizes["sample"])
    rows = min(2, fields.sizes["sample"] // columns)
    shape, names = proportion(first[0], grid), bool(grid.description)
    figure = panelled(rows * len(channels), columns, shape, above=0.2, names=names)
    panels = figure.subplots(rows * len(channels), columns, squeeze=False)
    for i, channel in enumerate(channels):
        band = panels[i * rows : (i + 1) * rows]
        values = fields.isel(sample=slice(band.size)).sel(channel=channel).values
        colours = scale_of(values)
        for axes, field in zip(band.ravel(), values, strict=False):
            show(axes, field, colours, grid)
        for axes in band[:, 0]:
            name_row(axes, str(channel))
        shown = "" if unit == "1" else f"[{unit}]"
        scale(figure, band, colours, [values], shown, aspect=10 * rows)
    name_axes(figure, grid)
    return figure


@styled
def hierarchy_spectra(
    fields: Mapping[int, xr.DataArray], initial: xr.DataArray | None, *, basis: Basis
) -> Figure:
    """Energy spectra at every resolution beside the law of the initial states.

    ``fields`` maps a resolution n to fields (sample, [time,] channel, n, n), the same samples at
    every n; ``initial`` are fields (sample, channel, n, n) that solutions start from. A column for
    each channel and, of series, for each of three times; below, the ratio to the finest resolution.
    Shells are shown as far as a grid resolves them whole; the legend gives the share of the mean
    square that a grid leaves out.
    """
    finest = max(fields)
    views = {n: list(_views(values)) for n, values in sorted(fields.items(), reverse=True)}
    columns = len(views[finest])
    figure = Figure(figsize=(min(WIDTH, 1.0 + 4.6 * columns), 6.4), layout="constrained")
    panels = figure.subplots(2, columns, sharex=True, squeeze=False, height_ratios=(3.4, 1))
    for i, (energy, ratio) in enumerate(panels.T):
        name, channel, reference = views[finest][i]
        own = basis.select([fields[finest]["channel"].values.tolist().index(channel)])
        if initial is not None:
            law = _spectrum(initial.sel(channel=channel), own)
            if np.isfinite(law).any():  # they may be zero
                energy.plot(np.arange(len(law)), law, label="initial states", **INITIAL)
        whole, total = _spectrum(reference, own), _mean_square(reference)
        for n, style in _styles(fields).items():
            values = views[n][i][2]
            curve, lost = _spectrum(values, own), 1 - _mean_square(values) / total
            label = nodes(basis.grid(n)) + ("" if n == finest else f", leaves out {lost:.1e}")
            energy.plot(np.arange(len(curve)), curve, label=label, **style)
            ratio.plot(np.arange(len(curve)), curve / whole[: len(curve)], **style)
        _format_spectra(energy, ratio, whole)
        energy.set_title(name)
    unit = unit_of(fields[finest])
    panels[0, 0].set_ylabel("energy per shell" + ("" if unit == "1" else f" [{squared(unit)}]"))
    panels[1, 0].set_ylabel("ratio to the finest")
    return figure


@styled
def hierarchy_densities(fields: Mapping[int, xr.DataArray]) -> Figure:
    """One-point densities at every resolution, with their moments; ``fields`` as for the spectra.

    Dashed is the Gaussian with the mean and variance of the finest resolution, a parabola here.
    Moments are those of all values pooled; a Gaussian has skewness 0 and kurtosis 3.
    """
    views = {n: list(_views(values)) for n, values in fields.items()}
    columns, unit = len(views[max(fields)]), unit_of(fields[max(fields)])
    figure = Figure(figsize=(min(WIDTH, 1.0 + 4.4 * columns), 5.2), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False)[0]
    for i, axes in enumerate(panels):
        fields_at = {n: view[i][2] for n, view in views.items()}
        flat = {n: array.values.ravel().astype(float) for n, array in fields_at.items()}
        values = {n: array[~np.isnan(array)] for n, array in flat.items()}
        extremes = [edge for array in values.values() for edge in (array.min(), array.max())]
        edges = np.linspace(min(extremes), max(extremes), BINS + 1)
        for n, style in _styles(fields).items():
            density = np.histogram(values[n], edges, density=True)[0]
            shown = np.where(density > 0, density, np.nan)
            shape = nodes(fields_at[n].shape[1:])
            axes.stairs(shown, edges, label=f"{shape}: {_moments(values[n])}", **style)
        axes.set(yscale="log", title=views[max(fields)][i][0])
        axes.set_xlabel("value" if unit == "1" else f"value [{unit}]")
        _gaussian(axes, values[max(fields)], edges)
        below = {"loc": "upper left", "bbox_to_anchor": (-0.12, 0), "borderaxespad": 4.5}
        axes.legend(fontsize=SMALL, **below)
    panels[0].set_ylabel("probability density")
    return figure


def _views(fields: xr.DataArray) -> Iterator[tuple[str, str, xr.DataArray]]:
    """(name, channel, fields (sample, y, x)) by channel and, of series, by three of its times."""
    for channel in fields["channel"].values:
        values = fields.sel(channel=channel)
        if not is_series(fields):
            yield str(channel), channel, values.compute()
            continue
        last = values.sizes["time"] - 1
        for i in sorted({0, last // 2, last}):
            frame = values.isel(time=i).compute()
            yield f"{channel}, t = {float(frame['time']):.3g}", channel, frame


def _styles(resolutions: Mapping[int, Any]) -> dict[int, dict[str, Any]]:
    """Fine to coarse: the finest is drawn thick, below the others."""
    colours = level_colours(list(resolutions))
    return {
        n: {"color": colours[n], "linewidth": 2.6 if n == max(resolutions) else 1.3}
        for n in sorted(resolutions, reverse=True)
    }


def _spectrum(fields: xr.DataArray, basis: Basis) -> np.ndarray:
    """Energy per whole shell; NaN where a log–log plot cannot show it."""
    values = torch.from_numpy(np.ascontiguousarray(fields.values)).double()[:, None]
    energy = radial_spectrum(values, basis)[1][0].numpy()
    energy = energy[: whole_shells(basis.resolution(values), basis) + 1]
    energy[0] = np.nan
    return np.where(energy > 0, energy, np.nan)


def _mean_square(fields: xr.DataArray) -> float:
    return float(np.square(fields.values, dtype=float).mean())


def _format_spectra(energy: Axes, ratio: Axes, finest: np.ndarray) -> None:
    energy.set(xscale="log", yscale="log", xlim=(0.9, 1.05 * len(finest)))
    # Rounding of the stored float32 fields is no energy.
    energy.set_ylim(bottom=max(energy.get_ylim()[0], 1e-15 * np.nanmax(finest)))
    energy.legend(loc="lower left", fontsize=SMALL)
    ratio.set(xlabel="wavenumber |k|", ylim=(0.4, 1.6))


def _moments(values: np.ndarray) -> str:
    mean, deviation = values.mean(), values.std()
    standard = (values - mean) / deviation
    return (
        f"mean {mean:.3g}, deviation {deviation:.3g},\n"
        f"skewness {np.mean(standard**3):.2f}, kurtosis {np.mean(standard**4):.2f}"
    )


def _gaussian(axes: Axes, values: np.ndarray, edges: np.ndarray) -> None:
    """The Gaussian with the same mean and variance, as far down as the histograms go."""
    mean, deviation = values.mean(), values.std()
    density = np.exp(-np.square((edges - mean) / deviation) / 2) / (deviation * np.sqrt(2 * np.pi))
    shown = np.where(density > axes.get_ylim()[0], density, np.nan)
    axes.plot(edges, shown, label="Gaussian of the same mean and variance", **SURROGATE)
