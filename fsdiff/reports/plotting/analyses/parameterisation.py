"""Samples of networks that were asked for score, noise or data, and the errors of each."""

from collections.abc import Mapping
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import experiment_styles, line_styles, styled

DOT: dict[str, Any] = {"s": 3.0, "alpha": 0.6, "linewidths": 0, "rasterized": True}
DATA: dict[str, Any] = {**DOT, "s": 14.0, "alpha": 0.35, "color": "0.45"}


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """Samples of the first sampler above; errors against time, estimates at a point below."""
    figure = Figure(figsize=(11.0, 6.8), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.15, 1))[:, 0]
    panels = above.subplots(1, max(len(results), 3), sharex=True, sharey=True)
    for axes, (title, style) in zip(panels, experiment_styles(results).items(), strict=False):
        _samples(axes, results[title].isel(sampler=0), style["color"])
        axes.set_title(title, color=style["color"])
    for axes in panels[len(results) :]:
        axes.set_axis_off()
    above.suptitle(
        "samples before the last estimate of the data (colour), data (grey)", fontsize=10
    )
    _lines(below, results)
    return figure


def _samples(axes: Axes, result: xr.Dataset, colour: str) -> None:
    """Points of the law and states of the first seed, with means over seeds in numbers."""
    axes.scatter(result.data[:, 0], result.data[:, 1], **DATA)
    axes.scatter(result.state[:, 0], result.state[:, 1], color=colour, **DOT)
    low, high = (float(f(result.data[:, 1])) for f in (min, max))
    margin = 0.15 * (high - low) + 0.5
    axes.set_ylim(low - margin, high + 2 * margin)
    text = f"distance to the support {float(result.distance.mean()):.3f}"
    for name, label in (("kolmogorov", "KS along it"), ("chi_squared", "χ²")):
        text += f"\n{label} {float(result[name].mean()):.3g}" if name in result else ""
    axes.text(0.03, 0.98, text, transform=axes.transAxes, va="top", fontsize=8)


def _lines(figure: Figure, results: Mapping[str, xr.Dataset]) -> None:
    """Means over seeds: errors of data and score, and two components of the score at the point."""
    data, score, along, across = figure.subplots(1, 4)
    components = {"x": (0, along), "y": (1, across)}
    for title, line in line_styles(results).items():
        result = results[title].mean("seed")
        data.plot(result.time, result.error.sel(quantity="data"), label=title, **line)
        score.plot(result.time, result.error.sel(quantity="score"), **line)
        for axis, axes in components.values():
            axes.plot(result.time, result.learned.sel(quantity="score", axis=axis), **line)
    for name, (axis, axes) in components.items():
        exact = result.exact.sel(quantity="score", axis=axis)
        axes.plot(result.time, exact, color="black", linewidth=2.8, zorder=1.5, label="exact")
        axes.set_yscale("symlog", linthresh=1.0)
        axes.set_title(f"S_{name} at a point off the support")
    along.legend()
    data.set_title("mean square error of E[X₀|x]")
    score.set_title("mean square error of the score")
    for axes in (data, score):
        axes.set_yscale("log")
    for axes in (data, score, along, across):
        axes.set(xscale="log", xlabel="time t")
