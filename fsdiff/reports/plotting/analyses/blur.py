"""The score of a blurred law, which is bounded, and what it tends to."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import experiment_styles, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A panel for each law: the size of the score against time, dashed what it tends to."""
    figure = Figure(figsize=(1.2 + 4.0 * len(results), 3.6), layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
    for axes, (title, result) in zip(panels, results.items(), strict=True):
        labels = [f"s = {deviation:g}" for deviation in result.deviation.values]
        for i, (label, style) in enumerate(experiment_styles(labels).items()):
            own, colour = result.isel(deviation=i), style["color"]
            axes.plot(result.time, own["size"], color=colour, label=label)
            axes.axhline(float(own.limit), color=colour, linestyle="--", linewidth=1.0)
        axes.set(xscale="log", yscale="log", xlabel="time t", title=title)
    panels[0].set_ylabel("size of the score at a point")
    panels[0].legend()
    return figure
