"""Hyperparameters on a coarse grid against the same on a fine one."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fsdiff.reports.plotting.panels import side_legend
from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, styled
from fsdiff.reports.summary import Known, column_title


@styled
def coarse_against_fine(
    table: pd.DataFrame,
    agreement: Mapping[str, float | None],
    *,
    metric: str,
    known: Known = None,
) -> Figure:
    """A point for each combination of hyperparameters: its value on both grids.

    ``table`` is that of ``fsdiff.reports.ranking.compared``, ``agreement`` what compares the means
    of ``metric``. Bars are from the least to the greatest over seeds; the best on the coarse grid
    is ringed. ``known`` is what metrics call their results.
    """
    coarse, fine = sorted(table["mean"].columns)
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    names = [_name(table, point) for point in table.index]
    for name, style, (_, row) in zip(
        names, experiment_styles(names).values(), table.iterrows(), strict=True
    ):
        x, y = row["mean", coarse], row["mean", fine]
        spread = [
            [[row["mean", n] - row["low", n]], [row["high", n] - row["mean", n]]]
            for n in (coarse, fine)
        ]
        label = f"{name} (places {row['rank', coarse]:.0f}, {row['rank', fine]:.0f})"
        axes.errorbar(x, y, spread[1], spread[0], linestyle="", capsize=2, label=label, **style)
    best = table.iloc[0]
    axes.plot(
        best["mean", coarse], best["mean", fine], "o", mfc="none", color="black", markersize=11
    )
    if (table["low"] > 0).all(axis=None):
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            plain_ticks(axis)
    title = column_title(metric, known)
    axes.set_xlabel(f"{title}, trained and sampled at resolution {coarse}")
    axes.set_ylabel(f"at resolution {fine}")
    same = table["mean", fine].iloc[0] == table["mean", fine].min()
    distance = "the best" if same else "not the best"
    if not same and agreement["regret"] is not None:
        distance = f"{100 * (agreement['regret'] - 1):.1f} % worse than the best"
    ranks = "no ranks: all are equal"
    if agreement["kendall_tau"] is not None:
        ranks = (
            f"τ = {agreement['kendall_tau']:.2f} (p = {agreement['kendall_p_value']:.2g}), "
            f"ρ = {agreement['spearman_rho']:.2f}"
        )
    axes.set_title(f"{ranks}\nthe best at {coarse} is {distance} at {fine}", loc="left")
    side_legend(figure, axes, 40)
    return figure


def _name(table: pd.DataFrame, point: object) -> str:
    """Values of the hyperparameters, with their names."""
    values = point if isinstance(point, tuple) else (point,)
    pairs = zip(table.index.names, values, strict=True)
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in pairs)
