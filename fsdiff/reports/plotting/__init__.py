"""Figures and the summary table: in-memory results in, ``matplotlib`` figures or HTML out."""

from fsdiff.reports.plotting.comparison import cost, metric_by_resolution
from fsdiff.reports.plotting.distributions import densities
from fsdiff.reports.plotting.fields import resolution_grid, sample_grid
from fsdiff.reports.plotting.history import loss_curves
from fsdiff.reports.plotting.prior_spectrum import prior_spectrum
from fsdiff.reports.plotting.spectra import spectra
from fsdiff.reports.plotting.style import save
from fsdiff.reports.plotting.table import summary_html

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
