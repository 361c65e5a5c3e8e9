"""Guidance by the gradient of the misfit, as if the estimate were the data."""

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.inverse.guidance.base import DenoiserGuidance, Question
from fsdiff.inverse.guidance.covariance import estimate_and_covariance


@dataclass(frozen=True, kw_only=True)
class PosteriorSampling(DenoiserGuidance):
    """x̂_0 + ζ (r²/m) J Q H* w with w = Γ⁻¹(y − H x̂_0), or (y − H x̂_0)/‖y − H x̂_0‖.

    Diffusion posterior sampling (Chung et al., arXiv 2209.14687) with the gradient that belongs to
    the noise N(0, Q), so that its strength is the same on every grid. ``scale`` is ζ and ``weight``
    says which w: ``noise``, the gradient of the log-likelihood at the estimate, or ``residual``,
    the published one. The covariance of X_0 given X_t is left out, so spreads are too small.
    """

    scale: PositiveFloat = 1.0
    weight: Literal["noise", "residual"] = "noise"
    kind: Literal["dps"] = "dps"

    def check(self, sampler: Sampler, *, affine: bool, noisy: bool) -> None:
        """Refuse exact data where they are weighed by their noise."""
        if self.weight == "noise" and not noisy:
            raise ValueError(
                "dps weighs data by their noise, and some have none: use weight: residual, or "
                "another guidance"
            )

    def conditioned(self, question: Question) -> Tensor:
        """One gradient."""
        estimate, covariance = estimate_and_covariance(question)
        residual = question.residual(estimate)
        if self.weight == "noise":
            noise = question.problem.noise(estimate)
            if not bool((noise > 0).all()):
                raise ValueError(
                    "dps weighs data by their noise, and some have none: use weight: residual, or "
                    "another guidance"
                )
            weights = residual / noise
        else:
            size = residual.norm(dim=-1, keepdim=True)
            weights = torch.where(size > 0, residual / size, 0.0)
        pulled = covariance(question.map.vjp(estimate, weights.to(estimate)))
        return estimate + self.scale * pulled
