"""Forward processes that turn data into noise, diagonal in a basis."""

from fsdiff.diffusion.processes.blurring import Blurring
from fsdiff.diffusion.processes.blurring_variance_preserving import BlurringVariancePreserving
from fsdiff.diffusion.processes.heat import HeatDissipation, StochasticHeat
from fsdiff.diffusion.processes.linear_interpolant import LinearInterpolant
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_exploding import VarianceExploding
from fsdiff.diffusion.processes.variance_preserving import (
    CosineVariancePreserving,
    OrnsteinUhlenbeck,
    VariancePreserving,
)

__all__ = [
    "Blurring",
    "BlurringVariancePreserving",
    "CosineVariancePreserving",
    "GaussianPath",
    "HeatDissipation",
    "LinearInterpolant",
    "OrnsteinUhlenbeck",
    "StochasticHeat",
    "VarianceExploding",
    "VariancePreserving",
]
