"""How far learned conditional expectations are from the exact ones, by the level of noise."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A curve for each analysis, the geometric mean over seeds, in a band of their range."""
    figure = Figure(figsize=(8.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for title, style in experiment_styles(results).items():
        error = results[title].error
        axes.plot(error.level, np.exp(np.log(error).mean("seed")), label=title, **style)
        ends = error.min("seed"), error.max("seed")
        axes.fill_between(error.level, *ends, color=style["color"], alpha=0.2, linewidth=0)
    axes.set(yscale="log", xlabel="ln(m/r), from noise to data")
    axes.set_ylabel("error over the size of the data")
    plain_ticks(axes.yaxis)
    axes.legend()
    return figure
