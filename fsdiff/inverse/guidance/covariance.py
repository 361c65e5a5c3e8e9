"""The covariance of X_0 given X_t that a denoiser's derivative tells, V = (r²/m) J Q."""

from collections.abc import Callable

import torch
from torch import Tensor

from fsdiff.inverse.guidance.question import Question

Operator = Callable[[Tensor], Tensor]
"""A linear map of fields (batch, channel, *grid)."""


def estimate_and_covariance(question: Question) -> tuple[Tensor, Operator]:
    """x̂_0, and V w = (r²λ/m) J* w by one vector–Jacobian product.

    Modes of which nothing is left in X_t are known by their prior alone, V = C there.
    """
    estimate, pull = question.differentiable()
    marginal = question.marginal
    one = torch.ones_like(marginal.data_spectrum)[None]
    scale = marginal.noise_scale.square() * marginal.noise_spectrum / marginal.mean_scale * one
    lost = marginal.lost.expand(scale.shape)
    seen, unseen = torch.where(lost, 0.0, scale), torch.where(lost, marginal.data_spectrum, 0.0)

    def covariance(field: Tensor) -> Tensor:
        result = marginal.apply(seen, pull(field))
        return result + marginal.apply(unseen, field) if bool(lost.any()) else result

    return estimate, covariance


def along_covariance(question: Question, scale: float, weigh: Callable[[Tensor], Tensor]) -> Tensor:
    """x̂_0 + ζ V H* w with w = ``weigh``(x̂_0), (batch, size), and ζ the ``scale``: one gradient."""
    estimate, covariance = estimate_and_covariance(question)
    weights = weigh(estimate).to(estimate)
    return estimate + scale * covariance(question.map.vjp(estimate, weights))
