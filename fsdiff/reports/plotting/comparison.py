"""Experiments against each other: metrics by resolution, and quality against training time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.labels import FLOOR, NO_NUMBERS, REFERENCES, TARGET, labels
from fsdiff.reports.plotting.panels import common_legend, remark
from fsdiff.reports.plotting.references import FADING, reference_lines
from fsdiff.reports.plotting.style import (
    DATA,
    SMALL,
    SURROGATE,
    WIDTH,
    experiment_styles,
    ink,
    label_ends,
    level_colours,
    plain_ticks,
    styled,
    wrapped,
)
from fsdiff.reports.summary import (
    STRUCTURE,
    Column,
    Known,
    as_table,
    beside,
    by_count,
    columns,
    mean_of_all,
    models,
    std_of_all,
    titles,
)

Rows: TypeAlias = pd.DataFrame | Iterable[Mapping[str, Any]]


@styled
def metric_by_resolution(
    rows: Rows, *, names: Sequence[str] | None = None, known: Known = None
) -> Figure:
    """One panel per metric: its value against the sample resolution, experiment by experiment.

    ``rows`` are those of one data set in ``summary.csv``; ``names`` are the metrics to show, by
    default all that see structure, or else all there are. Points are means over seeds, nothing if
    one has no number, bars standard deviations. Markers are hollow above the finest resolution
    trained on. Metrics with a target are drawn with it; for the others less is better, and the
    floor is real data against real data. ``known`` is what metrics call their results.
    """
    table = as_table(rows)
    found = columns(table, known)
    metrics = [column for column in found if column.compares]
    structural = [column for column in metrics if column.family == STRUCTURE]
    shown = [item for item in found if item.name in names] if names else structural or metrics
    if not shown:
        return remark(NO_NUMBERS)
    across = 2 if len(shown) == 4 else min(len(shown), 3)
    down = -(-len(shown) // across)
    figure = Figure(
        figsize=(min(WIDTH, 0.6 + 3.2 * across), 0.8 + 2.7 * down), layout="constrained"
    )
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, column in zip(panels, shown, strict=False):
        _metric_panel(axes, table, column)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    common_legend(figure, panels, 4)
    return figure


@styled
def cost(
    histories: Mapping[str, Sequence[xr.Dataset]],
    rows: Rows,
    *,
    metric: str,
    resolution: int,
    known: Known = None,
) -> Figure:
    """Training seconds of each level, stacked per experiment, beside quality against their sum.

    ``histories`` are those of ``loss_curves``, with the resolution of the level in the attribute
    ``level``; ``rows`` are those of one data set in ``summary.csv``, and have the titles. Quality
    is ``metric`` at ``resolution``, averaged over seeds; ``known`` is what metrics call results.
    """
    table = as_table(rows)
    called = labels([*models(table), *histories], titles(table))
    styles = experiment_styles(called)
    table = table[table["resolution"] == resolution]
    found = [column for column in columns(table, known) if column.name == metric]
    if not found:
        raise ValueError(f"the summary has no metric '{metric}' at resolution {resolution}")
    seconds = {name: _level_seconds(levels) for name, levels in histories.items()}
    figure = Figure(figsize=(WIDTH, 1.6 + 0.45 * max(len(seconds), 4)), layout="constrained")
    bars, scatter = figure.subplots(1, 2)
    _stack(bars, {called[name]: spent for name, spent in seconds.items()})
    totals = {name: sum(spent.values()) for name, spent in seconds.items()}
    scatter.set_title(f"quality at resolution {resolution}", loc="left")
    _scatter(scatter, totals, table, found[0], styles, called)
    return figure


def _metric_panel(axes: Axes, table: pd.DataFrame, column: Column) -> None:
    """Values by resolution; on a logarithmic axis unless the metric has a target."""
    table = table.assign(**{column.name: column.shown(table)})
    resolutions = sorted(table["resolution"].unique())
    for kind, label, style in (
        ("real", FLOOR, DATA),
        ("surrogate", REFERENCES["surrogate"], SURROGATE),
    ):
        for place, (which, rows) in enumerate(by_count(table[table["row"] == "model"])):
            means = beside(table, kind, rows).groupby("resolution")[column.name].mean()
            drawn = {**style, "alpha": FADING**place, "marker": "_" if len(means) == 1 else ""}
            if means.notna().any():
                axes.plot(means.index, means, label=label + which, **drawn)
    called = titles(table)
    for (name, rows), style in zip(
        models(table).items(), experiment_styles(called).values(), strict=True
    ):
        grouped = rows.groupby("resolution")
        means = grouped[column.name].agg(mean_of_all)
        spread = grouped[column.name].agg(std_of_all).fillna(0.0)
        axes.errorbar(means.index, means, spread, label=called[name], capsize=2, **style)
        above = means[means.index > rows["trained_at"].max()]
        axes.plot(above.index, above, linestyle="", zorder=4, mfc="white", **style)
    axes.set_xscale("log", base=2)
    axes.set_xticks(resolutions, [str(int(n)) for n in resolutions])
    axes.minorticks_off()
    axes.set(xlabel="resolution", title=column.title)
    if not column.target:
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
    else:
        goal = column.goal(table).groupby(table["resolution"]).mean()
        axes.plot(goal.index, goal, ":", color="black", label=TARGET, linewidth=1.2)


def _level_seconds(levels: Sequence[xr.Dataset]) -> dict[int, float]:
    return {int(level.attrs["level"]): float(level.seconds[-1]) for level in levels}


def _stack(axes: Axes, seconds: Mapping[str, Mapping[int, float]]) -> None:
    """A horizontal bar per experiment, one segment per level in the order of training."""
    colours = level_colours(sorted({n for spent in seconds.values() for n in spent}))
    longest = max(sum(spent.values()) for spent in seconds.values())
    for i, spent in enumerate(seconds.values()):
        left = 0.0
        for n, duration in spent.items():
            axes.barh(i, duration, left=left, color=colours[n], height=0.6, edgecolor="white")
            if duration > 0.08 * longest:
                middle = left + duration / 2
                axes.text(middle, i, str(n), color=ink(colours[n]), ha="center", va="center")
            left += duration
        axes.text(left + 0.01 * longest, i, f"{left:,.0f} s", va="center", fontsize=SMALL)
    axes.set_yticks(range(len(seconds)), [wrapped(label) for label in seconds])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set(xlim=(0, 1.12 * longest), xlabel="training time [s]")
    axes.set_title("training time by level (number: resolution)", loc="left")


def _scatter(
    axes: Axes,
    totals: Mapping[str, float],
    table: pd.DataFrame,
    column: Column,
    styles: Mapping[str, Mapping[str, Any]],
    called: Mapping[str, str],
) -> None:
    """A point per experiment, bars over seeds; floor and surrogate as lines."""
    evaluated = models(table)
    longest = 1.1 * max(totals.values())
    lines = []
    for name in totals:
        style = styles[name]
        deviation = column.deviation(evaluated[name]) if name in evaluated else pd.Series()
        mean, spread = mean_of_all(deviation), std_of_all(deviation) if len(deviation) > 1 else 0.0
        if mean > 0:
            lines += axes.plot(totals[name], mean, linestyle="", label=called[name], **style)
            axes.errorbar(totals[name], mean, spread, capsize=2, color=style["color"])
    for level, label, style in reference_lines(table, column, table[table["row"] == "model"]):
        lines += axes.plot([0, longest], [level, level], label=label, **style)
    axes.set(yscale="log", xlim=(0, longest), xlabel="training time [s]", ylabel=column.distance)
    plain_ticks(axes.yaxis)
    label_ends(axes, lines)
