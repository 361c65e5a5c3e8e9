"""Guidance by the covariance that the denoiser's derivative tells."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat
from torch import Tensor

from fsdiff.inverse.guidance.base import DenoiserGuidance
from fsdiff.inverse.guidance.covariance import estimate_and_covariance
from fsdiff.inverse.guidance.problem import wiener_covariance
from fsdiff.inverse.guidance.question import Question
from fsdiff.inverse.guidance.systems import MinimalResidual


@dataclass(frozen=True, kw_only=True)
class MomentGuidance(DenoiserGuidance):
    """V = (r²/m) J Q, the covariance of X_0 given X_t, exact for every law of data.

    Rozet et al. (MMPS, 2024), with Q for their white noise. (Γ + H V H*) w = y − H x̂_0 is solved by
    minimal residuals, as what a network tells is a covariance but for its errors; each of the
    ``iterations`` costs one vector–Jacobian product, until the residual is below ``tolerance`` of
    what it was, each datum in units of its own deviation. For linear observations it starts from
    the solution for Gaussian data, which a few iterations mend. Others are linearised at x̂_0.
    """

    iterations: Annotated[int, Field(ge=1, le=10_000)] = 10
    tolerance: PositiveFloat = 1e-4
    kind: Literal["moment"] = "moment"
    conditional_mean: ClassVar[bool] = True

    def conditioned(self, question: Question) -> Tensor:
        """x̂_0 + V H*(Γ + H V H*)⁻¹(y − H x̂_0)."""
        estimate, covariance = estimate_and_covariance(question)
        observed, problem, n = question.map, question.problem, question.n

        def spread(data: Tensor) -> Tensor:
            return covariance(observed.vjp(estimate, data.to(estimate)))

        def bracket(data: Tensor) -> Tensor:
            return problem.noised(data, n) + observed.jvp(estimate, spread(data)).double()

        near = observed.affine and problem.is_dense(n)
        system = MinimalResidual(
            bracket,
            units=problem.units(n, estimate.device),
            known=problem.gain(question.marginal, n, wiener_covariance).system if near else None,
            iterations=self.iterations,
            tolerance=self.tolerance,
            remedy="raise iterations of moment, or its tolerance",
        )
        return estimate + spread(system.solve(question.residual(estimate)))
