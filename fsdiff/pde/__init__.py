"""Solvers of partial differential equations."""

from fsdiff.pde.burgers import Burgers
from fsdiff.pde.darcy import Darcy
from fsdiff.pde.navier_stokes import NavierStokes
from fsdiff.pde.reaction_diffusion import ReactionDiffusion

__all__ = ["Burgers", "Darcy", "NavierStokes", "ReactionDiffusion"]
