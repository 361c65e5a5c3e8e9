"""Steps of chains that fit the posterior, learned from draws and gradients of shorter chains.

The law is the normal one with the least Fisher divergence from what was drawn: its covariance is
the geometric mean of that of the draws and the inverse of that of the gradients (Seyboldt, Carlson
and Carpenter, "Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence", arXiv
2603.18845). It differs from the prior in as many coordinates as are asked for, so that chains about
it accept as often on fine grids as on coarse ones.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from fsdiff.inverse.references.beginnings import Beginning, Begun, Course, Held
from fsdiff.inverse.references.chains import Chains, Plan, State
from fsdiff.inverse.references.fitted import Fitted, FittedLaw, coordinate_functions
from fsdiff.inverse.references.kernels import Kernel
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.randomness import generator
from fsdiff.streams import Stream
from fsdiff.threads import single_thread

_MOVE = 8
"""Steps of a move."""


@dataclass(frozen=True, kw_only=True)
class Adaptation(Beginning):
    """Rounds of chains, each about the law that the one before it has told.

    The first takes ``steps`` about the prior, from draws of it, and each of the ``rounds`` twice as
    many as the one before; the second half of a round tells the law of the next one. This
    is fitted in the ``modes`` coordinates that vary most in the prior. Follows gradients.

    Good values: as many modes as there are data.
    """

    rounds: Annotated[int, Field(ge=1, le=12)] = 5
    steps: Annotated[int, Field(ge=8, le=100_000)] = 20
    modes: Annotated[PositiveInt, Field(le=1024)] = 64
    kind: Literal["fisher"] = "fisher"

    def check_kernel(self, kernel: Kernel) -> None:
        """Refuse those that follow no gradients."""
        if not kernel.gradient:
            raise ValueError(
                f"adaptation: '{self.kind}' is for kernels that follow gradients, and "
                f"'{kernel.kind}' does not: use kernel: {{kind: hmc}} or annealing"
            )

    def length(self, chains: int) -> int:
        """The steps of all rounds."""
        return self.steps * (2**self.rounds - 1)

    def course(
        self, posterior: Posterior, kernel: Kernel, chains: int, seed: int, held: Held | None = None
    ) -> "Rounds":
        """The rounds, one after the other."""
        functions = coordinate_functions(posterior.prior, self.modes)
        rounds = Rounds(self, posterior, kernel, chains, seed, functions)
        if held is not None:
            rounds.restore(held)
        return rounds


@dataclass
class Rounds(Course):
    """``round`` is under way, with steps about ``law`` that are of the length ``step`` at first."""

    settings: Adaptation
    posterior: Posterior
    kernel: Kernel
    count: int
    seed: int
    functions: Tensor

    def __post_init__(self) -> None:
        """Begin with the prior."""
        self.round, self.step = 0, self.kernel.first
        prior, size = self.posterior.prior, len(self.functions)
        centre, factor = torch.zeros(size).double(), torch.eye(size, dtype=torch.float64)
        self.law = FittedLaw(prior, self.functions, centre, factor)
        self.chains = self._chains(start=None)

    @property
    def share(self) -> float:
        """By steps."""
        before = self.settings.steps * (2**self.round - 1)
        state = self.chains.state
        return (before + (state.step if state else 0)) / self.settings.length(self.count)

    @single_thread()
    @torch.no_grad()
    def move(self) -> str:
        """Some steps; at the end of a round the next one is prepared."""
        reached = self.chains.state.step if self.chains.state else 0
        reached = self.chains.run(reached + _MOVE).step
        text = f"step {reached} of {self.chains.total}, round {self.round + 1}"
        if reached == self.chains.total:
            self._next()
        return f"{text} of {self.settings.rounds}"

    def held(self) -> Held:
        """The law, and where chains are."""
        state = self.chains.state
        tensors = {"centre": self.law.centre, "factor": self.law.factor}
        values = {"round": self.round, "first_step": self.step}
        if state is None:
            assert self.chains.start is not None  # or no move was made
            return Held(tensors | {"start": self.chains.start}, values)
        return Held(tensors | state.tensors(), values | state.counts())

    def restore(self, held: Held) -> None:
        """Go on from there."""
        tensors, values = dict(held.tensors), held.values
        centre, factor = tensors.pop("centre"), tensors.pop("factor")
        self.law = FittedLaw(self.posterior.prior, self.functions, centre, factor)
        self.round, self.step = int(values["round"]), float(values["first_step"])
        self.chains = self._chains(tensors.pop("start", None))
        if tensors:
            self.chains.state = State.restored(tensors, values)

    def begun(self) -> Begun:
        """About the law of the last round, from where it has ended."""
        assert self.chains.start is not None
        return Begun(self.law, self.chains.start + self.law.shift, self.step)

    def _next(self) -> None:
        state = self.chains.state
        assert state is not None
        shift, drawn = self.law.shift, state.draws.flatten(0, 1).double()
        parts = (drawn + shift).split(self.count)
        gradients = torch.cat([self.posterior.gradient(part)[1] for part in parts])
        prior = self.posterior.prior
        self.law = FittedLaw.between(prior, self.functions, drawn + shift, gradients)
        self.step = float(state.log_step.mean().exp())
        self.round += 1
        self.chains = self._chains(state.position.deviation + shift - self.law.shift)

    def _chains(self, start: Tensor | None) -> Chains:
        """Those of the round."""
        length = self.settings.steps * 2**self.round
        plan = Plan(chains=self.count, burn_in=length // 2, steps=length - length // 2, thin=1)
        seed = int(generator(self.seed, Stream.ADAPTATION, self.round).integers(2**63))
        about = Fitted.about(self.posterior, self.law)
        return Chains(about, self.kernel.beginning(self.step), plan, seed, start)
