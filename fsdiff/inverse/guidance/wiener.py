"""Guidance by the covariance that the spectrum of the data leaves: no gradient, any grid."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.inverse.guidance.base import DenoiserGuidance
from fsdiff.inverse.guidance.problem import wiener_covariance
from fsdiff.inverse.guidance.question import Question
from fsdiff.spaces import symbols


@dataclass(frozen=True, kw_only=True)
class WienerGuidance(DenoiserGuidance):
    """V = diag c r²λ/(m²c + r²λ), the covariance of X_0 given X_t if the data were Gaussian.

    Where channels share a basis and the training fields have told how they know of each other, c is
    a matrix of channels for each mode, so that what is seen of one says something of the others.
    Exact for Gaussian data, whatever is observed and on every grid. The network is evaluated as
    often as without guidance, and no gradient is taken. An observation G that is not linear is
    linearised: ``iterations`` Gauss–Newton steps, u ← x̂_0 + V H*(Γ + H V H*)⁻¹ (y − G(u) + H(u −
    x̂_0)) with H = G′(u), the first at u = x̂_0, shortened where the field became less likely. None
    is made from where G has no value.
    """

    iterations: Annotated[int, Field(ge=1, le=100)] = 1
    kind: Literal["wiener"] = "wiener"
    conditional_mean: ClassVar[bool] = True

    def conditioned(self, question: Question) -> Tensor:
        """x̂_0 + V H*(Γ + H V H*)⁻¹(y − H x̂_0)."""
        estimate = question.estimate()
        if not question.map.affine:
            return self.linearised(question, estimate)
        gain = question.problem.gain(question.marginal, question.n, wiener_covariance)
        return estimate + gain(question.residual(estimate), estimate)

    def linearised(self, question: Question, estimate: Tensor) -> Tensor:
        """Gauss–Newton steps from an estimate, field by field: each has a derivative of its own."""
        symbol = question.symbol(wiener_covariance)
        fields = [self._one(question, centre[None], symbol) for centre in estimate.double()]
        return torch.cat(fields)

    def _one(self, question: Question, centre: Tensor, symbol: Tensor) -> Tensor:
        problem, observed, u = question.problem, question.map, centre
        for _ in range(self.iterations):
            left = question.residual_if_any(u)
            if not bool(left.isfinite().all()):
                break
            residual = left + observed.jvp(u, u - centre)
            weights = problem.linearised(symbol, u).solve(residual)
            spread = symbols.multiply(problem.law.basis, observed.vjp(u, weights), symbol)
            u = self._damped(question, centre, symbol, u, centre + spread - u)
        return u

    def _damped(
        self, question: Question, centre: Tensor, symbol: Tensor, u: Tensor, step: Tensor
    ) -> Tensor:
        """u + step, the step halved until the field is no less likely than u; u if it never is."""
        if not bool((question.problem.noise(u) > 0).all()):
            return u + step
        start = self._objective(question, centre, symbol, u)
        for halvings in range(HALVINGS):
            proposal = u + step / 2**halvings
            if self._objective(question, centre, symbol, proposal) <= start:
                return proposal
        return u

    def _objective(self, question: Question, centre: Tensor, symbol: Tensor, u: Tensor) -> float:
        """‖u − x̂_0‖² in the norm of V⁻¹, and ‖y − G(u)‖² in that of Γ⁻¹."""
        residual = question.residual_if_any(u)
        basis = question.problem.law.basis
        precision = symbols.inverse(symbol, basis)
        moved = float(symbols.inner(u - centre, u - centre, precision, basis).sum())
        misfit = float((residual.square() / question.problem.noise(u)).sum())
        return moved + misfit if math.isfinite(misfit) else math.inf


HALVINGS = 12
"""How often a Gauss–Newton step is halved."""
