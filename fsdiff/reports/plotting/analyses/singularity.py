"""Exact estimates near t = 0: what grows, what stays bounded, which weight balances the loss."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import styled

_QUANTITIES = {
    "score": ("#009E73", "score, δ/r² → δ/t"),
    "noise": ("#D55E00", "noise, δ/r → δ/√t"),
    "data": ("#0072B2", "data, bounded"),
}


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A column for each analysis: sizes at a point above, the weighted least loss below."""
    figure = Figure(figsize=(0.8 + 2.7 * len(results), 5.4), layout="constrained")
    panels = figure.subplots(2, len(results), squeeze=False, sharex=True, sharey="row")
    for (above, below), (title, result) in zip(panels.T, results.items(), strict=True):
        _sizes(above, result)
        loss = result.least_loss.mean("seed")
        below.plot(result.time, result.weight * loss, color="#0072B2")
        below.plot(result.time, loss, color="0.5", linestyle="--")
        above.set(xscale="log", yscale="log", title=title)
        below.set(xscale="log", yscale="log", xlabel="time t", ylim=(1e-5, 30))
    panels[0, 0].set_ylabel("size of the estimate at a point")
    panels[1, 0].set_ylabel("least E‖X₀ − x̂₀‖²")
    panels[1, 0].annotate("times m²/r²", (1e-4, 2), color="#0072B2", fontsize=8)
    panels[1, 0].annotate("unweighted", (1e-3, 1e-4), color="0.4", fontsize=8)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _sizes(axes: Axes, result: xr.Dataset) -> None:
    """Sizes as lines, and the asymptotes δ/t and δ/√t dotted."""
    distance, early = float(result.distance), result.time < 0.3
    for name, (colour, label) in _QUANTITIES.items():
        axes.plot(result.time, result["size"].sel(quantity=name), color=colour, label=label)
    for power in (1.0, 0.5):
        guide = np.where(early, distance * result.time**-power, np.nan)
        axes.plot(result.time, guide, ":", color="black", linewidth=1.0)
