"""Errors of the pointwise moments of imitations, one panel for each moment."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from fsdiff.analyses.imitated_moments import MOMENTS
from fsdiff.characters import printable
from fsdiff.reports.plotting.style import plain_ticks, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A row for each analysis, a point for each repetition and a bar at their mean."""
    figure = Figure(figsize=(10.4, 1.4 + 0.34 * len(results)), layout="constrained")
    panels = figure.subplots(1, len(MOMENTS), sharey=True)
    rows = np.arange(len(results))[::-1]
    for axes, name in zip(panels, MOMENTS, strict=True):
        for row, result in zip(rows, results.values(), strict=True):
            values = result[name].values
            axes.plot(values, np.full(len(values), row), "o", markersize=3, alpha=0.5)
            axes.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color="black", linewidth=1.5)
        axes.set(xscale="log", title=name)
        plain_ticks(axes.xaxis, decades=1.8)
    panels[0].set_yticks(rows, [printable(title) for title in results])
    figure.supxlabel("mean square error over nodes")
    return figure
