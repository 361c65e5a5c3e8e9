"""How models do on grids that they were not trained on: a matrix of results for every metric."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.plotting.panels import remark
from fsdiff.reports.plotting.style import SMALL, WIDTH, ink, styled, wrapped
from fsdiff.reports.summary import (
    Column,
    Known,
    as_table,
    columns,
    models,
    reference,
    titles,
)

FLOORS = (1.0, 30.0)
"""The ends of the colour scale, in units of real data against real data."""

ACROSS = 4
"""Panels side by side."""

CELL = (0.75, 0.36)
"""Width and height of a cell in inches."""


@styled
def trained_by_sampled(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]], *, known: Known = None
) -> Figure:
    """One panel per metric: experiments by the finest resolution trained on, against that sampled.

    ``rows`` are those of one data set in ``summary.csv``. Cells have the distance from the value
    wanted, mean and standard deviation over seeds, or nothing if one has no number; colours are in
    units of the floor, real data against as many real data at that resolution; numbers that should
    equal those of the data, such as the kurtosis, have no such unit and stay grey. Cells on the
    grid that was trained on last are framed. ``known`` is what metrics call their results.
    """
    table = as_table(rows)
    shown = [item for item in columns(table, known) if item.compares and item.ranked]
    if not shown:
        return remark(NO_NUMBERS)
    experiments = sorted(models(table).items(), key=lambda item: item[1]["trained_at"].max())
    resolutions = sorted(int(n) for n in table.loc[table["row"] == "model", "resolution"].unique())
    panel = CELL[0] * len(resolutions) + 0.3
    across = max(1, min(len(shown), ACROSS, int((WIDTH - 3.2) / panel)))
    down = -(-len(shown) // across)
    width = 3.2 + across * panel
    height = 0.7 + down * (CELL[1] * len(experiments) + 0.8)
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    colours = ScalarMappable(LogNorm(*FLOORS), cmap="YlOrBr")
    for axes, column in zip(panels.ravel(), shown, strict=False):
        _panel(axes, column, dict(experiments), table, resolutions, colours)
    for axes in panels.ravel()[len(shown) :]:
        axes.set_axis_off()
    _name_rows(panels[:, 0], dict(experiments), titles(table))
    bar = figure.colorbar(colours, ax=panels, aspect=30, pad=0.01, extend="both")
    bar.set_label(wrapped("distance in units of real data against real data"), fontsize=SMALL)
    return figure


def _panel(
    axes: Axes,
    column: Column,
    experiments: Mapping[str, pd.DataFrame],
    table: pd.DataFrame,
    resolutions: list[int],
    colours: ScalarMappable,
) -> None:
    for j, n in enumerate(resolutions):
        # Two estimates of a kurtosis may agree by chance: their difference is no unit of distance.
        for i, rows in enumerate(experiments.values()):
            there = rows[rows["resolution"] == n]
            floor = 0.0 if column.target else reference(table, "real", column, there)
            values = column.deviation(there)
            if len(values) and values.notna().all():
                _cell(axes, (j, i), values, floor, colours)
            if len(there) and there["trained_at"].max() == n:
                edge = Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, linewidth=1.6, zorder=3)
                axes.add_patch(edge)
    axes.set(xlim=(-0.5, len(resolutions) - 0.5), ylim=(len(experiments) - 0.5, -0.5))
    axes.set_xticks(range(len(resolutions)), map(str, resolutions))
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title(wrapped(column.distance, 8 + 9 * len(resolutions)), loc="left", fontsize=SMALL)


def _cell(
    axes: Axes, place: tuple[int, int], values: pd.Series, floor: float, colours: ScalarMappable
) -> None:
    """The mean over seeds, with their standard deviation, on its colour."""
    mean = float(values.mean())
    colour = (
        colours.to_rgba(np.array(mean / floor))
        if floor > 0 and mean > 0
        else (0.93, 0.93, 0.93, 1.0)
    )
    corner = (place[0] - 0.5, place[1] - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor="white", linewidth=1))
    text = _short(mean, 2)
    if len(values) > 1:
        text += f"\n± {_short(float(values.std()), 1)}"
    written: dict[str, Any] = {"fontsize": SMALL, "color": ink(colour), "linespacing": 0.95}
    axes.text(*place, text, ha="center", va="center", **written)


def _short(value: float, digits: int) -> str:
    """A number in few digits, without an exponent where it is large."""
    return f"{value:.0f}" if value >= 10 else f"{value:.{digits}g}"


def _name_rows(
    firsts: Iterable[Axes], experiments: Mapping[str, pd.DataFrame], called: Mapping[str, str]
) -> None:
    labels = [
        f"{wrapped(called[name], 34)}   {int(rows['trained_at'].max())}"
        for name, rows in experiments.items()
    ]
    for axes in firsts:
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylabel("finest grid trained on", fontsize=SMALL)
        axes.set_xlabel("sampled on", fontsize=SMALL)
