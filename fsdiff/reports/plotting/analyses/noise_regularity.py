"""Errors of estimated noise by resolution, in the norms of two losses."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A curve for each analysis, and a dashed one of the least error that there is."""
    figure = Figure(figsize=(5.5, 4.0), layout="constrained")
    axes = figure.subplots()
    for title, style in experiment_styles(results).items():
        result = results[title]
        axes.plot(result.resolution, result.error.mean("seed"), label=title, **style)
        axes.plot(result.resolution, result.least, "--", color=style["color"], linewidth=1)
    resolutions = sorted({int(n) for result in results.values() for n in result.resolution})
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="nodes per axis",
        ylabel="error of the estimated noise over its size",
    )
    axes.set_xticks(resolutions, [str(n) for n in resolutions], minor=False)
    axes.minorticks_off()
    plain_ticks(axes.yaxis)
    axes.plot([], [], "--", color="0.3", linewidth=1, label="least error possible")
    axes.legend()
    return figure
