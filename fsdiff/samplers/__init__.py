"""Reverse-time samplers: from noise N(0, Q) at time T to data, mode by mode."""

from fsdiff.samplers.adaptive_heun import AdaptiveHeun
from fsdiff.samplers.annealed_langevin import AnnealedLangevin
from fsdiff.samplers.base import Method, Sampler, Samples, Stepper
from fsdiff.samplers.ddim import DDIM
from fsdiff.samplers.dpm_solver import DPMSolver
from fsdiff.samplers.euler_maruyama import EulerMaruyama
from fsdiff.samplers.heun import Heun
from fsdiff.samplers.multilevel import Multilevel
from fsdiff.samplers.predictor_corrector import PredictorCorrector
from fsdiff.samplers.times import time_grid

__all__ = [
    "DDIM",
    "AdaptiveHeun",
    "AnnealedLangevin",
    "DPMSolver",
    "EulerMaruyama",
    "Heun",
    "Method",
    "Multilevel",
    "PredictorCorrector",
    "Sampler",
    "Samples",
    "Stepper",
    "time_grid",
]
