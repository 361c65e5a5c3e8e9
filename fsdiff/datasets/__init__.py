"""Data sets: parameters of a law to fields drawn from it."""

from fsdiff.datasets.reaction_diffusion import ReactionDiffusionData

__all__ = ["ReactionDiffusionData"]
