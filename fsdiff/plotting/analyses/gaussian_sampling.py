"""Orders of samplers on Gaussian data, and the spectra that they recover."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.plotting.style import experiment_styles, plain_ticks, styled

BUDGET = 40
"""Network evaluations at which spectra are compared."""


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """Distance of laws against evaluations, and spectra at about the same cost, for each sampler.

    The order in the legend is the slope over the last two points.
    """
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    orders, spectra = figure.subplots(1, 2)
    for i, (title, style) in enumerate(experiment_styles(results).items()):
        result = results[title]
        line = {**style, "linestyle": "-" if i < 6 else (0, (4, 1.5))}
        label = f"{title} (order {measured_order(result):.1f})"
        orders.plot(result.evaluations, result.distance, label=label, **line)
        nearest = int(np.abs(np.log(result.evaluations.values / BUDGET)).argmin())
        ratio = result.variance[nearest] / result.exact
        shown = slice(1, int(np.flatnonzero(result.exact > 0)[-1]) + 1)
        spectra.plot(
            result.wavenumber[shown],
            ratio[shown],
            color=style["color"],
            linestyle=line["linestyle"],
        )
    _guides(orders, results)
    orders.set(xscale="log", yscale="log", xlabel="network evaluations per sample")
    orders.set(ylabel="W₂ to the data / root mean square of data", title="error against cost")
    plain_ticks(orders.xaxis)
    spectra.axhline(1.0, color="black", linewidth=2.2, zorder=1.5)
    spectra.set(xscale="log", yscale="log", xlabel="wavenumber |k|")
    spectra.set_title(f"energy of samples / energy of data, about {BUDGET} evaluations")
    plain_ticks(spectra.xaxis)
    plain_ticks(spectra.yaxis)
    figure.legend(loc="outside right center")
    return figure


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
        align = {"ha": "left", "va": "bottom"} if order == 1 else {"ha": "right", "va": "top"}
        style = {"color": "0.3", "fontsize": 8, "textcoords": "offset points", **align}
        axes.annotate(f"order {order}", middle, offset, **style)
