"""Reverse-time samplers: from noise N(0, Q) at time T to data, mode by mode."""

from fsdiff.diffusion.samplers.adaptive_heun import AdaptiveHeun
from fsdiff.diffusion.samplers.annealed_langevin import AnnealedLangevin
from fsdiff.diffusion.samplers.annealed_langevin_published import PublishedAnnealedLangevin
from fsdiff.diffusion.samplers.base import Method, Sampler, Stepper
from fsdiff.diffusion.samplers.ddim import DDIM
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.diffusion.samplers.euler_maruyama import EulerMaruyama
from fsdiff.diffusion.samplers.heun import Heun
from fsdiff.diffusion.samplers.multilevel import Multilevel
from fsdiff.diffusion.samplers.predictor_corrector import PredictorCorrector
from fsdiff.diffusion.samplers.renoising import Renoising
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.diffusion.samplers.starting_from import StartingFrom
from fsdiff.diffusion.samplers.times import time_grid

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
    "PublishedAnnealedLangevin",
    "Renoising",
    "Sampler",
    "Samples",
    "StartingFrom",
    "Stepper",
    "time_grid",
]
