"""Guidance by the Euclidean gradient of the mean squared misfit of nodes, as it was published."""

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.inverse.guidance.base import DenoiserGuidance, Question


@dataclass(frozen=True, kw_only=True)
class PublishedFunDPS(DenoiserGuidance):
    """x̂_0 − ζ min(1, r/m) ∇_x mean (y − H x̂_0)², the gradient with respect to nodal values.

    Of the code of Yao et al. (FunDPS, arXiv 2505.17004), for comparison. That gradient knows
    nothing of Q, so that directions are excited in which the law has no variance, and is n^(−d)
    times that of functions: the same ``scale`` ζ guides the less the finer the grid. They subtract
    it from the state after a step; here it is part of the estimate, so that all samplers can use
    it, and a step that takes ln(m/r) up by h moves the state by m (1 − e^(−h)) of it: about two
    fifths with 20 steps, two hundredths with 500. Their values, 10⁴ and 5·10⁴, go with 500.
    """

    scale: PositiveFloat = 1e4
    kind: Literal["fundps_published"] = "fundps_published"

    def conditioned(self, question: Question) -> Tensor:
        """One gradient."""
        estimate, pull = question.differentiable()
        residual = question.residual(estimate).to(estimate)
        # The adjoint is that of functions; by their weights it becomes that of nodal values.
        weights = question.problem.weights(question.n, estimate)
        gradient = weights * pull(question.map.vjp(estimate, 2 / residual.shape[-1] * residual))
        marginal = question.marginal
        level = torch.exp(-marginal.process.half_log_signal_to_noise(marginal.time))
        return estimate + self.scale * level.clamp_max(1.0).to(estimate) * gradient
