"""Forward processes that turn data into noise, diagonal in a basis."""

from fsdiff.processes.heat import HeatDissipation, StochasticHeat
from fsdiff.processes.linear_interpolant import LinearInterpolant
from fsdiff.processes.path import GaussianPath
from fsdiff.processes.variance_exploding import VarianceExploding
from fsdiff.processes.variance_preserving import (
    CosineVariancePreserving,
    OrnsteinUhlenbeck,
    VariancePreserving,
)

__all__ = [
    "CosineVariancePreserving",
    "GaussianPath",
    "HeatDissipation",
    "LinearInterpolant",
    "OrnsteinUhlenbeck",
    "StochasticHeat",
    "VarianceExploding",
    "VariancePreserving",
]
