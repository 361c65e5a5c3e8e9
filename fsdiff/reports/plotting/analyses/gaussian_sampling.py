"""Orders of samplers on Gaussian data, and the spectra that they recover."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.plotting.panels import side_legend
from fsdiff.reports.plotting.style import experiment_styles, line_styles, plain_ticks, styled

BUDGET = 40
"""Network evaluations at which spectra are compared."""

LARGEST_RATIO = 12.0
"""Energies beyond this multiple of the data's are not shown, so that others can be told apart."""


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """Distance of laws against evaluations, and spectra at about ``BUDGET``, of each sampler.

    The order in the legend is the slope over the last two points, if there are two and both laws
    are nearer to the data than nothing is.
    """
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    orders, spectra = figure.subplots(1, 2)
    outside = []
    dashes = line_styles(results)
    for title, style in experiment_styles(results).items():
        result, line = results[title], {**style, **dashes[title]}
        orders.plot(result.evaluations, result.distance, label=_label(title, result), **line)
        ratio = _energy_ratio(result)
        if ratio.min() > LARGEST_RATIO:
            outside.append(title)
        del line["marker"]
        spectra.plot(ratio.wavenumber, ratio, **line)
    if any(result.sizes["setting"] > 1 for result in results.values()):
        _guides(orders, results)
    orders.set(xscale="log", yscale="log", xlabel="network evaluations per sample")
    orders.set(ylabel="W₂ to the data / root mean square of data", title="error against cost")
    plain_ticks(orders.xaxis)
    _finish_spectra(spectra, outside)
    side_legend(figure, orders, 40)
    return figure


def _label(title: str, result: xr.Dataset) -> str:
    """The title, and the order where it has been reached."""
    if result.sizes["setting"] == 1 or (result.distance[-2:] >= 1).any():
        return title
    return f"{title} (order {measured_order(result):.1f})"


def _energy_ratio(result: xr.Dataset) -> xr.DataArray:
    """Energy of samples over that of the data, at the setting whose cost is nearest the budget."""
    nearest = int(np.abs(np.log(result.evaluations.values / BUDGET)).argmin())
    shown = slice(1, int(np.flatnonzero(result.exact > 0)[-1]) + 1)
    return (result.variance[nearest] / result.exact)[shown]


def _finish_spectra(axes: Axes, outside: Sequence[str]) -> None:
    """Scales and limits of the spectra; samplers that lie wholly above them are named."""
    axes.axhline(1.0, color="black", linewidth=2.2, zorder=1.5)
    axes.set(xscale="log", yscale="log", xlabel="wavenumber |k|")
    axes.set_title(f"energy of samples / of data, as near to {BUDGET} evaluations as each comes")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 1 / LARGEST_RATIO), min(high, LARGEST_RATIO))
    if outside:
        text = "above this panel: " + ", ".join(outside)
        axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=8)
    plain_ticks(axes.xaxis)
    plain_ticks(axes.yaxis)


def measured_order(result: xr.Dataset) -> float:
    """Minus the slope of ln distance in ln evaluations over the last two settings."""
    cost, error = np.log(result.evaluations.values), np.log(result.distance.values)
    return float((error[-2] - error[-1]) / (cost[-1] - cost[-2]))


def _guides(axes: Axes, results: Mapping[str, xr.Dataset]) -> None:
    """Slopes of first order above and of second order below the curves, at their right."""
    ends = np.array([[r.evaluations[-1], r.distance[-1]] for r in results.values()], dtype=float)
    cost = ends[:, 0].max() * np.array([0.15, 1.0])
    for order, level in ((1, 2.5 * ends[:, 1].max()), (2, 0.4 * ends[:, 1].min())):
        guide = level * (cost / cost[1]) ** -float(order)
        axes.plot(cost, guide, color="0.4", linestyle=":", linewidth=1.2)
        middle = (cost.prod() ** 0.5, guide.prod() ** 0.5)
        offset = (4, 4) if order == 1 else (-4, -4)
        axes.annotate(
            f"order {order}",
            middle,
            offset,
            color="0.3",
            fontsize=8,
            textcoords="offset points",
            ha="left" if order == 1 else "right",
            va="bottom" if order == 1 else "top",
        )
