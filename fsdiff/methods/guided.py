"""Draws of a diffusion that data lead, in the units of the data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.inverse.guidance.base import Guidance
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.physical import Physical
from fsdiff.methods.diffusion import Diffusion
from fsdiff.methods.models import Model


@dataclass(frozen=True, eq=False)
class Guided:
    """A diffusion, how it is led, and by an observation of what; data of many cases share it."""

    model: Model
    denoiser: Denoiser
    guidance: Guidance
    sampler: Sampler
    problem: Problem

    @classmethod
    def of(
        cls,
        model: Model,
        guidance: Guidance,
        sampler: Sampler,
        observation: Observation,
        finest: int,
    ) -> Self:
        """With an observation of physical functions, which are known at level ``finest``."""
        if not isinstance(model.method, Diffusion):
            raise TypeError(f"{type(model.method).__name__} is no diffusion: only these are led")
        denoiser = model.method.denoiser.eval()
        physical = Physical(observation=observation, statistics=model.statistics)
        problem = Problem(denoiser.law, physical, finest)
        return cls(model, denoiser, guidance, sampler, problem)

    def given(
        self, data: Tensor, n: int, seed: int, condition: Tensor | None = None
    ) -> Callable[[Sequence[int]], Samples]:
        """Draws at level n of some indices, given physical data (size,).

        A model that knows data as well is told a ``condition`` (condition channel, *grid) besides.
        """
        conditional = self.guidance.conditional(self.denoiser, self.problem, data, self.sampler)

        def draw(indices: Sequence[int]) -> Samples:
            told = None if condition is None else condition.expand(len(indices), *condition.shape)
            drawn = conditional(n, indices, seed, condition=told, device=self.model.device)
            return self.model.physical(drawn)

        return draw
