"""Guidance by the Euclidean gradient of the mean squared misfit of nodes, as it was published."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike
from fsdiff.diffusion.samplers.base import Sampler, State, Step, Stepper, Update
from fsdiff.inverse.guidance.base import (
    ConditionalSampler,
    DenoiserGuidance,
    Guidance,
    GuidedDenoiser,
)
from fsdiff.inverse.guidance.led import Led
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.guidance.question import Question


@dataclass(frozen=True, kw_only=True)
class PublishedFunDPS(Guidance):
    """x_s ← x_s − ζ min(1, r/m) m_s m ∇_x mean (y − H x̂_0(x))² after each step from x to x_s.

    Of the code of Yao et al. (FunDPS, arXiv 2505.17004), for comparison; r and m are those at x.
    Their states are x/m, of which it is x̃_s − ζ min(1, σ) ∇_x̃ mean (y − H x̂_0)² with σ = r/m. The
    gradient with respect to nodal values knows nothing of Q, so that directions are excited in
    which the law has no variance, and is n^(−d) times that of functions: the same ``scale`` ζ
    guides the less the finer the grid. Every step subtracts as much of it, however long it is, so
    that ζ guides the more the more steps there are. Their values, 10⁴ and 5·10⁴, go with 500.
    """

    scale: PositiveFloat = 1e4
    kind: Literal["fundps_published"] = "fundps_published"

    def check(self, sampler: Sampler, *, affine: bool, noisy: bool) -> None:
        """Refuse samplers without steps, or with some on other grids."""
        self.check_steps(sampler)
        self.check_one_grid(sampler)

    def conditional(
        self, denoiser: DenoiserLike, problem: Problem, data: Tensor, sampler: Sampler
    ) -> ConditionalSampler:
        """The sampler, whose states are moved after each step."""
        last = GuidedDenoiser(_Moved(scale=self.scale), denoiser, problem, data)
        self.check(sampler, affine=True, noisy=True)
        return partial(sampler.led(self._lead), last)

    def _lead(self, stepper: Stepper) -> Stepper:
        return _Descending(sampler=stepper, scale=self.scale)


@dataclass(frozen=True, kw_only=True)
class _Moved(DenoiserGuidance):
    """x̂_0 − ζ min(1, r/m) m ∇_x mean (y − H x̂_0)², what the step to the data themselves gives."""

    scale: float
    kind: Literal["moved"] = "moved"

    def conditioned(self, question: Question) -> Tensor:
        """One gradient."""
        estimate, move = self.parts(question)
        return estimate + move

    def parts(self, question: Question) -> tuple[Tensor, Tensor]:
        """The estimate, and what it is moved by."""
        estimate, pull = question.differentiable()
        residual = question.residual(estimate).to(estimate)
        # The adjoint is that of functions; by their weights it becomes that of nodal values.
        weights = question.problem.weights(question.n, estimate)
        downhill = weights * pull(question.map.vjp(estimate, 2 / residual.shape[-1] * residual))
        marginal = question.marginal
        level = torch.exp(-marginal.process.half_log_signal_to_noise(marginal.time))
        scale = self.scale * level.clamp_max(1.0).to(estimate)
        return estimate, marginal.apply(marginal.mean_scale, scale * downhill)


@dataclass(frozen=True, kw_only=True)
class _Move(_Moved):
    """The second of both by itself, in the place of an estimate."""

    def conditioned(self, question: Question) -> Tensor:
        """One gradient."""
        return self.parts(question)[1]


@dataclass(frozen=True, kw_only=True)
class _Descending(Led):
    """Steps of ``sampler`` without data, after each of which states are moved towards these."""

    scale: float

    def update(self, step: Step) -> Update:
        """A step, and the gradient where it began."""
        guided, then = step.run.denoiser, step.then
        assert isinstance(guided, GuidedDenoiser)
        walk = self.sampler.update(replace(step, run=replace(step.run, denoiser=guided.denoiser)))
        moving = replace(step.run, denoiser=guided.led_by(_Move(scale=self.scale)))

        def update(state: State) -> None:
            move = moving.denoise(state, state.fields, step.now).data
            walk(state)
            state.fields = state.fields + then.apply(then.mean_scale, move)

        return update
