"""Guidance by the denoiser's derivative, as if the data of the model were noise."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from fsdiff.inverse.guidance.base import DenoiserGuidance
from fsdiff.inverse.guidance.covariance import estimate_and_covariance
from fsdiff.inverse.guidance.problem import noise_covariance
from fsdiff.inverse.guidance.question import Question


@dataclass(frozen=True, kw_only=True)
class PseudoinverseGuidance(DenoiserGuidance):
    """x̂_0 + (r²/m) J Q H*(Γ + r²/(m² + r²) H Q H*)⁻¹(y − H x̂_0).

    ΠGDM (Song et al., ICLR 2023) with Q for their white noise: the bracket is that of data N(0, Q),
    so that no system with the network in it is solved, and one vector–Jacobian product is enough.
    Biased where data are unlike the noise. Observations that are not linear are linearised at x̂_0.
    """

    kind: Literal["pigdm"] = "pigdm"
    conditional_mean: ClassVar[bool] = True

    def conditioned(self, question: Question) -> Tensor:
        """One solution with the noise's covariance, then one gradient."""
        estimate, covariance = estimate_and_covariance(question)
        weights = self._weights(question, estimate).to(estimate)
        return estimate + covariance(question.map.vjp(estimate, weights))

    def _weights(self, question: Question, estimate: Tensor) -> Tensor:
        """(Γ + r²/(m² + r²) H Q H*)⁻¹(y − H x̂_0)."""
        problem, residual = question.problem, question.residual(estimate)
        if question.map.affine:
            return problem.gain(question.marginal, question.n, noise_covariance).solve(residual)
        symbol = question.symbol(noise_covariance)
        each = zip(estimate.double().split(1), residual.split(1), strict=True)
        return torch.cat([problem.linearised(symbol, u).solve(d) for u, d in each])
