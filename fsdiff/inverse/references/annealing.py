"""From the prior to the posterior with an ensemble: where chains start, and the law of their steps.

Sequential Monte Carlo on functions (Beskos, Jasra, Muzaffer and Stuart, "Sequential Monte Carlo
methods for Bayesian elliptic inverse problems", Statistics and Computing, 2015).
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from fsdiff.inverse.references.beginnings import Beginning, Begun, Course, Held
from fsdiff.inverse.references.fitted import Fitted, FittedLaw, coordinate_functions
from fsdiff.inverse.references.kernels import Kernel, PreconditionedCrankNicolson
from fsdiff.inverse.references.ladder import Stage, misfits, stacked, unstacked
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.randomness import generator
from fsdiff.streams import Stream
from fsdiff.threads import single_thread

KEPT = 0.5
"""The effective share of an ensemble that an error less wide leaves."""

_KERNEL, _FIRST = PreconditionedCrankNicolson(), 0.5
"""That of the ensemble, and its first step."""

_USUAL = 20
"""How often errors are narrowed, usually."""

_WIDEST = 1e-12
"""The least information of an error, that of the likelihood being 1, that counts as any."""


@dataclass(frozen=True, kw_only=True)
class Annealing(Beginning):
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

    def length(self, chains: int) -> int:
        """For as many narrowings as are usual."""
        return _USUAL * self.moves * self.particles // chains

    def course(
        self, posterior: Posterior, kernel: Kernel, chains: int, seed: int, held: Held | None = None
    ) -> "Ensemble":
        """The way of the ensemble, of which chains are some members in the end."""
        ensemble = Ensemble(self, posterior, kernel, chains, seed)
        ensemble.start(held)
        return ensemble


@dataclass
class Ensemble(Course):
    """An ensemble on its way: at ``information``, ``moved`` moves after the last narrowing.

    ``first`` is the information after the first narrowing, from where the way is measured.
    """

    settings: Annealing
    posterior: Posterior
    kernel: Kernel
    chains: int
    seed: int

    @single_thread()
    @torch.no_grad()
    def start(self, held: Held | None) -> None:
        """From draws of the prior, or from where an earlier run has come."""
        prior, count = self.posterior.prior, self.settings.particles
        self.functions = coordinate_functions(prior, self.settings.modes)
        if held is None:
            start = generator(self.seed, Stream.ANNEALING).standard_normal((count, prior.normals))
            self.information, self.number, self.log_step = 0.0, 0, math.log(_FIRST)
            self.stages: list[Stage] = []
            self._narrow(prior.draw(torch.from_numpy(start)))
            self.first = self.information
            return
        tensors, values = held
        self.information, self.first = float(values["information"]), float(values["first"])
        self.number, self.moved = int(values["number"]), int(values["moved"])
        self.log_step = float(values["log_step"])
        self.law = FittedLaw(prior, self.functions, tensors["centre"], tensors["factor"])
        self.stages = unstacked(tensors, values["shares"], prior, self.functions)
        self._stand(tensors["deviation"])

    @property
    def share(self) -> float:
        """By the logarithm of the information; 1 once the last moves are made."""
        if self._arrived:
            return 1.0
        way = max(-math.log(self.first), 1.0)
        moves = self.moved / self.settings.moves
        return 0.9 * (1 + math.log(self.information) / way) + 0.1 * moves * self._last

    @single_thread()
    @torch.no_grad()
    def move(self) -> str:
        """One step of all; after the last at this information, errors are narrowed."""
        self._step()
        self.moved += 1
        text = f"move {self.moved} of {self.settings.moves} at {self.information:.1e}"
        if self.moved == self.settings.moves and not self._last:
            self._narrow(self.position.deviation + self.law.shift)
        return f"{text} of the information"

    def held(self) -> Held:
        """The law, and where the ensemble is."""
        position = {"deviation": self.position.deviation}
        law = {"centre": self.law.centre, "factor": self.law.factor}
        passed, shares = stacked(self.stages)
        names = ("information", "first", "number", "moved", "log_step")
        values = {name: getattr(self, name) for name in names} | {"shares": shares}
        return Held(position | law | passed, values)

    def begun(self) -> Begun:
        """About the law with the moments of the ensemble, from some members of it."""
        deviations = self.position.deviation + self.law.shift
        last = self._stage(deviations, self.posterior.observed(deviations))
        return Begun(last.law, last.deviations, self.kernel.first, [*self.stages, last])

    @property
    def _last(self) -> bool:
        return self.information == 1.0

    @property
    def _arrived(self) -> bool:
        return self._last and self.moved == self.settings.moves

    def _narrow(self, deviations: Tensor) -> None:
        """Narrow the errors, and draw the ensemble again in proportion to its weights."""
        self.number, self.moved = self.number + 1, 0
        observed = self.posterior.observed(deviations)
        self.stages.append(self._stage(deviations, observed))
        before = _potential(self.posterior, observed, self.information)
        self.information = _next(self.posterior, observed, before, self.information)
        weights = _weights(before, _potential(self.posterior, observed, self.information))
        self.law = FittedLaw.of(self.posterior.prior, self.functions, deviations, weights)
        self._stand(deviations[_resampled(weights, self.seed, self.number)] - self.law.shift)

    def _stage(self, deviations: Tensor, observed: Tensor) -> Stage:
        """What the ensemble is at this information: draws of the prior at none."""
        prior, weights = self.posterior.prior, torch.ones(len(deviations), dtype=torch.float64)
        law = FittedLaw.of(prior, self.functions, deviations, weights)
        if self.information == 0.0:
            law = FittedLaw(
                prior, self.functions, 0 * law.centre, torch.eye(len(law.centre)).double()
            )
        chosen = torch.arange(self.chains) * len(deviations) // self.chains
        seen = misfits(self.posterior, observed)
        return Stage(self.information, seen, law, deviations[chosen])

    def _stand(self, deviations: Tensor) -> None:
        """Where the ensemble is, from the mean of the law."""
        self.target = Fitted.about(self.posterior.widened(self.information), self.law)
        self.position = _KERNEL.start(self.target, deviations)

    def _step(self) -> None:
        """One step of all, and the logarithm of the next one's length."""
        prior, count = self.target.prior, self.settings.particles
        random = generator(self.seed, Stream.ANNEALING, self.number, self.moved)
        noise = prior.draw(torch.from_numpy(random.standard_normal((count, prior.normals))))
        uniform = torch.from_numpy(random.random((count, 1)))
        step = torch.full((count,), math.exp(self.log_step), dtype=torch.float64)
        self.position, accepted = _KERNEL.advance(self.target, self.position, step, noise, uniform)
        longer = self.log_step + float(accepted.mean()) - _KERNEL.acceptance
        self.log_step = min(longer, math.log(_KERNEL.largest))


def _potential(posterior: Posterior, observed: Tensor, information: float) -> Tensor:
    """Φ of what is observed of an ensemble, (particles,); ∞ where nothing is."""
    if information == 0.0:
        return torch.where(observed.isfinite().all(-1), 0.0, torch.inf)
    potential = posterior.widened(information).likelihood.potential(observed, posterior.data)
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
