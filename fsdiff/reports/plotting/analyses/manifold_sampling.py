"""Distances to the support and to the law on it, sampler by sampler."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import experiment_styles, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A bar for each sampler, with the range of seeds: left the support, right the law."""
    most = max(result.sizes["sampler"] for result in results.values())
    figure = Figure(figsize=(10.0, 1.2 + 0.3 * most * len(results)), layout="constrained")
    near, along = figure.subplots(1, 2)
    _bars(near, results, "distance")
    name = (
        "kolmogorov" if all("kolmogorov" in r for r in results.values()) else "sliced_wasserstein"
    )
    _bars(along, results, name)
    along.set_yticklabels([])
    near.legend()
    return figure


def _bars(axes: Axes, results: Mapping[str, xr.Dataset], name: str) -> None:
    width = 0.8 / len(results)
    for i, (title, style) in enumerate(experiment_styles(results).items()):
        values = results[title][name]
        place = np.arange(values.sizes["sampler"]) + i * width
        mean = values.mean("seed")
        error = np.stack([mean - values.min("seed"), values.max("seed") - mean])
        axes.barh(place, mean, 0.9 * width, xerr=error, color=style["color"], label=title)
        axes.plot(mean, place, "o", color="black", markersize=2.0)
        axes.set_yticks(np.arange(values.sizes["sampler"]), values.sampler.values)
    axes.invert_yaxis()
    axes.set(xscale="log", title=values.attrs["long_name"])
