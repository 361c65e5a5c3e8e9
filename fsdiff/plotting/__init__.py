"""Figures and the summary table: in-memory results in, ``matplotlib`` figures or HTML out."""

from fsdiff.plotting.comparison import cost, metric_by_resolution
from fsdiff.plotting.distributions import densities
from fsdiff.plotting.fields import resolution_grid, sample_grid
from fsdiff.plotting.history import loss_curves
from fsdiff.plotting.spectra import prior_spectrum, spectra
from fsdiff.plotting.style import save
from fsdiff.plotting.table import summary_html

__all__ = [
    "cost",
    "densities",
    "loss_curves",
    "metric_by_resolution",
    "prior_spectrum",
    "resolution_grid",
    "sample_grid",
    "save",
    "spectra",
    "summary_html",
]
