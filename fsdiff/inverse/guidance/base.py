"""What kinds of guidance share, and the guided denoiser."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol, final

import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import Conditions, DenoiserLike, Estimate
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.base import Run, Sampler, Stepper
from fsdiff.diffusion.samplers.ends import check_start_of_observed, keeps_the_mean
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.inverse.guidance.draws import start_given_data
from fsdiff.inverse.guidance.problem import Problem, wiener_covariance
from fsdiff.inverse.guidance.question import Question
from fsdiff.inverse.observations.base import Observation
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream


def _by_itself(sampler: Sampler) -> str:
    """What to use instead of a sampler that wraps another."""
    assert sampler.stepper is not None
    return f"use the sampler inside it by itself, kind: {sampler.stepper.kind}"


class ConditionalSampler(Protocol):
    """Draws fields given data; called like a sampler that has its denoiser."""

    def __call__(self, n: int, indices: Sequence[int], seed: int, **options: Any) -> Samples:
        """Fields at level n, one per index; ``options``: condition, dtype, device."""


@dataclass(frozen=True, kw_only=True)
class Guidance(ABC):
    """A way to condition a denoiser on data."""

    starts_given_data: ClassVar[bool] = False
    """Whether states start as fields that fit the data do, where the process keeps their mean.

    Of data that depend on fields like an affine map.
    """

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its name in configurations."""

    @abstractmethod
    def conditional(
        self, denoiser: DenoiserLike, problem: Problem, data: Tensor, sampler: Sampler
    ) -> ConditionalSampler:
        """What draws fields given data y (size,), as ``sampler`` does without them.

        Data of many cases share a problem, and with it all that does not depend on them.
        """

    @final
    def draw(
        self,
        denoiser: DenoiserLike,
        observation: Observation,
        data: Tensor,
        sampler: Sampler,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        finest: int | None = None,
        **options: Any,
    ) -> Samples:
        """Fields at level n given data of one case, one per index.

        ``finest`` is that of the ``Problem``; ``options`` are those of samplers: condition, dtype,
        device.
        """
        problem = Problem(denoiser.law, observation, finest)
        return self.conditional(denoiser, problem, data, sampler)(n, indices, seed, **options)

    def check(self, sampler: Sampler, *, affine: bool, noisy: bool) -> None:  # noqa: B027
        """Raise ValueError where data cannot be followed like this.

        ``affine`` tells whether the data depend on fields of the model like that, but for their
        noise, and ``noisy`` whether all of them have any.
        """

    @final
    def check_observation(
        self,
        sampler: Sampler,
        observation: Observation,
        basis: Basis,
        channels: int,
        n: int,
        *,
        process: GaussianPath,
        transformed: bool = False,
    ) -> None:
        """Raise ValueError where data of an observation cannot be followed with a sampler.

        ``process`` is that of the model, and ``transformed`` tells whether it knows transformed
        channels.
        """
        if not observation.differentiable:
            raise ValueError("what is observed has no derivative, and guidance follows one")
        affine = observation.on(basis, channels, n).affine and not transformed
        if not (affine and self.starts_given_data) or sampler.starts_elsewhere:
            check_start_of_observed(process)
        noisy = bool((observation.deviations(basis, channels) > 0).all())
        self.check(sampler, affine=affine, noisy=noisy)

    def check_steps(self, sampler: Sampler) -> None:
        """ValueError where a sampler has no steps that could be led."""
        if sampler.stepper is None:
            raise ValueError(
                f"{self.kind} follows the times of a sampler, and {sampler.kind} has none"
            )

    def times_of(self, sampler: Sampler) -> Stepper:
        """The sampler, whose times are followed by steps of one's own; ValueError if it has none.

        What others make of a sampler, other grids or another start, has no meaning for such steps.
        """
        self.check_steps(sampler)
        if not isinstance(sampler, Stepper):
            raise ValueError(
                f"{self.kind} takes steps of its own, of which {sampler.kind} changes nothing: "
                f"{_by_itself(sampler)}"
            )
        return sampler

    def check_one_grid(self, sampler: Sampler) -> None:
        """ValueError where a sampler takes steps on several grids, which are led differently."""
        if sampler.several_grids:
            raise ValueError(
                f"{self.kind} changes the nodes of a grid, which say less the finer it is, and "
                f"{sampler.kind} takes steps on several: {_by_itself(sampler)}"
            )


@dataclass(frozen=True, kw_only=True)
class DenoiserGuidance(Guidance):
    """Guidance that makes a denoiser of a denoiser, for every sampler to use.

    ``conditional_mean`` tells whether that is to estimate E[X_0 | X_t, y], as far as it can.
    """

    starts_given_data: ClassVar[bool] = True
    conditional_mean: ClassVar[bool] = False

    def __call__(
        self,
        denoiser: DenoiserLike,
        observation: Observation,
        data: Tensor,
        *,
        finest: int | None = None,
    ) -> "GuidedDenoiser":
        """The denoiser given data y (size,).

        ``finest`` is the level of the function that was observed. Where fields are on coarser
        grids, as in a multilevel sampler, what these do not resolve counts as noise of the data.
        """
        problem = Problem(denoiser.law, observation, finest)
        return GuidedDenoiser(self, denoiser, problem, data)

    @abstractmethod
    def conditioned(self, question: Question) -> Tensor:
        """x̂_0ʸ, fields like x̂_0."""

    def conditional(
        self, denoiser: DenoiserLike, problem: Problem, data: Tensor, sampler: Sampler
    ) -> ConditionalSampler:
        """The sampler with the guided denoiser."""
        return partial(sampler, GuidedDenoiser(self, denoiser, problem, data))


class GuidedDenoiser:
    """A denoiser that knows data y of an observation; ``DenoiserLike``.

    Where fields have no values its estimates are continued, as data are. What depends on the time
    and the observation only is kept, so that many samples, and data of many cases by ``given``,
    share it.
    """

    def __init__(
        self, guidance: DenoiserGuidance, denoiser: DenoiserLike, problem: Problem, data: Tensor
    ) -> None:
        self.guidance, self.denoiser, self.problem = guidance, denoiser, problem
        self.law: Law = denoiser.law
        self.data = problem.checked(data, denoiser)

    @property
    def conditions(self) -> Conditions | None:
        """Those of the denoiser that is led."""
        return getattr(self.denoiser, "conditions", None)

    def given(self, data: Tensor) -> "GuidedDenoiser":
        """The same with other data of the same observation."""
        return GuidedDenoiser(self.guidance, self.denoiser, self.problem, data)

    def led_by(self, guidance: DenoiserGuidance) -> "GuidedDenoiser":
        """The same by another guidance."""
        return GuidedDenoiser(guidance, self.denoiser, self.problem, self.data)

    def __call__(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) at times t (batch,) or (1,)."""
        return self.estimate(x, self.law.marginal(t, self.law.basis.resolution(x)), condition)

    def estimate(self, x: Tensor, marginal: Marginal, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) of the law ``marginal``."""
        times = marginal.time.flatten().to(marginal.noise_spectrum)
        if len(times) == 1:
            data = self._conditioned(x, marginal, condition)
        else:
            n = self.law.basis.resolution(x)
            conditions = [None] * len(x) if condition is None else condition.split(1)
            parts = zip(x.split(1), times.split(1), conditions, strict=True)
            data = torch.cat(
                [self._conditioned(u, self.law.marginal(t, n), c) for u, t, c in parts]
            )
        return Estimate(data, marginal.noise_from_data(x, data), marginal)

    def first_fields(self, run: Run, indices: Sequence[int], t: float, n: int) -> Tensor | None:
        """X_t given y to start from, fields at level n; None where it is as good as without y.

        That is where little is left of the data. What is not linear in fields is refused elsewhere.
        """
        affine = self.problem.map(n).affine
        if not (affine and keeps_the_mean(self.law.process)):
            return None
        step = (Stream.START, 0, 0)  # one number more than those of steps
        return start_given_data(run, indices, t, n, self.problem, self.data, *step)

    def known_beyond(
        self, x: Tensor, marginal: Marginal, n: int, condition: Tensor | None = None
    ) -> Tensor | None:
        """What data say of the modes of X_0 that level n has and the grid of fields x has not.

        C H*(Γ + H V H*)⁻¹(y − H x̂_0), fields at level n whose other modes are of no account: E of
        these modes of Gaussian data, of which x shows nothing. None where the guidance does not
        estimate such means, or the observation is not linear.
        """
        question = Question(self.problem, self.data, self.denoiser, x, marginal, condition)
        finest = self.problem.finest
        if finest is None or finest < n:
            return None
        if not (self.guidance.conditional_mean and question.map.affine):
            return None
        gain = self.problem.gain(marginal, question.n, wiener_covariance)
        weights = gain.solve(question.residual(question.estimate()))
        return self.problem.expected(weights, n).to(x)

    def _conditioned(self, x: Tensor, marginal: Marginal, condition: Tensor | None) -> Tensor:
        question = Question(self.problem, self.data, self.denoiser, x, marginal, condition)
        return self.law.continued(self.guidance.conditioned(question).to(x))
