"""Quality of experiments on a data set against their cost; which of them no other beats in both."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.plotting.panels import common_legend
from fsdiff.reports.plotting.references import reference_lines
from fsdiff.reports.plotting.style import (
    experiment_styles,
    plain_ticks,
    styled,
    wrapped,
)
from fsdiff.reports.summary import (
    Column,
    Known,
    as_table,
    columns,
    mean_of_all,
    models,
    titles,
)

SAMPLES = 1000
"""How many samples are to be paid for, after training."""

MARGIN = 2.0
"""The least cost over that of the left edge, where there is something that costs nothing."""

COSTS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "training [s]": lambda rows: rows["training_seconds"],
    "sampling [s per sample]": lambda rows: rows["seconds_per_sample"],
    "network evaluations per sample (fine grid)": lambda rows: rows["fine_evaluations"],
    f"training and {SAMPLES} samples [s]": lambda rows: (
        rows["training_seconds"] + SAMPLES * rows["seconds_per_sample"]
    ),
}
"""What the axis is called → the cost of each row of the summary."""


@styled
def quality_against_cost(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]],
    *,
    metric: str,
    resolution: int,
    known: Known = None,
) -> Figure:
    """A panel for each of ``COSTS``, with a point for each experiment.

    ``rows`` are those of one data set in ``summary.csv``. Points are means over seeds of ``metric``
    at ``resolution``, nothing if one has no number, bars from the least to the greatest; what costs
    nothing lies on the left edge. The staircase joins the experiments that
    no other beats in quality and cost (the Pareto front). ``known`` is what metrics call results.
    """
    table = as_table(rows)
    styles, called = experiment_styles(models(table)), titles(table)
    table = table[table["resolution"] == resolution]
    found = [column for column in columns(table, known) if column.name == metric]
    if not found:
        raise ValueError(f"the summary has no metric '{metric}' at resolution {resolution}")
    figure = Figure(figsize=(7.6, 7.0), layout="constrained")
    panels = figure.subplots(2, 2, sharey=True)
    for axes, (label, cost) in zip(panels.ravel(), COSTS.items(), strict=True):
        _panel(axes, table, found[0], cost, styles, called)
        axes.set_xlabel(label)
    for axes in panels[:, 0]:
        axes.set_ylabel(f"{wrapped(found[0].distance, 40)}\nat resolution {resolution}")
    common_legend(figure, panels.ravel(), 2)
    return figure


def _panel(
    axes: Axes,
    table: pd.DataFrame,
    column: Column,
    cost: Callable[[pd.DataFrame], pd.Series],
    styles: Mapping[str, Mapping[str, Any]],
    called: Mapping[str, str],
) -> None:
    found = {
        name: (mean_of_all(cost(rows)), column.deviation(rows))
        for name, rows in models(table).items()
    }
    paid = [x for x, _ in found.values() if x > 0]
    # What costs nothing has no place on a logarithmic axis but its edge.
    edge = min(paid) / MARGIN if paid else 1.0
    points = []
    for name, (spent, deviation) in found.items():
        mean, x = mean_of_all(deviation), edge if spent == 0 else spent
        if mean > 0 and x > 0:
            points.append((x, mean))
            axes.plot(x, mean, linestyle="", label=called[name], clip_on=False, **styles[name])
            ends = [deviation.min(), deviation.max()]
            axes.plot([x, x], ends, color=styles[name]["color"], linewidth=1.0, clip_on=False)
    axes.set(xscale="log", yscale="log")
    if any(x == edge for x, _ in points):
        axes.set_xlim(left=edge)
    for line in reference_lines(table, column, table[table["row"] == "model"]):
        axes.axhline(line.level, label=line.label, **line.style)
    _staircase(axes, pareto_front(points))
    for axis in (axes.xaxis, axes.yaxis):
        plain_ticks(axis)


def _staircase(axes: Axes, front: Sequence[tuple[float, float]]) -> None:
    """Join points, upwards from the first and to the right from the last, to the edges."""
    if front:
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        x, y = zip((front[0][0], high), *front, (right, front[-1][1]), strict=True)
        axes.step(x, y, where="post", color="black", linewidth=0.8, zorder=1)
        axes.set(xlim=(left, right), ylim=(low, high))


def pareto_front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other is as low as in both coordinates, from left to right."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(points):
        if y < min((other for _, other in front), default=np.inf):
            front.append((x, y))
    return front
