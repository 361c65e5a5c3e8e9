"""Guidance whose strength does not depend on the step: steps that are too long for it, and a cure.

A step takes κ m_s x̂_0ʸ(x) into x_s. With x̂_0ʸ = x̂_0 + ζ V H*Γ⁻¹(y − H x̂_0) the data have a share

    Z = ζ H B H* Γ⁻¹,   B = κ m_s J V,

in what is wrong with the estimate's data: explicit steps take y − H x̂_0 to (1 − Z)(y − H x̂_0), but
for what the network does by itself, and an eigenvalue above 2 makes it grow. J and V are those of
Gaussian data, J = m V/(r²λ).
"""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from threading import Lock
from typing import Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.samplers.base import Run, Step, Stepper, Update, steps_down
from fsdiff.inverse.guidance.base import DenoiserGuidance, GuidedDenoiser
from fsdiff.inverse.guidance.covariance import along_covariance
from fsdiff.inverse.guidance.led import Led
from fsdiff.inverse.guidance.problem import Problem, wiener_covariance
from fsdiff.inverse.guidance.question import Question
from fsdiff.inverse.guidance.systems import System
from fsdiff.spaces import symbols

logger = logging.getLogger(__name__)

STABLE = 2.0
"""The largest eigenvalue of Z with which what is wrong does not grow."""

FEASIBLE = 10_000
"""Steps that somebody may take."""


def taken(problem: Problem, now: Marginal, weight: Tensor, n: int) -> Tensor:
    """B, (channel, *coefficients) or joint for all channels, float64, for κ m_s = ``weight``."""
    time = now.time.flatten().double()
    exact = problem.law.marginal(time, n)
    covariance = problem.symbol(wiener_covariance, time, n)
    noise = exact.noise_scale.square() * exact.noise_spectrum
    inverse = torch.where(noise > 0, exact.mean_scale / noise.clamp_min(1e-300), 0.0)
    middle = (weight.double() * inverse * torch.ones_like(exact.data_spectrum))[0]
    if symbols.is_joint(covariance, problem.law.basis):
        return torch.einsum(
            "ab...,b...,bc...->ac...", covariance, middle.to(covariance.dtype), covariance
        )
    return covariance.square() * middle


@dataclass(frozen=True, kw_only=True)
class Implicit(Led):
    """Steps of ``sampler`` with w = (Γ + Z Γ)⁻¹(y − H x̂_0), the gradient at their end.

    So the estimate at the end comes from a step that takes all of x_s from it.
    """

    scale: float

    def update(self, step: Step) -> Update:
        """A step with a denoiser of its own."""
        weight = step.then.mean_scale.double() * self.renewed(step)
        return self.sampler.update(replace(step, run=self._run(step.run, step.now, weight, step.n)))

    def last(self, run: Run, now: Marginal) -> Update:
        """The estimate of a step to the data themselves."""
        return self.sampler.last(self._run(run, now, torch.ones_like(now.log_ratio), run.n), now)

    def _run(self, run: Run, now: Marginal, weight: Tensor, n: int) -> Run:
        guided = _guided(run)
        symbol = self.scale * taken(guided.problem, now, weight, n)
        own = _AtTheEnd(scale=self.scale, symbol=symbol, problem=guided.problem, n=n)
        return replace(run, denoiser=guided.led_by(own))


@dataclass(frozen=True, kw_only=True, eq=False)
class _AtTheEnd(DenoiserGuidance):
    """x̂_0 + ζ V H* (Γ + Z Γ)⁻¹(y − H x̂_0) for one step; ``symbol`` is ζ B."""

    scale: float
    symbol: Tensor
    problem: Problem
    n: int
    kind: Literal["at_the_end"] = "at_the_end"

    def conditioned(self, question: Question) -> Tensor:
        """One gradient, and the solution of a system."""
        return along_covariance(question, self.scale, partial(self._weights, question))

    def _weights(self, question: Question, estimate: Tensor) -> Tensor:
        residual = question.residual(estimate)
        if question.map.affine:
            return self._system.solve(residual)
        each = zip(estimate.double().split(1), residual.split(1), strict=True)
        return torch.cat([self.problem.linearised(self.symbol, u).solve(d) for u, d in each])

    @cached_property
    def _system(self) -> System:
        """Γ + Z Γ, the same for all fields where the observation is affine."""
        return self.problem.linearised(self.symbol, self.problem.zero(self.n, self.symbol.real))


@dataclass(frozen=True, kw_only=True)
class Watched(Led):
    """Steps of ``sampler`` as they are; where they are too long, that is told once."""

    scale: float

    def update(self, step: Step) -> Update:
        """As the sampler."""
        return self.sampler.update(step)

    def look_ahead(self, run: Run, times: Sequence[float], grids: Sequence[int]) -> None:
        """Tell of steps that are too long."""
        problem = _guided(run).problem
        with _LOCK:
            told = _TOLD.setdefault(problem, set())
            if (key := (self, tuple(grids))) not in told:
                told.add(key)
                self._tell(problem, [*steps_down(run, times, grids)])

    def _tell(self, problem: Problem, steps: Sequence[Step]) -> None:
        found = lengths(problem, self.sampler, steps, self.scale)
        longest, beyond = max(found, default=0.0), sum(z > STABLE for z in found)
        if not beyond:
            return
        # Some take as much of an estimate however short they are, such as Langevin dynamics.
        none = [replace(step, then=step.now) for step in steps]
        least = max(lengths(problem, self.sampler, none, self.scale))
        needed = (len(found) + 1) * longest / STABLE
        enough = least <= STABLE and needed <= FEASIBLE
        logger.warning(
            "dps is stiff: %d of %d steps of %s overshoot what the data say, by a factor of up to "
            "%.3g where 2 is stable, and draws may grow without bound: use steps: implicit, %sor "
            "more noise of the data",
            *(beyond, len(found), self.sampler.kind, longest),
            f"at least {math.ceil(needed)} steps, " if enough else "",
        )


def lengths(problem: Problem, sampler: Stepper, steps: Iterable[Step], scale: float) -> list[float]:
    """The largest eigenvalue of Z in each of the steps of a sampler, by power iteration.

    Observations that are not linear are taken as they are at the field zero, the mean of the data.
    """
    found: list[float] = []
    vector: Tensor | None = None
    for step in steps:
        vector = problem.white(step.run.device) if vector is None else vector
        weight = step.then.mean_scale.double() * sampler.renewed(step)
        symbol = scale * taken(problem, step.now, weight, step.n)
        # From one step to the next directions hardly change.
        for _ in range(FIRST if not found else NEXT):
            vector = problem.whitened(symbol, vector / vector.norm().clamp_min(1e-300), step.n)
        found.append(float(vector.norm()))
    return found


FIRST, NEXT = 16, 4
"""Power iterations for the first step, and for the following ones."""


_TOLD: WeakKeyDictionary[Problem, set[tuple[Led, tuple[int, ...]]]] = WeakKeyDictionary()
"""What has been looked at: a problem has many cases, and they many batches."""

_LOCK = Lock()


def _guided(run: Run) -> GuidedDenoiser:
    assert isinstance(run.denoiser, GuidedDenoiser)
    return run.denoiser
