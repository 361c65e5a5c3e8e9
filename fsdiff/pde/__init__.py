"""Solvers of partial differential equations."""

from fsdiff.pde.reaction_diffusion import ReactionDiffusion

__all__ = ["ReactionDiffusion"]
