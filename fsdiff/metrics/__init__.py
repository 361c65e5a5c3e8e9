"""Measures of how far a set of fields is from another: ``metric(samples, reference, basis)``."""

from fsdiff.metrics.densities import GradientDensity, OnePointDensity
from fsdiff.metrics.diversity import VendiScore
from fsdiff.metrics.evaluate import Metric, evaluate
from fsdiff.metrics.kernels import EnergyDistance, GaussianKernelDiscrepancy
from fsdiff.metrics.patches import PatchSlicedWasserstein
from fsdiff.metrics.sliced import SlicedWasserstein, SlicedWassersteinGaussianApproximation
from fsdiff.metrics.spectra import (
    AutocovarianceError,
    SpectrumError,
    autocovariance,
    radial_spectrum,
)

__all__ = [
    "AutocovarianceError",
    "EnergyDistance",
    "GaussianKernelDiscrepancy",
    "GradientDensity",
    "Metric",
    "OnePointDensity",
    "PatchSlicedWasserstein",
    "SlicedWasserstein",
    "SlicedWassersteinGaussianApproximation",
    "SpectrumError",
    "VendiScore",
    "autocovariance",
    "evaluate",
    "radial_spectrum",
]
