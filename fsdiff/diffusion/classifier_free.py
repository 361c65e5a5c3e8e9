"""Classifier-free guidance: what a denoiser is told counts more, or less, than it learned."""

import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import Denoiser, Estimate
from fsdiff.diffusion.marginal import Marginal


class ClassifierFree:
    """x̂_0(x, ∅) + w (x̂_0(x, c) − x̂_0(x, ∅)) in place of x̂_0(x, c), from two evaluations.

    Ho and Salimans, "Classifier-free diffusion guidance" (arXiv 2207.12598), whose w is less by
    one. With w = 1 it is the denoiser that is told c, with w = 0 the one that is told nothing. For
    w > 1 these are conditional expectations of no law: samples are more typical of c and less
    diverse than what c leaves possible.
    """

    evaluations = 2
    """Of the network, in each estimate."""

    def __init__(self, denoiser: Denoiser, scale: float) -> None:
        self.denoiser, self.scale = denoiser, scale
        self.law, self.conditions = denoiser.law, denoiser.conditions

    def estimate(self, x: Tensor, marginal: Marginal, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x and what is told of them, which makes the difference."""
        free = self.denoiser.estimate(x, marginal)
        if condition is None:
            return free
        told = self.denoiser.estimate(x, marginal, condition)
        data = torch.lerp(free.data, told.data, self.scale)
        return Estimate(data, torch.lerp(free.noise, told.noise, self.scale), marginal)

    def __call__(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Estimate:
        """The same at times t (batch,) or (1,)."""
        return self.estimate(x, self.law.marginal(t, self.law.basis.resolution(x)), condition)
