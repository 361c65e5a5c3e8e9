"""The difference of two reverse steps against their length."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import experiment_styles, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """Means solid, variances dashed; dotted a line of slope two."""
    figure = Figure(figsize=(5.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for title, style in experiment_styles(results).items():
        result = results[title]
        step = result.step
        mean, variance = (result.difference.sel(quantity=q) for q in ("mean", "variance"))
        axes.plot(step, mean, label=f"{title}, mean", **style)
        axes.plot(step, variance, "--", color=style["color"], label=f"{title}, variance")
    guide = float(mean[0]) * (step / step[0]) ** 2  # above the means of the last
    axes.plot(step, 1.5 * guide, ":", color="black", label="slope 2")
    axes.set(xscale="log", yscale="log", xlabel="length h of the step")
    axes.set_title("difference of an Euler step and DDPM's")
    axes.legend()
    return figure
