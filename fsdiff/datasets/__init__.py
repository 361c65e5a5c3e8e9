"""Data sets: parameters of a law to fields drawn from it, and fields read from files."""

from fsdiff.datasets.darcy import DarcyData
from fsdiff.datasets.digits import DigitData
from fsdiff.datasets.files import FileData
from fsdiff.datasets.navier_stokes import NavierStokesData
from fsdiff.datasets.random_fields import RandomFieldData
from fsdiff.datasets.reaction_diffusion import ReactionDiffusionData

__all__ = [
    "DarcyData",
    "DigitData",
    "FileData",
    "NavierStokesData",
    "RandomFieldData",
    "ReactionDiffusionData",
]
