"""Guidance by the gradient of the misfit, as if the estimate were the data."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike
from fsdiff.diffusion.samplers.base import Lead, Sampler
from fsdiff.inverse.guidance.base import (
    ConditionalSampler,
    DenoiserGuidance,
    GuidedDenoiser,
)
from fsdiff.inverse.guidance.covariance import along_covariance
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.question import Question
from fsdiff.inverse.guidance.stiffness import Implicit, Watched


@dataclass(frozen=True, kw_only=True)
class PosteriorSampling(DenoiserGuidance):
    """x̂_0 + ζ (r²/m) J Q H* w with w = Γ⁻¹(y − H x̂_0), or (y − H x̂_0)/‖y − H x̂_0‖.

    Diffusion posterior sampling (Chung et al., arXiv 2209.14687) with the gradient that belongs to
    the noise N(0, Q), so that its strength is the same on every grid. ``scale`` is ζ and ``weight``
    says which w: ``noise``, the gradient of the log-likelihood at the estimate, or ``residual``,
    the published one. The covariance of X_0 given X_t is left out, so spreads are too small.

    With w of the ``noise`` it is stiff where data are exact: a step takes y − H x̂_0 to (1 − Z)
    times that with Z = ζ κ m_s H J V H*Γ⁻¹, κ from 1 − e^{−h} to 1 − e^{−2h}, and draws grow
    without bound where Z is above 2. That is told, with how many steps it takes at least.
    ``implicit`` steps have w = (Γ + Z Γ)⁻¹(y − H x̂_0), with J and V those of Gaussian data: the
    gradient at the end of the step, as in the linearly implicit Euler method. They are stable with
    any number of steps, and converge to the same, at first order.
    """

    scale: PositiveFloat = 1.0
    weight: Literal["noise", "residual"] = "noise"
    steps: Literal["explicit", "implicit"] = "explicit"
    kind: Literal["dps"] = "dps"

    def __post_init__(self) -> None:
        """Refuse implicit steps where there is nothing stiff."""
        if self.steps == "implicit" and self.weight == "residual":
            raise ValueError(
                "steps: implicit is for weight: noise; gradients of weight: residual are bounded"
            )

    def check(self, sampler: Sampler, *, affine: bool, noisy: bool) -> None:
        """Refuse exact data where they are weighed by their noise; for implicit steps, no steps."""
        if self.weight == "noise" and not noisy:
            raise ValueError(WITHOUT_NOISE)
        if self.steps == "implicit":
            self.check_steps(sampler)

    def conditioned(self, question: Question) -> Tensor:
        """One gradient."""
        return along_covariance(question, self.scale, partial(self._weights, question))

    def conditional(
        self, denoiser: DenoiserLike, problem: Problem, data: Tensor, sampler: Sampler
    ) -> ConditionalSampler:
        """The sampler with the guided denoiser; with steps whose length is known, watched."""
        if self.steps == "implicit":
            self.check_steps(sampler)
        if self.weight == "noise" and sampler.stepper is not None:
            sampler = sampler.led(self._lead)
        return partial(sampler, GuidedDenoiser(self, denoiser, problem, data))

    @property
    def _lead(self) -> Lead:
        """What is made of a sampler's steps."""
        led = Implicit if self.steps == "implicit" else Watched
        return lambda stepper: led(sampler=stepper, scale=self.scale)

    def _weights(self, question: Question, estimate: Tensor) -> Tensor:
        """w, (batch, size)."""
        residual = question.residual(estimate)
        if self.weight == "residual":
            size = residual.norm(dim=-1, keepdim=True)
            return torch.where(size > 0, residual / size, 0.0)
        noise = question.problem.noise(estimate)
        if not bool((noise > 0).all()):
            raise ValueError(WITHOUT_NOISE)
        return residual / noise


WITHOUT_NOISE = (
    "dps weighs data by their noise, and some have none: use weight: residual, or another guidance"
)
