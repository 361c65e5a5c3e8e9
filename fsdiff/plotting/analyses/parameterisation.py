"""Samples of networks that were asked for score, noise or data, and the errors of each."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.plotting.style import experiment_styles, styled

DOT = {"s": 2.0, "alpha": 0.6, "linewidths": 0, "rasterized": True}


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """Samples of each analysis above; errors against time and estimates at a point below."""
    figure = Figure(figsize=(11.0, 6.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    panels = above.subplots(1, len(results), squeeze=False, sharex=True, sharey=True)[0]
    for axes, (title, style) in zip(panels, experiment_styles(results).items(), strict=True):
        _samples(axes, results[title], style["color"])
        axes.set_title(title)
    above.suptitle(
        "samples before the last estimate of the data (colour), data (grey)", fontsize=10
    )
    data, score, point = below.subplots(1, 3)
    for title, style in experiment_styles(results).items():
        result, line = results[title], {"color": style["color"]}
        data.plot(result.time, result.error.sel(quantity="data"), label=title, **line)
        score.plot(result.time, result.error.sel(quantity="score"), **line)
        size = abs(result.learned.sel(quantity="score", axis="y"))
        point.plot(result.time, size, **line)
    exact = abs(result.exact.sel(quantity="score", axis="y"))
    point.plot(result.time, exact, color="black", linewidth=2.4, zorder=1.5, label="exact")
    data.set_title("mean square error of E[X_0|x]")
    score.set_title("mean square error of the score")
    point.set_title("|S_y| at a point off the support")
    point.legend()
    for axes in (data, score, point):
        axes.set(xscale="log", yscale="log", xlabel="time t")
    return figure


def _samples(axes: Axes, result: xr.Dataset, colour: str) -> None:
    """Points of the law and states, with distances in numbers."""
    axes.scatter(result.data[:, 0], result.data[:, 1], color="0.75", **{**DOT, "s": 5.0})
    axes.scatter(result.state[:, 0], result.state[:, 1], color=colour, **DOT)
    low, high = (float(f(result.data[:, 1])) for f in (min, max))
    margin = 0.15 * (high - low) + 0.5
    axes.set_ylim(low - margin, high + margin)
    text = f"to the support {float(result.distance):.3f}\nW₂ {float(result.wasserstein):.2f}"
    text += f" (floor {float(result.floor):.2f})"
    axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=8)
