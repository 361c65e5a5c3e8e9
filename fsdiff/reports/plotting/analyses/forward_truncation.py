"""Errors of truncated forward processes, against time and against the resolution."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import WARNING, level_colours, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A column for each analysis: error against time above, suprema and bounds below."""
    figure = Figure(figsize=(0.8 + 3.2 * len(results), 6.6), layout="constrained")
    panels = figure.subplots(2, len(results), squeeze=False, sharey="row")
    for (above, below), (title, result) in zip(panels.T, results.items(), strict=True):
        _against_time(above, result)
        _against_resolution(below, result)
        above.set_title(title)
    panels[0, 0].set_ylabel("E‖Xₜ − Xₜⁿ‖²")
    panels[1, 0].set_ylabel("error over all times")
    for row in panels:
        handles, labels = row[0].get_legend_handles_labels()
        row[-1].legend(handles, labels, loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def _against_time(axes: Axes, result: xr.Dataset) -> None:
    """The formula as lines, simulated paths as dots, for each resolution."""
    colours = level_colours([int(n) for n in result.resolution])
    for n in result.resolution.values:
        now = result.sel(resolution=n)
        axes.plot(now.time, now.formula, color=colours[int(n)], label=f"n = {n}")
        style = {"color": colours[int(n)], "fmt": "o", "markersize": 3.5, "linewidth": 0.9}
        axes.errorbar(now.time, now.measured, 2 * now.deviation, **style)
    axes.set(yscale="log", xlabel="time t")


def _against_resolution(axes: Axes, result: xr.Dataset) -> None:
    n = result.resolution
    axes.plot(n, result.doob_bound, color=WARNING, label="Doob's bound on E sup")
    axes.plot(n, result.bound, color="black", label="bound on sup E")
    axes.plot(n, result.supremum, "o", color="#0072B2", label="E sup, simulated")
    axes.plot(n, result.prior_tail, ":", color="0.4", label="tail of tr Q")
    axes.plot(n, result.data_tail, "--", color="0.4", label="tail of E‖X₀‖²")
    axes.set(xscale="log", yscale="log", xlabel="nodes per axis n")
    axes.set_xticks(n, [str(value) for value in n.values])
    axes.minorticks_off()
