"""Data sets: parameters of a law to fields drawn from it."""

from fsdiff.datasets.darcy import DarcyData
from fsdiff.datasets.navier_stokes import NavierStokesData
from fsdiff.datasets.reaction_diffusion import ReactionDiffusionData

__all__ = ["DarcyData", "NavierStokesData", "ReactionDiffusionData"]
