"""How samples come nearer to the data during training, against epochs and seconds."""

import itertools
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.plotting.panels import common_legend, remark
from fsdiff.reports.plotting.references import reference_lines
from fsdiff.reports.plotting.style import (
    WIDTH,
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

AXES = {"epoch": "epochs of the finest level", "seconds": "training time [s]"}
"""Column of the table of trajectories → what the axis is called."""

ACROSS = 3
"""Panels side by side, unless a metric alone has more."""


@styled
def metric_by_epoch(
    trajectories: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    against: Literal["epoch", "seconds"] = "epoch",
    known: Known = None,
) -> Figure:
    """A panel for each metric and resolution, a curve for each experiment.

    ``trajectories`` and ``summary`` are the rows of one data set in the tables of these names.
    Curves are means over seeds, in bands from the least to the greatest, for as long as all seeds
    were trained, with gaps where one has no number; lines across are what real data and a Gaussian
    surrogate score. ``known`` is what metrics call their results.
    """
    table, ends = as_table(trajectories), as_table(summary)
    found = columns(table.drop(columns=[*AXES]), known)
    shown = [item for item in found if item.compares and item.ranked]
    if not shown:
        return remark(NO_NUMBERS)
    resolutions = sorted(table["resolution"].unique())
    cells = list(itertools.product(shown, resolutions))
    across = len(resolutions) * min(len(shown), max(1, ACROSS // len(resolutions)))
    down = -(-len(cells) // across)
    figure = Figure(
        figsize=(min(WIDTH, 1.0 + 3.1 * across), 0.8 + 2.1 * down), layout="constrained"
    )
    panels = figure.subplots(down, across, squeeze=False)
    styles, called = experiment_styles(models(ends)), titles(ends)
    for axes, (column, n) in zip(panels.ravel(), cells, strict=False):
        if n == resolutions[0]:
            first = axes
            axes.set_ylabel(wrapped(column.distance, 26))
        else:
            axes.sharey(first)
            axes.tick_params(labelleft=False)
        _curves(axes, table[table["resolution"] == n], column, against, styles, called)
        if column.name in ends:
            for line in reference_lines(ends, column, table[table["resolution"] == n]):
                axes.axhline(line.level, label=line.label, **line.style)
        axes.set_yscale("log")
        if n == resolutions[-1]:
            plain_ticks(axes.yaxis)
    for axes, (_, n) in zip(panels[0], cells, strict=False):
        axes.set_title(f"sampled at resolution {n}")
    for axes in panels.ravel()[len(cells) - across : len(cells)]:
        axes.set_xlabel(AXES[against])
    for axes in panels.ravel()[len(cells) :]:
        axes.set_axis_off()
    common_legend(figure, panels.ravel(), across)
    return figure


def _curves(
    axes: Axes,
    table: pd.DataFrame,
    column: Column,
    against: str,
    styles: dict[str, dict[str, Any]],
    called: dict[str, str],
) -> None:
    for name, rows in models(table).items():
        trained = rows.groupby("epoch")["seed"].transform("nunique") == rows["seed"].nunique()
        deviations = rows.assign(deviation=column.deviation(rows))[trained].groupby("epoch")
        x = deviations[against].mean()
        mean = deviations["deviation"].agg(mean_of_all)
        low, high = (deviations["deviation"].agg(end).where(mean.notna()) for end in ("min", "max"))
        style = {"markersize": 3.5, **styles[name]}
        axes.plot(x, mean, label=called[name], **style)
        axes.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)
