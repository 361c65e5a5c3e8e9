"""Functions that one model draws on several sets of points, and whether they are one function."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, styled, wrapped


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """The first functions on each set, a row for each analysis; below what more points change.

    That is the mean over seeds; functions are those of the first.
    """
    figure = Figure(figsize=(9.3, 2.1 * len(results) + 3.2), layout="constrained")
    heights = [1.0] * len(results) + [1.5]
    rows = figure.subfigures(len(results) + 1, 1, squeeze=False, height_ratios=heights)[:, 0]
    for row, (title, result) in zip(rows, results.items(), strict=False):
        panels = row.subplots(1, result.sizes["set"], sharey=True)
        row.suptitle(title, fontsize=10)
        for panel, name in zip(panels, result["set"].values.tolist(), strict=True):
            one = result.sel(set=name)
            # Thousands of marks are a megabyte as shapes.
            marks = {"linewidth": 0.7, "marker": ".", "markersize": 2.0, "rasterized": True}
            panel.plot(one.place, one.function.T, **marks)
            panel.set(title=name, xticks=[0, 1])
    axes = rows[-1].subplots()
    for title, style in experiment_styles(results).items():
        result = results[title]
        difference = result.difference.mean("seed")
        axes.plot(np.arange(result.sizes["set"]), difference, label=title, **style)
    axes.axhline(0.01, color="black", linewidth=1.0, linestyle=":", label="1 %")
    axes.set_xticks(np.arange(result.sizes["set"]), result["set"].values)
    axes.set(yscale="log", ylabel=wrapped(result.difference.attrs["long_name"], 36))
    plain_ticks(axes.yaxis)
    axes.legend()
    return figure
