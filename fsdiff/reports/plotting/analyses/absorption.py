"""Samples on their way into a finite set of points, and how often each is reached."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, styled

DOT: dict[str, Any] = {"s": 2.0, "alpha": 0.6, "linewidths": 0, "rasterized": True}
CROSS: dict[str, Any] = {"s": 22, "marker": "+", "color": "black", "linewidths": 0.7, "zorder": 0.9}


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """Snapshots of the first analysis; the last states, frequencies and distances of all."""
    styles = experiment_styles(results)
    first = next(iter(results.values()))
    figure = Figure(figsize=(11.0, 8.2), layout="constrained")
    way, ends, numbers = figure.subfigures(3, 1, squeeze=False, height_ratios=(1, 1.25, 1.25))[:, 0]
    for axes, t in zip(way.subplots(1, first.sizes["time"]), first.time.values, strict=True):
        _scatter(axes, first, t, "#0072B2", 3.0)
        axes.set_title(f"t = {t:.2g}")
    way.suptitle(f"{next(iter(results))}: samples on their way", fontsize=10)
    reach = 1.25 * float(np.abs(first.position).max())
    for axes, (title, result) in zip(
        ends.subplots(1, len(results), squeeze=False)[0], results.items(), strict=True
    ):
        _scatter(axes, result, result.time.values[-1], styles[title]["color"], reach)
        axes.set_title(title)
    ends.suptitle("states before the last estimate of the data", fontsize=10)
    frequencies, distances = numbers.subplots(1, 2)
    _frequencies(frequencies, results)
    _distances(distances, results)
    return figure


def _scatter(axes: Axes, result: xr.Dataset, t: float, colour: str, reach: float) -> None:
    states = result.state.sel(time=t)
    axes.scatter(states[:, 0], states[:, 1], color=colour, **DOT)
    axes.scatter(result.position[:, 0], result.position[:, 1], **CROSS)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")


def _frequencies(axes: Axes, results: Mapping[str, xr.Dataset]) -> None:
    """Bars for each point; the band is two binomial standard deviations around equality."""
    width = 0.8 / len(results)
    for i, (title, style) in enumerate(experiment_styles(results).items()):
        frequency = results[title].frequency.mean("seed")
        place = np.arange(len(frequency)) + (i - (len(results) - 1) / 2) * width
        axes.bar(place, frequency, 0.9 * width, color=style["color"], label=title)
        expected, count = 1 / len(frequency), float(results[title]["count"].sum())
    band = 2 * (expected * (1 - expected) / count) ** 0.5
    axes.axhspan(expected - band, expected + band, color="0.8", zorder=3, alpha=0.6)
    axes.axhline(expected, color="black", linewidth=1.0, zorder=3.1)
    axes.set_xticks(range(len(frequency)), [str(i + 1) for i in range(len(frequency))])
    axes.set(xlabel="point", title=f"frequency of absorption, {count:.0f} samples")
    axes.set_ylim(0.8 * expected, 1.2 * expected)


def _distances(axes: Axes, results: Mapping[str, xr.Dataset]) -> None:
    for title, style in experiment_styles(results).items():
        result = results[title].sortby("smallest_time")
        axes.plot(result.smallest_time, result.distance.mean("seed"), label=title, **style)
    axes.plot(result.smallest_time, result.expected_distance, color="black", label="exact law")
    axes.set(xscale="log", yscale="log", xlabel="time at which sampling stops")
    plain_ticks(axes.yaxis)
    axes.set_title("mean distance of states to the nearest point")
    axes.legend()
