"""Whether posteriors are as wide as they should be: coverage, and ranks of the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fsdiff.reports.plotting.style import SMALL, WIDTH, styled, wrapped
from fsdiff.reports.posteriors.ranks import CHANCE, LEVELS, Ranks

EXPECTED: dict[str, Any] = {"color": "black", "linewidth": 1.0, "linestyle": "--", "zorder": 1.5}
BAND: dict[str, Any] = {"color": "#BDBDBD", "alpha": 0.6, "linewidth": 0, "zorder": 1.2}

ACROSS = 4
"""Posteriors side by side."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Ranks of the truth at the nodes and in leading coefficients, of one posterior."""

    title: str
    nodes: Ranks
    modes: Ranks
    colour: str = "black"


@styled
def calibration(shown: Sequence[Calibrated], title: str = "") -> Figure:
    """For each posterior: coverage of central intervals, and below it the histogram of ranks.

    Coverage is over nodes and cases. Ranks are those of the truth's leading coefficients among
    those of the draws, in units of what a right posterior has on average. Grey is where a right
    posterior is in 95 % of the studies with as many cases; numbers beside titles are p-values.
    """
    across = min(len(shown), ACROSS)
    down = -(-len(shown) // across)
    width = min(WIDTH, 0.9 + 2.6 * across)
    figure = Figure(figsize=(width, down * 4.4 + 0.9), layout="constrained")
    panels = figure.subplots(
        2 * down, across, squeeze=False, sharey="row", height_ratios=(3, 2) * down
    )
    for axes in panels.ravel():
        axes.set_axis_off()
    for number, own in enumerate(shown):
        row, column = divmod(number, across)
        above, below = panels[2 * row : 2 * row + 2, column]
        _coverage(above, own)
        _histogram(below, own)
        if column == 0:
            above.set_ylabel("share of truths inside [%]")
            below.set_ylabel("ranks, in units of\nwhat is expected")
    for row in panels[1::2]:
        row[0].set_ylim(0, None)
    cases = len(shown[0].nodes.own)
    figure.suptitle(f"{title}, {cases} case{'s' if cases > 1 else ''}", fontsize=11)
    band = Patch(label=f"chance alone, {100 * CHANCE:.0f} %", **BAND)
    figure.legend(handles=[band], loc="outside lower center")
    return figure


def _coverage(axes: Axes, own: Calibrated) -> None:
    percent = 100 * LEVELS
    found = 100 * own.nodes.coverage()
    low, high = 100 * own.nodes.coverage_by_chance()
    axes.set_axis_on()
    axes.fill_between(percent, low, high, label="chance", **BAND)
    axes.plot([0, 100], [0, 100], **EXPECTED)
    axes.plot(percent, found, color=own.colour, marker="o", markersize=3, label="coverage")
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="central interval [%]", aspect="equal")
    axes.set_xticks([0, 50, 90])
    axes.set_yticks([0, 50, 90])
    (inside,) = 100 * own.nodes.coverage([0.9])
    ((least,), (most,)) = 100 * own.nodes.coverage_by_chance([0.9])
    said = f"90 % hold {inside:.0f} %, by chance {least:.0f}–{most:.0f} %"
    axes.set_title(wrapped(own.title, 26), pad=17)
    above: dict[str, Any] = {"xycoords": "axes fraction", "ha": "center", "fontsize": SMALL}
    axes.annotate(said, (0.5, 1.03), **above)


def _histogram(axes: Axes, own: Calibrated) -> None:
    bins = own.modes.bins()
    edges = np.linspace(0, 1, bins + 1)
    low, high = own.modes.density_by_chance(bins)
    axes.set_axis_on()
    axes.stairs(high, edges, baseline=low, fill=True, label="chance", **BAND)
    heights = own.modes.density(bins)
    bars: dict[str, Any] = {
        "color": own.colour,
        "alpha": 0.45,
        "edgecolor": own.colour,
        "label": "ranks",
    }
    axes.bar(edges[:-1], heights, 0.92 / bins, align="edge", zorder=1.1, **bars)
    axes.axhline(1, **EXPECTED)
    axes.set(xlim=(0, 1), xlabel="rank of the truth / draws")
    axes.set_xticks([0, 0.5, 1])
    p_value = own.modes.p_value(bins)
    said = f"p = {p_value:.2g}" if p_value >= 0.001 else "p < 0.001"
    axes.set_title(f"uniform ranks: {said}", fontsize=9)
