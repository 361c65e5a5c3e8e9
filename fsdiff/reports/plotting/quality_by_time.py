"""Distances from the data against the time to a number of samples, training included."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.moments import by_moment
from fsdiff.reports.plotting.panels import common_legend, remark
from fsdiff.reports.plotting.references import reference_lines
from fsdiff.reports.plotting.style import (
    WIDTH,
    experiment_styles,
    plain_ticks,
    styled,
    wrapped,
)
from fsdiff.reports.summary import Column, Known, as_table, columns, mean_of_all, models

ACROSS = 3
"""The most panels side by side: with more, neither titles nor ticks have room."""


@styled
def quality_by_time(
    found: pd.DataFrame,
    summary: pd.DataFrame,
    metrics: Sequence[str],
    *,
    samples: int,
    known: Known = None,
) -> Figure:
    """A panel for each metric, a curve for each experiment: means over seeds, bands their range.

    There are gaps where a seed has no number. ``found`` are the rows of
    ``fsdiff.reports.moments.judged``. ``summary`` has the references, and all experiments in the
    order in which they have colours. ``known`` is what metrics call their results.
    """
    summary = as_table(summary)
    summary = summary[summary["dataset"].isin(found["dataset"].unique())]
    called = dict(zip(found["experiment"], found["title"], strict=True))
    styles = experiment_styles(dict.fromkeys([*models(summary), *called]))
    summary = summary[summary["resolution"].isin(found["resolution"].unique())]
    named = {column.name: column for column in columns(summary, known)}
    shown = [named[name] for name in metrics if name in named and named[name].compares]
    if not shown:
        return remark(NO_NUMBERS)
    across = min(ACROSS, len(shown))
    down = -(-len(shown) // across)
    size = min(WIDTH, 1.0 + 3.0 * across), 0.8 + 3.0 * down
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes in panels[len(shown) :]:
        axes.remove()
    panels = panels[: len(shown)]
    for axes, column in zip(panels, shown, strict=True):
        points = [
            point
            for name, title in called.items()
            for point in _curve(
                axes, found[found["experiment"] == name], column, title, styles[name]
            )
        ]
        for line in reference_lines(summary, column, found):
            axes.axhline(line.level, label=line.label, **line.style)
        axes.set(xlabel=f"time to {samples} samples [s]")
        axes.set_title(wrapped(column.distance, 28))
        if np.isnan(points).all():
            # Without a point an axis of times has no limits that have logarithms.
            axes.text(0.5, 0.5, "no numbers", transform=axes.transAxes, ha="center", va="center")
            axes.set(xticks=[], yticks=[])
            continue
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            plain_ticks(axis)
    common_legend(figure, panels, 4)
    return figure


def _curve(
    axes: Axes, rows: pd.DataFrame, column: Column, title: str, style: dict[str, Any]
) -> list[float]:
    """Draw the curve of an experiment, and return the ordinates of its points, NaN in gaps."""
    moments = [seeds for _, _, seeds in by_moment(rows)]
    time = [seeds["time"].mean() for seeds in moments]
    values = [column.deviation(seeds) for seeds in moments]
    means = [mean_of_all(value) for value in values]
    axes.plot(time, means, label=title, **style)
    low, high = ([getattr(value, end)(skipna=False) for value in values] for end in ("min", "max"))
    axes.fill_between(time, low, high, color=style["color"], alpha=0.15, linewidth=0)
    return means
