"""Guidance that writes noised data into the states, as it was published."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.samplers.base import Run, Sampler, State, Step, Update
from fsdiff.inverse.guidance.base import ConditionalSampler, Guidance
from fsdiff.inverse.guidance.led import Led
from fsdiff.inverse.guidance.problem import Gain, Problem, unit_spectrum
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.low_pass import LowPass
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.physical import Physical
from fsdiff.spaces.bases import Basis
from fsdiff.streams import Stream


@dataclass(frozen=True, kw_only=True)
class PublishedReplacement(Guidance):
    """x_s ← x_s + P(m_s ŷ + r_s η − x_s) after each step, with noise η ~ N(0, Q) that is new.

    Of the Hilbert diffusion models of Lim et al. (NeurIPS 2023), for comparison; with scalar scales
    it is inpainting by Song et al. (arXiv 2011.13456) and the latent refinement of Choi et al.
    (arXiv 2108.02938). ŷ is the function that is given and P leaves of a function what is known.
    Values at nodes, and modes, are known by themselves, and ŷ is zero where nothing is seen:
    where a process blurs, m_s ŷ is darker there, and beside it, than m_s x_0. Averages and blurred
    functions are taken for functions, by their values at the nodes of their grid, of which P leaves
    the modes with wavenumbers up to ``highest``, or all that the grid resolves: ŷ has not those of
    x_0. The noise of data counts for nothing.
    """

    highest: PositiveFloat | None = None
    kind: Literal["replacement_published"] = "replacement_published"

    def check(self, sampler: Sampler, *, affine: bool, noisy: bool) -> None:
        """Refuse samplers without steps on one grid, and observations that are not linear."""
        self.check_steps(sampler)
        self.check_one_grid(sampler)
        if not affine:
            raise ValueError(
                "replacement_published needs an observation that is linear: use wiener"
            )

    def conditional(
        self, denoiser: DenoiserLike, problem: Problem, data: Tensor, sampler: Sampler
    ) -> ConditionalSampler:
        """The sampler, whose states are changed after each step."""
        data = problem.checked(data, denoiser)
        self.check(sampler, affine=problem.observation.affine, noisy=True)
        known = known_of(problem, data, self.highest)
        led = sampler.led(lambda stepper: _Replacing(sampler=stepper, known=known))
        return partial(led, denoiser)


class Known(Protocol):
    """What is known of a function."""

    def function(self, like: Tensor) -> Tensor:
        """ŷ (1, channel, *grid), on the grid of fields."""

    def keep(self, fields: Tensor) -> Tensor:
        """P applied to fields (batch, channel, *grid)."""


def known_of(problem: Problem, data: Tensor, highest: float | None = None) -> Known:
    """Data as published: values and modes by themselves, averages and blur as functions."""
    observation = problem.observation
    seen = observation.observation if isinstance(observation, Physical) else observation
    if isinstance(seen, Averages | LowPass):
        at_nodes = Mask(resolution=seen.resolution, share=1.0)
        if isinstance(observation, Physical):
            shown: Observation = replace(observation, observation=at_nodes)
        else:
            shown = at_nodes
        nodes = Values(Problem(problem.law, shown, problem.finest), data)
        return LowModes(nodes, problem.law.basis, seen.resolution, highest)
    return Values(problem, data)


@dataclass(frozen=True)
class Values:
    """ŷ = H⁺y and P = H⁺H, with the pseudo-inverse H⁺ of functions."""

    problem: Problem
    data: Tensor

    def function(self, like: Tensor) -> Tensor:
        """The smallest function with these data."""
        nothing = torch.zeros_like(like[:1])
        return self._spread(self.data.to(like.device) - self._observe(nothing), nothing)

    def keep(self, fields: Tensor) -> Tensor:
        """The smallest function of which as much is seen."""
        seen = self._observe(fields) - self._observe(torch.zeros_like(fields[:1]))
        return self._spread(seen, fields)

    def _observe(self, fields: Tensor) -> Tensor:
        n = self.problem.law.basis.resolution(fields)
        return self.problem.map(n).forward(fields).double()

    def _spread(self, data: Tensor, like: Tensor) -> Tensor:
        return self._inverse(like)(data, like).to(like)

    def _inverse(self, like: Tensor) -> Gain:
        """H⁺, which is the same at all times."""
        law = self.problem.law
        n = law.basis.resolution(like)
        end = torch.tensor([law.process.T], dtype=like.dtype, device=like.device)
        return self.problem.gain(law.marginal(end, n), n, unit_spectrum, noise=False)


@dataclass(frozen=True)
class LowModes:
    """A function that is given at the nodes of level ``n``, of which low modes are kept."""

    nodes: Values
    basis: Basis
    n: int
    highest: float | None

    def function(self, like: Tensor) -> Tensor:
        """The function with these values and no modes that its own grid does not resolve."""
        own = self.nodes.function(like.new_zeros(1, like.shape[1], *self.basis.grid(self.n)))
        return self.basis.resample(own, self.basis.resolution(like))

    def keep(self, fields: Tensor) -> Tensor:
        """Modes that the grid of level ``n`` resolves, up to the highest."""
        level = self.basis.resolution(fields)
        low = self.basis.resample(self.basis.resample(fields, min(self.n, level)), level)
        if self.highest is None:
            return low
        longest = (self.highest * self.basis.angular_frequency()) ** 2 * (1 + 1e-12)
        return self.basis.multiply(low, (self.basis.omega_squared(level) <= longest).to(low))


@dataclass(frozen=True, kw_only=True)
class _Replacing(Led):
    """Steps of ``sampler``, after each of which what is known takes the place of what is there."""

    known: Known

    def update(self, step: Step) -> Update:
        """A step, and what is known at its end."""
        walk, then, basis = self.sampler.update(step), step.then, step.run.law.basis
        shape = (1, step.run.law.channels, *basis.grid(step.n))
        blank = torch.zeros(shape, dtype=step.run.dtype, device=step.run.device)
        mean = then.apply(then.mean_scale, self.known.function(blank))

        def update(state: State) -> None:
            walk(state)
            noise = then.apply(then.noise_scale, step.noise(state, Stream.POSTERIOR))
            state.fields = self._put(state.fields, mean + noise)

        return update

    def last(self, run: Run, now: Marginal) -> Update:
        """The step to the data themselves."""
        estimate = super().last(run, now)

        def update(state: State) -> None:
            estimate(state)
            state.fields = self._put(state.fields, self.known.function(state.fields))

        return update

    def _put(self, fields: Tensor, known: Tensor) -> Tensor:
        return fields + self.known.keep(known - fields)
