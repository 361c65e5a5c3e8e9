"""Score errors over training, on the grid of training and on a finer one."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.panels import seeds_in_a_band
from fsdiff.reports.plotting.style import level_colours, plain_ticks, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A panel for each analysis with a curve for each resolution, all on one scale.

    Curves are geometric means over seeds, in a band of their range.
    """
    figure = Figure(figsize=(0.8 + 2.7 * len(results), 3.7), layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False, sharex=True, sharey=True)[0]
    colours = level_colours(sorted({int(n) for r in results.values() for n in r.resolution}))
    for axes, (title, result) in zip(panels, results.items(), strict=True):
        trained = int(result.attrs["training_resolution"])
        for n in map(int, result.resolution):
            label = f"resolution {n}" + (", the grid of training" if n == trained else "")
            error = result.error.sel(resolution=n)
            seeds_in_a_band(axes, result.step, error, color=colours[n], label=label)
        axes.set(yscale="log", xlabel="optimiser steps", title=title)
    panels[0].set_ylabel("relative score error")
    plain_ticks(panels[0].yaxis)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure
