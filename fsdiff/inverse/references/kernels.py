"""Steps of Markov chains on functions, for all chains at once.

Both leave the posterior invariant at every resolution, and accept as often on fine grids as on
coarse ones: what would leave the prior's support is never proposed.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.inverse.forward.base import nodes
from fsdiff.inverse.references.posterior import Posterior

Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass
class Position:
    """Where chains are: deviations (chains, *shape), Φ (chains,), its gradient if one is used."""

    deviation: Tensor
    potential: Tensor
    gradient: Tensor | None = None


class Kernel(ABC):
    """A Markov kernel; ``uniforms`` is how many uniform numbers a step of a chain takes.

    Each chain has a step of its own, which is adapted during burn-in until it accepts the share
    ``acceptance`` of its proposals, at most ``largest``.
    """

    uniforms: ClassVar[int]
    gradient: ClassVar[bool]
    kind: str
    acceptance: Share
    first: PositiveFloat

    @property
    def largest(self) -> float:
        """The longest step."""
        return 1.0

    def check(self, posterior: Posterior) -> None:
        """Raise ValueError where it follows gradients and the posterior has none."""
        if self.gradient and not posterior.differentiable:
            raise ValueError(f"reference '{self.kind}' follows gradients: use 'pcn' instead")

    def start(self, posterior: Posterior, deviation: Tensor) -> Position:
        """A position at these deviations; ValueError where the posterior has no gradient."""
        self.check(posterior)
        if not self.gradient:
            return Position(deviation, posterior.potential(deviation))
        return Position(deviation, *posterior.gradient(deviation))

    def beginning(self, step: float) -> Self:
        """The same with another first step."""
        return replace(self, first=min(step, self.largest))  # type: ignore[type-var]

    @abstractmethod
    def advance(
        self, posterior: Posterior, now: Position, step: Tensor, noise: Tensor, uniform: Tensor
    ) -> tuple[Position, Tensor]:
        """The next position, and the probability with which each proposal was to be accepted.

        ``step`` is (chains,), ``noise`` draws from N(0, C), ``uniform`` (chains, uniforms).
        """


@dataclass(frozen=True, kw_only=True)
class PreconditionedCrankNicolson(Kernel):
    """q' = √(1 − β²) q + β ξ with ξ ~ N(0, C), accepted with min(1, exp(Φ(q) − Φ(q'))).

    Cotter, Roberts, Stuart and White (Statistical Science, 2013). It needs no gradient.
    """

    acceptance: Share = 0.3
    first: PositiveFloat = 0.1
    kind: Literal["pcn"] = "pcn"
    uniforms: ClassVar[int] = 1
    gradient: ClassVar[bool] = False

    def advance(
        self, posterior: Posterior, now: Position, step: Tensor, noise: Tensor, uniform: Tensor
    ) -> tuple[Position, Tensor]:
        """One proposal for each chain."""
        beta = _each(step, noise)
        deviation = torch.addcmul(beta * noise, (1 - beta.square()).sqrt(), now.deviation)
        proposal = Position(deviation, posterior.potential(deviation))
        return _decided(now, proposal, torch.zeros_like(step), uniform[:, 0])


@dataclass(frozen=True, kw_only=True)
class HamiltonianMonteCarlo(Kernel):
    """Hamiltonian dynamics that preserve N(0, C), in ``leapfrogs`` steps of a random length.

    Beskos, Pinski, Sanz-Serna and Stuart (SPA, 2011): half a kick −(h/2) C ∇Φ, a rotation of
    position and velocity by the angle h, half a kick. The change of energy is summed from the
    kicks, so that it stays finite as the grid is refined. h is drawn for each trajectory from
    0.8 … 1.2 of the step, against orbits that close. Needs the gradient, ``leapfrogs`` times.
    A trajectory is ``turn`` of a turn at most: a quarter leaves nothing of where it began, a half
    mirrors it. Posteriors that are skewed want more leapfrogs, and a whole turn or two.
    """

    acceptance: Share = 0.8
    first: PositiveFloat = 0.02
    leapfrogs: PositiveInt = 10
    turn: Annotated[float, Field(gt=0, le=16)] = 0.25
    kind: Literal["hmc"] = "hmc"
    uniforms: ClassVar[int] = 2
    gradient: ClassVar[bool] = True

    @property
    def largest(self) -> float:
        """A share of ``turn``, and no more than an eighth of a turn."""
        return 2 * math.pi * min(1 / 8, self.turn / self.leapfrogs)

    def advance(
        self, posterior: Posterior, now: Position, step: Tensor, noise: Tensor, uniform: Tensor
    ) -> tuple[Position, Tensor]:
        """One trajectory for each chain."""
        h = step * (0.8 + 0.4 * uniform[:, 1])
        angle = _each(h, noise)
        cosine, sine = angle.cos(), angle.sin()
        moving, velocity, force = now, noise, self._force(posterior, now)
        energy = torch.zeros_like(h)
        for _ in range(self.leapfrogs):
            velocity, gained = _kick(moving, velocity, force, h)
            energy += gained
            deviation = cosine * moving.deviation + sine * velocity
            velocity = cosine * velocity - sine * moving.deviation
            moving = Position(deviation, *posterior.gradient(deviation))
            force = self._force(posterior, moving)
            velocity, gained = _kick(moving, velocity, force, h)
            energy += gained
        return _decided(now, moving, energy, uniform[:, 0])

    def _force(self, posterior: Posterior, at: Position) -> Tensor:
        assert at.gradient is not None
        return posterior.prior.covariance(at.gradient)


def _kick(at: Position, velocity: Tensor, force: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """v − (h/2) C ∇Φ, and by how much ½|v|²_C has grown; ``force`` is C ∇Φ."""
    assert at.gradient is not None
    along, size = (_inner(at.gradient, each) for each in (velocity, force))
    half = h / 2
    return velocity - _each(half, force) * force, half * (0.5 * half * size - along)


def _decided(
    now: Position, proposal: Position, energy: Tensor, uniform: Tensor
) -> tuple[Position, Tensor]:
    """The proposal where a uniform number says so, and the probability of that.

    ``energy`` is what the proposal has gained beside Φ. Chains that start where Φ = ∞ follow the
    prior until they have left; what is not a number is worse than all else.
    """
    ratio = (now.potential - proposal.potential - energy).nan_to_num(nan=-torch.inf)
    ratio = torch.where(torch.isinf(now.potential), 0.0, ratio)
    accepted = uniform.log() < ratio
    chosen = _each(accepted, now.deviation)
    gradient = None
    if now.gradient is not None and proposal.gradient is not None:
        gradient = torch.where(chosen, proposal.gradient, now.gradient)
    position = Position(
        torch.where(chosen, proposal.deviation, now.deviation),
        torch.where(accepted, proposal.potential, now.potential),
        gradient,
    )
    return position, ratio.clamp(max=0.0).exp()


def _inner(u: Tensor, v: Tensor) -> Tensor:
    """⟨u, v⟩, means over nodes, sums over channels, (chains,)."""
    return (u * v).flatten(1).sum(1) / nodes(u)


def _each(values: Tensor, like: Tensor) -> Tensor:
    """A number for each chain, to multiply fields."""
    return values.view(-1, *[1] * (like.ndim - 1))
