"""From the prior to the posterior with an ensemble: where chains start, and the law of their steps.

Sequential Monte Carlo on functions (Beskos, Jasra, Muzaffer and Stuart, "Sequential Monte Carlo
methods for Bayesian elliptic inverse problems", Statistics and Computing, 2015).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from fsdiff.inverse.references.fitted import Fitted, FittedLaw, coordinate_functions
from fsdiff.inverse.references.kernels import Position, PreconditionedCrankNicolson
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.randomness import generator
from fsdiff.streams import Stream
from fsdiff.threads import single_thread

KEPT = 0.5
"""The effective share of an ensemble that an error less wide leaves."""

_WIDEST = 1e-12
"""The least information of an error, that of the likelihood being 1, that counts as any."""


@dataclass(frozen=True, kw_only=True)
class Annealing:
    """An ensemble that is led from the prior to the posterior by errors less and less wide.

    Its ``particles`` are draws of the prior, and errors at first so wide that data tell nothing.
    Each time they are narrowed until half of the ensemble is left in effect; this is drawn again in
    proportion to its weights and takes ``moves`` steps of a preconditioned Crank–Nicolson kernel
    about the Gaussian law with its moments in the ``modes`` coordinates that vary most in the
    prior. No derivative is asked for.

    Good values: as many modes as there are data, and some times as many particles.
    """

    particles: Annotated[int, Field(ge=16, le=100_000)] = 512
    moves: PositiveInt = 10
    modes: Annotated[int, Field(ge=1, le=1024)] = 64
    kind: Literal["ensemble"] = "ensemble"

    def __post_init__(self) -> None:
        """Refuse ensembles that have no covariance."""
        if self.particles < 2 * self.modes:
            raise ValueError(
                f"particles = {self.particles}: give twice as many as modes, {2 * self.modes}, or "
                "more"
            )

    @single_thread()
    @torch.no_grad()
    def __call__(
        self, posterior: Posterior, seed: int, check: Callable[[str], object] = lambda text: None
    ) -> tuple[FittedLaw, Tensor]:
        """A law with the posterior's moments, and an ensemble (particles, *shape) of deviations.

        Deviations are those from the prior's mean. ``check`` is told of each step.
        """
        prior, kernel = posterior.prior, PreconditionedCrankNicolson(first=0.5)
        functions = coordinate_functions(prior, self.modes)
        start = generator(seed, Stream.ANNEALING).standard_normal((self.particles, prior.normals))
        deviations = prior.draw(torch.from_numpy(start))
        observed = posterior.observed(deviations)
        information, number, log_step = 0.0, 0, math.log(kernel.first)
        while True:
            number += 1
            before = _potential(posterior, observed, information)
            information = _next(posterior, observed, before, information)
            weights = _weights(before, _potential(posterior, observed, information))
            law = FittedLaw.of(prior, functions, deviations, weights)
            target = Fitted.about(_at(posterior, information), law)
            moved = deviations[_resampled(weights, seed, number)] - law.shift
            position = kernel.start(target, moved)
            for move in range(self.moves):
                position, log_step = self._moved(target, position, log_step, seed, number, move)
                check(f"move {move + 1} of {self.moves} at {information:.1e} of the information")
            deviations = position.deviation + law.shift
            observed = posterior.observed(deviations)
            if information == 1.0:
                weights = torch.ones(len(deviations), dtype=torch.float64)
                return FittedLaw.of(prior, functions, deviations, weights), deviations

    def _moved(
        self, target: Fitted, now: Position, log_step: float, seed: int, number: int, move: int
    ) -> tuple[Position, float]:
        """One step of all, and the logarithm of the next one's length."""
        kernel = PreconditionedCrankNicolson()
        random = generator(seed, Stream.ANNEALING, number, move)
        normals = random.standard_normal((self.particles, target.prior.normals))
        noise = target.prior.draw(torch.from_numpy(normals))
        uniform = torch.from_numpy(random.random((self.particles, 1)))
        step = torch.full((self.particles,), math.exp(log_step), dtype=torch.float64)
        now, probability = kernel.advance(target, now, step, noise, uniform)
        longer = log_step + float(probability.mean()) - kernel.acceptance
        return now, min(longer, math.log(kernel.largest))


def _at(posterior: Posterior, information: float) -> Posterior:
    """With errors so wide that data have this share of their information."""
    likelihood = posterior.likelihood.widened(information**-0.5)
    return replace(posterior, likelihood=likelihood)


def _potential(posterior: Posterior, observed: Tensor, information: float) -> Tensor:
    """Φ of what is observed of an ensemble, (particles,); ∞ where nothing is."""
    if information == 0.0:
        return torch.where(observed.isfinite().all(-1), 0.0, torch.inf)
    potential = _at(posterior, information).likelihood.potential(observed, posterior.data)
    return potential.nan_to_num(nan=torch.inf, posinf=torch.inf)


def _weights(before: Tensor, after: Tensor) -> Tensor:
    """Weights that sum to one, (particles,), zero where Φ = ∞; not numbers where it always is."""
    gained = torch.where(after.isinf(), -torch.inf, before - after)
    return torch.softmax(gained, 0)


def _next(posterior: Posterior, observed: Tensor, before: Tensor, information: float) -> float:
    """The most information with which ``KEPT`` of the ensemble is left in effect."""

    def left(candidate: float) -> float:
        weights = _weights(before, _potential(posterior, observed, candidate))
        return float(weights.sum().square() / weights.square().sum()) / len(weights)

    if left(1.0) >= KEPT:
        return 1.0
    low, high = math.log(max(information, _WIDEST)), 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if left(math.exp(middle)) >= KEPT else (low, middle)
    found = math.exp(low)
    if found <= information * (1 + 1e-9):
        raise ArithmeticError(
            f"an ensemble of {len(before)} cannot follow the data beyond {information:.1e} of "
            "their information: raise particles"
        )
    return found


def _resampled(weights: Tensor, seed: int, number: int) -> Tensor:
    """Which particles go on, systematically."""
    count = len(weights)
    random = generator(seed, Stream.ANNEALING, number)
    places = (torch.arange(count, dtype=torch.float64) + random.random()) / count
    edges = weights.cumsum(0)
    return torch.searchsorted(edges / edges[-1], places).clamp_max(count - 1)
