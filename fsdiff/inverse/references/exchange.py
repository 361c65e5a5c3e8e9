"""Chains with wider and wider errors beside those of a posterior, which swap where they are.

Replica exchange (Hukushima and Nemoto, J. Phys. Soc. Japan, 1996): chains at little information
move between modes, and bring the others there. Neighbours swap in turns, even pairs and odd ones,
so that replicas travel instead of diffusing (Syed, Bouchard-Côté, Deligiannidis and Doucet,
"Non-reversible parallel tempering", JRSS B, 2022).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from fsdiff.inverse.references.beginnings import Held
from fsdiff.inverse.references.chains import Chains, Plan, State
from fsdiff.inverse.references.fitted import Fitted
from fsdiff.inverse.references.kernels import Kernel, Position, Share
from fsdiff.inverse.references.ladder import Rung
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.randomness import generator
from fsdiff.streams import Stream


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Chains at powers of the likelihood, neighbours of which swap after every ``every``-th step.

    There are as many as it takes for the share ``swaps`` of these to be accepted, by what the
    annealed ensemble tells, and ``replicas`` of each chain at most. Only those of the posterior
    itself are kept; each step takes as many maps as there are replicas.

    Good values: the defaults, for posteriors with several modes.
    """

    swaps: Share = 0.3
    every: PositiveInt = 1
    replicas: Annotated[int, Field(ge=1, le=64)] = 32
    kind: Literal["exchange"] = "exchange"


@dataclass
class Replicas:
    """Chains side by side, those of the posterior first; one set alone swaps with nobody.

    ``informations`` are those of the sets, from 1 down. ``swapped`` sums the probabilities with
    which neighbours swapped after burn-in, which they tried ``tried`` times. ``journeys`` counts
    replicas that came from the last set to the first; ``returning`` (sets, chains) says where those
    are that are on their way.
    """

    sets: Sequence[Chains]
    informations: Sequence[float] = (1.0,)
    every: int = 1
    swapped: Tensor = field(init=False)
    tried: Tensor = field(init=False)
    returning: Tensor = field(init=False)
    journeys: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Nothing has been swapped."""
        gaps = len(self.sets) - 1
        self.swapped = torch.zeros(gaps, dtype=torch.float64)
        self.tried = torch.zeros(gaps, dtype=torch.float64)
        self.returning = torch.zeros(len(self.sets), self.cold.plan.chains, dtype=torch.bool)

    @classmethod
    def on(
        cls,
        rungs: Sequence[Rung],
        posterior: Posterior,
        kernel: Kernel,
        plan: Plan,
        seed: int,
        every: int = 1,
    ) -> Self:
        """Chains on the rungs of a ladder, the first of which are what they are without others."""
        sets = []
        for number, rung in enumerate(rungs):
            own = plan if number == 0 else replace(plan, thin=max(1, plan.steps // 4))
            seeds = generator(seed, Stream.EXCHANGE, number)
            own_seed = seed if number == 0 else int(seeds.integers(2**63))
            about = Fitted.about(posterior.widened(rung.information), rung.law)
            start = rung.deviations - rung.law.shift
            sets.append(Chains(about, kernel, own, own_seed, start))
        return cls(sets, [rung.information for rung in rungs], every)

    @property
    def cold(self) -> Chains:
        """Those of the posterior itself."""
        return self.sets[0]

    @property
    def step(self) -> int:
        """How many have been made."""
        return self.cold.state.step if self.cold.state else 0

    @property
    def diagnostics(self) -> dict[str, Sequence[float]]:
        """Informations, shares of swaps accepted after burn-in, journeys for each of the chains."""
        if len(self.sets) == 1:
            return {}
        rates = (self.swapped / self.tried).tolist()
        journeys = [self.journeys / self.cold.plan.chains]
        return {"information": self.informations, "swap_rates": rates, "journeys": journeys}

    def run(self, until: int, progress: Callable[[int], object] = lambda steps: None) -> int:
        """Go on to step ``until``, or to the end; the step that is reached."""
        end = min(until, self.cold.total)
        while self.step < end:
            before, alone = self.step, len(self.sets) == 1
            pause = end if alone else min(end, before - before % self.every + self.every)
            for chains in self.sets:
                chains.run(pause)
            if not alone and pause % self.every == 0:
                self._swap(pause // self.every)
            progress(pause - before)
        return self.step

    def held(self) -> Held:
        """All that the rest of the run depends on."""
        tensors, counts = {name: getattr(self, name) for name in _COUNTED}, []
        for number, chains in enumerate(self.sets):
            assert chains.state is not None  # or nothing has run
            own = chains.state.tensors()
            tensors |= {f"{number}.{name}": tensor for name, tensor in own.items()}
            counts.append(chains.state.counts())
        return Held(tensors, {"journeys": self.journeys, "sets": counts})

    def restore(self, held: Held) -> None:
        """Go on from there; KeyError, TypeError or ValueError where it is of other chains."""
        counts = held.values["sets"]
        if len(counts) != len(self.sets):
            raise ValueError("these are other chains")
        states = [_restored(held, *each) for each in enumerate(self.sets)]
        counted = {name: held.tensors[name].clone() for name in _COUNTED}
        self.journeys = int(held.values["journeys"])
        for name, tensor in counted.items():
            setattr(self, name, tensor)
        for chains, state in zip(self.sets, states, strict=True):
            chains.state = state

    def _swap(self, number: int) -> None:
        """Neighbours swap, in pairs that take turns; what comes from the last set is marked."""
        random = generator(self.cold.seed, Stream.EXCHANGE, 0, number)
        uniform = torch.from_numpy(random.random((len(self.sets) - 1, self.cold.plan.chains)))
        for gap in range(number % 2, len(self.sets) - 1, 2):
            probability = self._swap_neighbours(gap, uniform[gap])
            if self.step > self.cold.plan.burn_in:
                self.swapped[gap] += probability.mean()
                self.tried[gap] += 1
        self.returning[-1] = True
        if self.step > self.cold.plan.burn_in:
            self.journeys += int(self.returning[0].sum())
        self.returning[0] = False

    def _swap_neighbours(self, gap: int, uniform: Tensor) -> Tensor:
        """The probability with which each chain was to swap with the one above it, (chains,)."""
        pair = [
            _Seen(chains, self.informations[gap + i])
            for i, chains in enumerate(self.sets[gap : gap + 2])
        ]
        own = [seen.raw for seen in pair]
        before = pair[0].weight(own[0].potential) + pair[1].weight(own[1].potential)
        after = pair[0].weight(own[1].potential) + pair[1].weight(own[0].potential)
        ratio = (before - after).nan_to_num(nan=-torch.inf)
        accepted = uniform.log() < ratio
        pair[0].take(own[1], accepted)
        pair[1].take(own[0], accepted)
        labels = self.returning[gap : gap + 2]
        self.returning[gap : gap + 2] = torch.where(accepted, labels.flip(0), labels)
        return ratio.clamp(max=0.0).exp()


_COUNTED = ("swapped", "tried", "returning")


def _restored(held: Held, number: int, chains: Chains) -> State:
    """The state of one of the sets; ValueError where it is that of others."""
    prefix, tensors = f"{number}.", held.tensors
    own = {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)}
    state = State.restored(own, held.values["sets"][number])
    expected = (chains.plan.draws, chains.plan.chains, *chains.posterior.prior.shape)
    if tuple(state.draws.shape) != expected or state.step > chains.total:
        raise ValueError("these are other chains")
    return state


@dataclass
class _Seen:
    """A set of chains, seen from the prior and without the width of its errors."""

    chains: Chains
    information: float

    @property
    def about(self) -> Fitted:
        """The posterior that they draw from."""
        assert isinstance(self.chains.posterior, Fitted)
        return self.chains.posterior

    @property
    def state(self) -> State:
        """Where they are."""
        assert self.chains.state is not None
        return self.chains.state

    @property
    def raw(self) -> Position:
        """Deviations from the prior's mean, misfits, and gradients of these if there are any."""
        position = self.state.position
        gradient = position.gradient
        if gradient is not None:
            gradient = (gradient - self.about.slope(position.deviation)) / self.information
        misfit = self.about.misfit(position.deviation, position.potential) / self.information
        return Position(position.deviation + self.about.law.shift, misfit, gradient)

    def weight(self, misfit: Tensor) -> Tensor:
        """Φ here of fields with these misfits."""
        potential = self.information * misfit
        return torch.where(potential <= self.about.likelihood.limit, potential, torch.inf)

    def take(self, raw: Position, accepted: Tensor) -> None:
        """Be there, where that is accepted."""
        deviation = raw.deviation - self.about.law.shift
        potential = self.weight(raw.potential) + self.about.difference(deviation)
        now = self.state.position
        chosen = accepted.view(-1, *[1] * (deviation.ndim - 1))
        gradient = None
        if now.gradient is not None and raw.gradient is not None:
            there = self.information * raw.gradient + self.about.slope(deviation)
            gradient = torch.where(chosen, there, now.gradient)
        self.state.position = Position(
            torch.where(chosen, deviation, now.deviation),
            torch.where(accepted, potential, now.potential),
            gradient,
        )
