"""How samples come nearer to the data during training, against epochs and seconds."""

from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.plotting.style import DATA, SURROGATE, experiment_styles, plain_ticks, styled, wrapped
from fsdiff.plotting.summary import (
    METRICS,
    REFERENCES,
    Column,
    as_table,
    columns,
    models,
    reference,
)

AXES = {"epoch": "epochs of the finest level", "seconds": "training time [s]"}
"""Column of the table of trajectories → what the axis is called."""


@styled
def metric_by_epoch(
    trajectories: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    against: Literal["epoch", "seconds"] = "epoch",
) -> Figure:
    """A row of panels for each metric, a column for each resolution; a curve for each experiment.

    ``trajectories`` and ``summary`` are the rows of one data set in the tables of these names.
    Curves are means over seeds, in bands from the least to the greatest; lines across are what real
    data and a Gaussian surrogate score. Raises ValueError where there is no metric to draw.
    """
    table, known = as_table(trajectories), as_table(summary)
    metrics = columns(table.drop(columns=[*AXES]))
    shown = [item for item in metrics if item.family in METRICS and item.ranked]
    if not shown:
        raise ValueError("the table of trajectories has none of the metrics to draw")
    resolutions = sorted(table["resolution"].unique())
    size = (1.0 + 3.1 * len(resolutions), 0.8 + 2.1 * len(shown))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(shown), len(resolutions), squeeze=False, sharex=True, sharey="row")
    styles = experiment_styles(models(known))
    for row, column in zip(panels, shown, strict=True):
        for axes, n in zip(row, resolutions, strict=True):
            _curves(axes, table[table["resolution"] == n], column, against, styles)
            _references(axes, known[known["resolution"] == n], column)
            axes.set_yscale("log")
            plain_ticks(axes.yaxis)
        title = f"|{column.title} − that of the data|" if column.target else column.title
        row[0].set_ylabel(wrapped(title, 26))
    for axes, n in zip(panels[0], resolutions, strict=True):
        axes.set_title(f"sampled at {n} × {n}")
    for axes in panels[-1]:
        axes.set_xlabel(AXES[against])
    handles = {
        label: handle
        for axes in panels.ravel()
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(),
        handles,
        loc="outside upper center",
        ncols=min(len(handles), len(panels[0])),
    )
    return figure


def _curves(
    axes: Axes, table: pd.DataFrame, column: Column, against: str, styles: dict[str, dict]
) -> None:
    for title, rows in models(table).items():
        deviations = rows.assign(deviation=column.deviation(rows)).groupby("epoch")
        x = deviations[against].mean()
        low, mean, high = (deviations["deviation"].agg(how) for how in ("min", "mean", "max"))
        style = {"markersize": 3.5, **styles[title]}
        axes.plot(x, mean, label=title, **style)
        axes.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)


def _references(axes: Axes, summary: pd.DataFrame, column: Column) -> None:
    """What real data and the Gaussian surrogate score, from edge to edge."""
    if column.name not in summary:
        return
    for kind, style in (("real", DATA), ("surrogate", SURROGATE)):
        level = reference(summary, kind, column)
        if level > 0:
            axes.axhline(level, label=REFERENCES[kind], **style)
