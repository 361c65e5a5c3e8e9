"""Data sets: parameters of a law to fields drawn from it, and fields read from files."""

from fsdiff.data.sources.burgers import BurgersData
from fsdiff.data.sources.curve_files import CurveFiles
from fsdiff.data.sources.darcy import DarcyData
from fsdiff.data.sources.digits import DigitData
from fsdiff.data.sources.files import FileData
from fsdiff.data.sources.navier_stokes import NavierStokesData
from fsdiff.data.sources.pedestrians import Pedestrians
from fsdiff.data.sources.quadratic import Quadratic
from fsdiff.data.sources.random_fields import RandomFieldData
from fsdiff.data.sources.reaction_diffusion import ReactionDiffusionData

__all__ = [
    "BurgersData",
    "CurveFiles",
    "DarcyData",
    "DigitData",
    "FileData",
    "NavierStokesData",
    "Pedestrians",
    "Quadratic",
    "RandomFieldData",
    "ReactionDiffusionData",
]
