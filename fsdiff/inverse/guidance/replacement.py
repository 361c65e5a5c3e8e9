"""Guidance that puts the data in the place of what the estimate says of them."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.inverse.guidance.base import DenoiserGuidance
from fsdiff.inverse.guidance.problem import noise_spectrum, unit_spectrum
from fsdiff.inverse.guidance.question import Question


@dataclass(frozen=True, kw_only=True)
class Replacement(DenoiserGuidance):
    """x̂_0 + K H*(H K H*)⁻¹(y − H x̂_0): H x̂_0ʸ = y, and the estimate is the nearest with that.

    With modes or nodes this overwrites them, so that a sampler keeps them at m y + r η all along,
    with η the noise that it started from, or has added since. Exact if what is observed is free of
    noise and independent of what is not. ``nearest`` says in which norm. In that of the ``noise``,
    K = Q, values at points are continued by its covariances, and results have a limit under
    refinement. In that of the ``field``, K = I, nodes are changed by themselves, as published, and
    what they tell the others is less on every finer grid. Instead of resampling jumps there is the
    sampler ``predictor_corrector``.
    """

    nearest: Literal["noise", "field"] = "noise"
    kind: Literal["replacement"] = "replacement"

    def check(self, sampler: Sampler, *, affine: bool, noisy: bool) -> None:
        """Refuse observations that are not linear, and for nearest: field several grids."""
        if not affine:
            raise ValueError("replacement needs an observation that is linear: use wiener")
        if self.nearest == "field":
            self.check_one_grid(sampler)

    def conditioned(self, question: Question) -> Tensor:
        """Overwrite what is observed."""
        if not question.map.affine:
            raise ValueError("replacement needs an observation that is linear: use wiener")
        estimate = question.estimate()
        covariance = noise_spectrum if self.nearest == "noise" else unit_spectrum
        gain = question.problem.gain(question.marginal, question.n, covariance, noise=False)
        return estimate + gain(question.residual(estimate), estimate)
