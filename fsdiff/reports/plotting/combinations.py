"""Distances of experiments whose blocks are varied in all combinations."""

from itertools import groupby

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.combinations import FAMILY, GRID, METRIC, MULTIPLE, varied
from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.plotting.panels import remark
from fsdiff.reports.plotting.style import SMALL, styled, wrapped
from fsdiff.reports.summary import Known, column_title

DARK = 5.0
"""Multiples of the floor beyond which cells are dark, and their numbers white."""

MOST = 50.0
"""Multiples of the floor that are darkest."""


@styled
def heat_maps(found: pd.DataFrame, *, known: Known = None) -> Figure:
    """Multiples of the floor: a row of panels for each distance, a column for each data set.

    ``found`` are those of ``fsdiff.reports.combinations.multiples``. Rows of a panel are the
    choices of what is varied first, columns all others at each resolution; white is the floor or
    below. ``known`` is what metrics call their results.
    """
    if found.empty:
        return remark(NO_NUMBERS)
    metrics, families = found[METRIC].unique(), found[FAMILY].unique()
    down, across = len(metrics), len(families)
    figure = Figure(figsize=(max(4.4 * across, 6), 3.0 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False)
    for line, metric in zip(panels, metrics, strict=True):
        for axes, family in zip(line, families, strict=True):
            _heat_map(axes, found[(found[METRIC] == metric) & (found[FAMILY] == family)])
            title = wrapped(f"{family}: {column_title(metric, known)}", 50)
            axes.set_title(title, fontsize=SMALL)
    return figure


def _heat_map(axes: Axes, found: pd.DataFrame) -> None:
    first, *others = varied(found)
    wide = found.pivot_table(MULTIPLE, first, [*others, GRID], sort=False, dropna=False)
    values = wide.to_numpy()
    axes.imshow(
        np.log(np.maximum(values, 1)), cmap="magma_r", vmin=0, vmax=np.log(MOST), aspect="auto"
    )
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if value > DARK else "black"
        text = "–" if np.isnan(value) else f"{value:.3g}"
        axes.text(j, i, text, ha="center", va="center", fontsize=6.5, color=colour)
    axes.set_yticks(range(len(wide)), wide.index, fontsize=SMALL)
    keys = [key if isinstance(key, tuple) else (key,) for key in wide.columns]
    axes.set_xticks(range(len(keys)), [str(grid) for *_, grid in keys], fontsize=SMALL)
    start = 0
    for chosen, group in groupby(keys, key=lambda key: key[:-1]):
        count = len(list(group))
        middle = (start + count / 2) / len(keys)
        text = ", ".join(chosen)
        axes.text(
            middle, -0.16, text, transform=axes.transAxes, ha="center", va="top", fontsize=SMALL
        )
        if start:
            axes.axvline(start - 0.5, color="white", linewidth=2.5)
        start += count
    axes.grid(False)
