"""Drift per step against time, for grids that are spaced in different ways."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import experiment_styles, styled

WHERE = {"point": "at a point off the support", "states": "averaged over states of the process"}


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A row for each law; left at a point, right over the law of X_t."""
    figure = Figure(figsize=(9.0, 0.6 + 3.2 * len(results)), layout="constrained")
    rows = figure.subplots(len(results), 2, squeeze=False, sharex=True)
    for row, (title, result) in zip(rows, results.items(), strict=True):
        for axes, (where, label) in zip(row, WHERE.items(), strict=True):
            for spacing, style in experiment_styles(map(str, result.spacing.values)).items():
                own = result.sel(spacing=spacing, where=where)
                drift = own.drift.mean("seed")
                axes.plot(own.step_time, drift, color=style["color"], label=spacing)
            axes.set(xscale="log", yscale="log", xlabel="time t", title=f"{title}: {label}")
        row[0].set_ylabel("g²|S| Δt")
    rows[0, 0].legend(title="times uniform in")
    return figure
