"""How far a bounded score leaves samples from the support, and in which law."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import experiment_styles, styled

PANELS = {
    "deviation": "deviation from the support, times b",
    "kurtosis": "kurtosis of the deviation (3 if normal)",
}


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """Deviation and kurtosis against the bound, means and ranges over seeds."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, (name, label) in zip(panels, PANELS.items(), strict=True):
        for title, style in experiment_styles(results).items():
            values = results[title][name]
            axes.plot(values.bound, values.mean("seed"), label=title, **style)
            low, high = values.min("seed"), values.max("seed")
            axes.fill_between(values.bound, low, high, color=style["color"], alpha=0.2)
        axes.set(xscale="log", xlabel="bound b on the score", title=label)
        axes.set_ylim(bottom=0)
    panels[1].axhline(3.0, color="black", linewidth=1.0, linestyle=":")
    panels[1].legend()
    return figure
