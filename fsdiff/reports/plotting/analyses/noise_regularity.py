"""Errors of estimated noise by resolution, in the norms of two losses."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import plain_ticks, styled

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A curve for each analysis, and a dashed one of the least error that there is."""
    figure = Figure(figsize=(5.5, 4.0), layout="constrained")
    axes = figure.subplots()
    for number, (title, result) in enumerate(results.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(result.resolution, result.error.mean("seed"), "o-", color=colour, label=title)
        axes.plot(result.resolution, result.least, "--", color=colour, linewidth=1)
    resolutions = sorted({int(n) for result in results.values() for n in result.resolution})
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="nodes per axis",
        ylabel="error of the estimated noise over its size",
        title="dashed: the least error that there is",
    )
    axes.set_xticks(resolutions, [str(n) for n in resolutions], minor=False)
    axes.minorticks_off()
    plain_ticks(axes.yaxis)
    axes.legend()
    return figure
