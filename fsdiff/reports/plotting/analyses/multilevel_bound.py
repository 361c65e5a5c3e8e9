"""Errors of sampling with a score from a coarser grid, and what theory bounds them by."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import WARNING, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A panel for each analysis: the bound, and both extensions of the score, against the level."""
    figure = Figure(figsize=(0.8 + 3.1 * len(results), 3.9), layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
    for axes, (title, result) in zip(panels, results.items(), strict=True):
        level, bound = result.level, "bound where the score is zero (theorem)"
        axes.plot(level, result.bound, color=WARNING, label=bound)
        for values, marker, colour, label in (
            (result.zero_score, "s-", "#0072B2", "score zero beyond the level"),
            (result.zero_data, "o-", "#009E73", "data estimated as zero beyond the level"),
        ):
            axes.plot(level, values, marker, color=colour, label=label)
        axes.axhline(1.0, color="0.5", linestyle=":", label="size of the data")
        axes.set(xscale="log", yscale="log", xlabel="nodes per axis of the score", title=title)
        axes.set_xticks(level, [str(n) for n in level.values])
        axes.minorticks_off()
    panels[0].set_ylabel("W₂ to the data / root mean square of data")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure
