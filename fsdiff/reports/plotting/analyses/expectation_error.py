"""How far learned conditional expectations are from the exact ones, by the level of noise."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from fsdiff.reports.plotting.panels import seeds_in_a_band
from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, styled


@styled
def draw(results: Mapping[str, xr.Dataset]) -> Figure:
    """A curve for each analysis, the geometric mean over seeds, in a band of their range."""
    figure = Figure(figsize=(8.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for title, style in experiment_styles(results).items():
        error = results[title].error
        seeds_in_a_band(axes, error.level, error, label=title, **style)
    axes.set(yscale="log", xlabel="ln(m/r), from noise to data")
    axes.set_ylabel("error over the size of the data")
    plain_ticks(axes.yaxis)
    axes.legend()
    return figure
