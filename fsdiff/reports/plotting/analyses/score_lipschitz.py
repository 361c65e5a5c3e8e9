"""Lipschitz constants of exact scores against the resolution, for each time."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fsdiff.reports.plotting.style import level_colours, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A panel for each analysis: closed form (lines), measured (dots) and the bound 1/r².

    Earlier times are drawn over later ones and thinner, so that curves that coincide are all seen.
    """
    figure = Figure(figsize=(0.8 + 3.1 * len(results), 3.9), layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
    times = sorted({float(t) for result in results.values() for t in result.time})
    colours = level_colours(times)
    sizes = {t: 3.0 + 1.3 * i for i, t in enumerate(times)}
    for axes, (title, result) in zip(panels, results.items(), strict=True):
        for t in sorted(result.time.values, reverse=True):
            now, colour, size = result.sel(time=t), colours[float(t)], sizes[float(t)]
            axes.plot(now.resolution, now.closed_form, color=colour, linewidth=0.35 * size)
            axes.plot(now.resolution, now.measured, "o", color=colour, markersize=size)
            axes.axhline(float(now.bound), color=colour, linestyle=(0, (4, 2)), linewidth=0.9)
        axes.set(xscale="log", yscale="log", xlabel="nodes per axis n", title=title)
        axes.set_xticks(result.resolution, [str(n) for n in result.resolution.values])
        axes.minorticks_off()
    panels[0].set_ylabel("Lipschitz constant of the score")
    handles = [Line2D([], [], color=colours[t], label=f"t = {t:g}") for t in times]
    handles += [
        Line2D([], [], color="0.3", label="closed form"),
        Line2D([], [], color="0.3", linestyle="", marker="o", markersize=4, label="measured"),
        Line2D([], [], color="0.3", linestyle=(0, (4, 2)), linewidth=0.9, label="bound 1/r²"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 7))
    return figure
