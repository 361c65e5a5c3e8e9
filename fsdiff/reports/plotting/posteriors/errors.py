"""Errors of posteriors by resolution, beside those of prior, kriging and the reference itself."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.metrics.words import Words
from fsdiff.reports.labels import NO_NUMBERS
from fsdiff.reports.plotting.panels import common_legend, remark
from fsdiff.reports.plotting.style import (
    DATA,
    SURROGATE,
    WIDTH,
    experiment_styles,
    plain_ticks,
    styled,
    wrapped,
)
from fsdiff.reports.posteriors.summary import (
    BASELINES,
    DEVIATION,
    MEAN,
    SCORE,
    as_table,
    posteriors,
    titles,
)
from fsdiff.reports.summary import Column, columns, mean_of_all, std_of_all

SHOWN = (MEAN, DEVIATION, SCORE)
"""Results that are drawn."""

WITHOUT_REFERENCE = ("mean_error", SCORE)
"""Those that are drawn where no reference has converged."""

MOST = 3
"""How many others are drawn, the first ones, where a study measures none of these."""

STYLES: dict[str, dict[str, Any]] = {
    "prior": {**SURROGATE, "linestyle": ":"},
    "kriging": SURROGATE,
    "ensemble": {**SURROGATE, "linestyle": "-"},
    "bicubic": {**SURROGATE, "linestyle": (0, (1, 3))},
    "harmonic": {**SURROGATE, "linestyle": (0, (3, 3))},
    "laplace": {**SURROGATE, "linestyle": (0, (6, 2, 1, 2))},
    "reference": DATA,
}


@styled
def errors_by_resolution(rows: pd.DataFrame, *, known: list[Words]) -> Figure:
    """A panel for each error: that of each posterior by resolution, and those of baselines.

    ``rows`` are those of one observation in the table of posteriors. Bars are standard deviations
    over seeds. Without a reference, errors are those against the truth; a study that measures none
    of these has what it measures. ``known`` is what measures call their results.
    """
    table = as_table(rows)
    shown = _shown(table, known)
    if not shown:
        return remark(NO_NUMBERS)
    width = min(WIDTH, 0.8 + 3.0 * len(shown))
    figure = Figure(figsize=(width, 3.9), layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, column in zip(panels, shown, strict=True):
        _panel(axes, table, column)
    common_legend(figure, panels, 4)
    return figure


def _shown(table: pd.DataFrame, known: list[Words]) -> list[Column]:
    """The results that there is a panel for."""
    found = {column.name: column for column in columns(table, known)}
    names = SHOWN if MEAN in found else WITHOUT_REFERENCE
    others = [column for column in found.values() if column.compares][:MOST]
    return [found[name] for name in names if name in found] or others


def _panel(axes: Axes, table: pd.DataFrame, column: Column) -> None:
    resolutions = sorted(table["resolution"].unique())
    for kind, style in STYLES.items():
        means = table[table["row"] == kind].groupby("resolution")[column.name].mean().dropna()
        if len(means) == 1:
            axes.axhline(means.iloc[0], label=BASELINES[kind], **style)
        elif len(means):
            axes.plot(means.index, means, label=BASELINES[kind], **style)
    called, groups = titles(table), posteriors(table)
    for name, style in experiment_styles(called).items():
        by = groups[name].groupby("resolution")[column.name]
        means, spread = by.agg(mean_of_all).dropna(), by.agg(std_of_all).fillna(0.0)
        axes.errorbar(
            means.index, means, spread[means.index], label=called[name], capsize=2, **style
        )
    positive = (table[column.name].dropna() > 0).all()
    axes.set(xscale="log", yscale="log" if positive else "linear", xlabel="resolution")
    axes.set_xticks(resolutions, [str(int(n)) for n in resolutions])
    axes.minorticks_off()
    axes.set_xlim(resolutions[0] / 1.25, resolutions[-1] * 1.25)
    axes.set_title(wrapped(column.title, 30))
    if positive:
        plain_ticks(axes.yaxis)
