"""Diffusion models on function spaces.

Import from the module that defines a name, e.g. ``from fsdiff.measures.priors import Bessel`` or
``from fsdiff.pde import ReactionDiffusion``; this file stays empty of imports so that
``import fsdiff`` costs nothing.
"""

__version__ = "0.1.0"
