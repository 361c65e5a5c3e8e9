"""Balances of simulated solutions: their terms, and how well they close."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.diagnostics.balance import closure
from fsdiff.reports.plotting.style import SMALL, WIDTH, experiment_styles, styled

FIRST: dict[str, Any] = {"color": "#000000", "linewidth": 2.2, "zorder": 1.8}
"""How the first sample, and the sum of its terms, are drawn."""

OTHERS: dict[str, Any] = {"color": "#999999", "linewidth": 1.0}
"""How further samples are drawn."""

DIFFERENCES: dict[str, Any] = {
    "color": "#000000",
    "marker": "o",
    "linestyle": "",
    "mfc": "white",
    "ms": 3.2,
}
"""How the derivatives that the frames themselves have are drawn."""

DOTS = 40
"""How many of them."""

ROUNDING = 1e-17
"""What exact closure is drawn as on a logarithmic axis."""


@styled
def balances(found: Sequence[xr.Dataset], residual: xr.DataArray | None = None) -> Figure:
    """A row for each balance, and one for the residual.

    ``found`` are balances as ``fsdiff.diagnostics.balance`` makes them, joined along ``sample``; so
    is ``residual`` (sample, equation, …). Terms of evolving balances are those of the first sample.
    """
    evolving = "time" in found[0].dims
    count = len(found) + (residual is not None)
    figure = Figure(figsize=(WIDTH, 3.4 * count), layout="constrained")
    rows = figure.subfigures(count, squeeze=False)[:, 0]
    for row, balance in zip(rows, found, strict=False):
        panels = row.subplots(1, 3 if evolving else 2)
        (_evolving if evolving else _steady)(panels, balance)
        row.suptitle(f"{balance.attrs['long_name']}, {balance.attrs['formula']}", fontsize=10.5)
    if residual is not None:
        (_residual_by_time if evolving else _residual_by_sample)(rows[-1].subplots(), residual)
    return figure


def time_axis(axes: Axes, times: np.ndarray, ticks: int = 5) -> None:
    """Make frames equidistant along x, and label ``ticks`` of them, the first and last included."""
    number = np.arange(len(times))
    axes.set_xscale(
        "function",
        functions=(lambda t: np.interp(t, times, number), lambda i: np.interp(i, number, times)),
    )
    chosen = times[np.rint(np.linspace(0, number[-1], ticks)).astype(int)]
    axes.set_xticks(chosen, [f"{time:.2g}" for time in chosen])
    axes.set(xlim=(times[0], times[-1]))


def _evolving(panels: Sequence[Axes], balance: xr.Dataset) -> None:
    amount, terms, error = panels
    times, errors = balance["time"].values, closure(balance)
    for i in reversed(range(balance.sizes["sample"])):
        style = FIRST if i == 0 else OTHERS
        label = f"sample {balance['sample'].values[0]}" if i == 0 else None
        amount.plot(times, balance["amount"][i], label=label, **style)
        error.plot(times[1:], errors[i, 1:].clip(ROUNDING), **style)
    first = balance.isel(sample=0)
    if "parts" in first:
        for name, dashes in zip(first["part"].values, ("--", ":"), strict=False):
            line = first["parts"].sel(part=name)
            amount.plot(times, line, color="black", linestyle=dashes, linewidth=1.0, label=name)
    _terms(terms, first)
    for axes in panels:
        time_axis(axes, times)
    amount.set_title("amount", loc="left")
    _legend(amount)
    _closure(error, balance, "time")


def _terms(axes: Axes, balance: xr.Dataset) -> None:
    """The terms of one sample, their sum, and the derivative that the frames have."""
    times = balance["time"].values
    for term, style in experiment_styles(balance["term"].values).items():
        axes.plot(times, balance["rate"].sel(term=term), color=style["color"], label=term)
    axes.plot(times, balance["rate"].sum("term"), label="sum", **FIRST)
    shown = np.rint(np.linspace(0, len(times) - 1, DOTS)).astype(int)
    axes.plot(times[shown], balance["change"][shown], label="derivative of amount", **DIFFERENCES)
    axes.set_title("terms of its rate of change", loc="left")
    _legend(axes)


def _steady(panels: Sequence[Axes], balance: xr.Dataset) -> None:
    """Terms of all samples, positive ones stacked upwards, negative ones downwards."""
    terms, error = panels
    x = np.arange(balance.sizes["sample"])
    up, down = np.zeros(len(x)), np.zeros(len(x))
    for term, style in experiment_styles(balance["term"].values).items():
        height = balance["rate"].sel(term=term).values
        start = np.where(height > 0, up, down)
        terms.bar(x, height, 0.6, start, color=style["color"], label=term)
        up, down = up + height.clip(min=0), down + height.clip(max=0)
    terms.axhline(0, color="black", linewidth=0.8)
    terms.set_title("terms", loc="left")
    error.plot(x, closure(balance).clip(ROUNDING), "o", color="black")
    for axes in panels:
        _sample_axis(axes, balance["sample"].values)
    _legend(terms)
    _closure(error, balance, "sample")


def _closure(axes: Axes, balance: xr.Dataset, abscissa: str) -> None:
    worst = float(closure(balance).max())
    title = f"closes to {worst:.0e} of the turnover"
    axes.set_title(title, loc="left", weight="bold", fontsize=SMALL)
    axes.set(yscale="log", ylim=(ROUNDING / 3, max(10 * worst, 1e-6)), xlabel=abscissa)


def _residual_by_time(axes: Axes, residual: xr.DataArray) -> None:
    axes.set_title("residual of the equations", fontsize=10.5)
    for equation, style in experiment_styles(residual["equation"].values).items():
        for i, line in enumerate(residual.sel(equation=equation)):
            label = equation if i == 0 else None
            axes.plot(line["time"], line, color=style["color"], label=label)
    axes.set(yscale="log", xlabel="time", ylabel="norm relative to that of\nthe time derivative")
    time_axis(axes, residual["time"].values)
    _legend(axes)


def _residual_by_sample(axes: Axes, residual: xr.DataArray) -> None:
    axes.set_title("residual and error", fontsize=10.5)
    x = range(residual.sizes["sample"])
    for equation, style in experiment_styles(residual["equation"].values).items():
        axes.plot(x, residual.sel(equation=equation), linestyle="", label=equation, **style)
    axes.set(yscale="log", ylabel="relative norm")
    _sample_axis(axes, residual["sample"].values)
    _legend(axes)


def _sample_axis(axes: Axes, samples: np.ndarray) -> None:
    axes.set_xticks(range(len(samples)), samples)
    axes.set(xlim=(-0.5, len(samples) - 0.5))


def _legend(axes: Axes) -> None:
    """Below the axes, where it hides nothing."""
    columns = 1 if max(map(len, axes.get_legend_handles_labels()[1])) > 20 else 2
    axes.legend(
        ncols=columns,
        fontsize=SMALL,
        columnspacing=1.2,
        loc="upper left",
        bbox_to_anchor=(-0.12, 0),
        borderaxespad=2.6,
    )
