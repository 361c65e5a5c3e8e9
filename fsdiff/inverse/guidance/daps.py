"""Annealing with decoupled steps: draw the data, then noise it to the next level."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.samplers.base import Run, Sampler, State, Stepper
from fsdiff.inverse.guidance.base import ConditionalSampler, Guidance
from fsdiff.inverse.guidance.draws import gaussian_draw, gaussian_spread, noise_of, start_given_data
from fsdiff.inverse.guidance.problem import Problem, wiener_covariance
from fsdiff.inverse.guidance.question import Question
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.randomness import generator
from fsdiff.spaces import symbols
from fsdiff.streams import Stream


@dataclass(frozen=True, kw_only=True)
class DecoupledAnnealing(Guidance):
    """At each time X_0 is drawn from N(x̂_0, V) given y, and X_s = m_s X_0 + r_s η from that.

    DAPS (Zhang et al., arXiv 2407.01521) with the covariance V of the Wiener filter in place of a
    multiple of the identity: exact for Gaussian data and linear observations, however few times
    there are. Times are those of the sampler. Where an observation is not linear, the draw is the
    end of ``corrections`` preconditioned Crank–Nicolson steps of size ``step_size``, which leave
    N(x̂_0, V) given y as it is, from one Gauss–Newton step.
    """

    starts_given_data: ClassVar[bool] = True
    corrections: Annotated[int, Field(ge=1, le=100_000)] = 50
    step_size: Annotated[float, Field(gt=0, le=1)] = 0.2
    kind: Literal["daps"] = "daps"

    def check(self, sampler: Sampler, *, affine: bool, noisy: bool) -> None:
        """Refuse samplers without times, and exact data that are not affine."""
        self.times_of(sampler)
        if not affine and not noisy:
            raise ValueError("daps: data of an observation that is not linear need noise")

    def conditional(
        self, denoiser: DenoiserLike, problem: Problem, data: Tensor, sampler: Sampler
    ) -> ConditionalSampler:
        """Fields are the last draws of X_0."""
        stepper, data = self.times_of(sampler), problem.checked(data, denoiser)
        annealing = _Annealing(guidance=self, sampler=stepper, problem=problem, data=data)
        return partial(annealing, denoiser)


@dataclass(frozen=True, kw_only=True)
class _Annealing(Sampler):
    guidance: DecoupledAnnealing
    sampler: Stepper
    problem: Problem
    data: Tensor
    kind: Literal["daps"] = "daps"

    def draw(self, run: Run, groups: Sequence[tuple[int, ...]]) -> list[State]:
        """All times, down to the smallest."""
        times = self.sampler.times(run.law.process).tolist()
        marginals = [run.marginal(t, run.n) for t in times]
        states = [
            State(group, self._start(run, group, marginals[0], len(times))) for group in groups
        ]
        for number, (now, then) in enumerate(pairwise(marginals)):
            for state in states:
                data = self._draw(run, state, now, number)
                fresh = then.apply(then.noise_scale, run.noise(state, run.n, number))
                state.fields = then.apply(then.mean_scale, data) + fresh
        for state in states:
            state.fields = self._draw(run, state, marginals[-1], len(times) - 1)
        return states

    def _start(self, run: Run, group: tuple[int, ...], end: Marginal, number: int) -> Tensor:
        """X_T given y, were the data Gaussian; without y where it says nothing linear of them."""
        t = float(end.time)
        if not self.problem.map(run.n).affine:
            return run.gaussian(group, t, run.n)
        return start_given_data(run, group, t, run.n, self.problem, self.data, number)

    def _draw(self, run: Run, state: State, now: Marginal, number: int) -> Tensor:
        """X_0 given the fields and the data."""
        question = Question(self.problem, self.data, run.denoiser, state.fields, now)
        estimate = run.denoise(state, state.fields, now).data
        if question.map.affine:
            return gaussian_draw(estimate, run, state, question, number)
        return self._chain(estimate, run, state, question, number)

    def _chain(
        self, centre: Tensor, run: Run, state: State, question: Question, number: int
    ) -> Tensor:
        """The end of a preconditioned Crank–Nicolson chain, one for each sample."""
        beta, symbol = self.guidance.step_size, question.symbol(wiener_covariance)
        spread = symbols.from_noise(symbol, noise_of(run, run.n, symbol.device), run.law.basis)
        u = WienerGuidance().linearised(question, centre).to(centre)
        misfit = self._misfit(question, u)
        for step in range(self.guidance.corrections):
            fresh = gaussian_spread(run, state, spread, number, step)
            proposal = centre + (1 - beta**2) ** 0.5 * (u - centre) + beta * fresh
            proposed = self._misfit(question, proposal)
            accepted = self._uniform(run, state, number, step).log() < misfit - proposed
            u = torch.where(accepted.view(-1, *[1] * (u.ndim - 1)), proposal, u)
            misfit = torch.where(accepted, proposed, misfit)
        return run.law.continued(u)

    def _misfit(self, question: Question, u: Tensor) -> Tensor:
        """½ (y − G(u))ᵀ Γ⁻¹ (y − G(u)), (batch,); infinite where G has no value."""
        noise = self.problem.noise(u)
        if not bool((noise > 0).all()):
            raise ValueError("daps: data of an observation that is not linear need noise")
        return 0.5 * (question.residual_if_any(u).square() / noise).sum(-1)

    def _uniform(self, run: Run, state: State, *step: int) -> Tensor:
        """Numbers in [0, 1), (batch,)."""
        streams = (generator(run.seed, i, Stream.POSTERIOR, *step) for i in state.indices)
        return torch.tensor([random.random() for random in streams], device=run.device)
