"""Chains that run side by side, can stop after any step, and go on bit for bit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from fsdiff.inverse.references.convergence import EFFECTIVE, R_HAT, convergence
from fsdiff.inverse.references.kernels import Kernel, Position
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.randomness import generator
from fsdiff.streams import Stream
from fsdiff.threads import single_thread

_NUMBERS, _STEPS = 2**16, 1024
"""Random numbers of a chain, and steps, for which proposals are made at once."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long chains run: ``burn_in`` steps that adapt, then ``steps``, every ``thin``-th kept."""

    chains: Annotated[int, Field(ge=2, le=64)] = 8
    burn_in: NonNegativeInt = 10_000
    steps: PositiveInt = 100_000
    thin: PositiveInt = 100

    def __post_init__(self) -> None:
        """Refuse plans that keep too little to judge."""
        if self.draws < 4:
            raise ValueError(
                f"steps = {self.steps} and thin = {self.thin} keep {self.draws} draws of a chain; "
                "convergence is judged from 4 or more: raise steps or lower thin"
            )

    @property
    def draws(self) -> int:
        """Draws that are kept of each chain."""
        return self.steps // self.thin


@dataclass
class State:
    """All that the rest of a run depends on, and what has been kept.

    ``step`` counts steps made; ``log_step`` and ``average`` are (chains,), the logarithm of the
    kernel's step and its sum over the second half of burn-in; ``accepted`` sums probabilities of
    acceptance after it. ``draws`` are deviations (draws, chains, *shape) in single precision, with
    their Φ, ``misfits`` (draws, chains), and ``leading`` coefficients (draws, chains, count).
    """

    position: Position
    log_step: Tensor
    average: Tensor
    accepted: Tensor
    draws: Tensor
    misfits: Tensor
    leading: Tensor
    step: int = 0
    kept: int = 0

    def tensors(self) -> dict[str, Tensor]:
        """By name, for ``fsdiff.data.tensors.write``; ``counts`` belong beside them."""
        names = ("log_step", "average", "accepted", "draws", "misfits", "leading")
        found = {name: getattr(self, name) for name in names}
        found |= {"deviation": self.position.deviation, "potential": self.position.potential}
        if self.position.gradient is not None:
            found["gradient"] = self.position.gradient
        return found

    def counts(self) -> dict[str, int]:
        """Plain values that belong beside the tensors."""
        return {"step": self.step, "kept": self.kept}

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor], counts: Mapping[str, Any]) -> "State":
        """From what ``tensors`` and ``counts`` gave."""
        rest = {key: value.clone() for key, value in tensors.items()}
        position = Position(
            rest.pop("deviation"), rest.pop("potential"), rest.pop("gradient", None)
        )
        return cls(position, **rest, step=int(counts["step"]), kept=int(counts["kept"]))


@dataclass
class Chains:
    """A run of ``plan.chains`` chains of a kernel that leaves the posterior invariant.

    Chain c depends on (seed, c) only, up to rounding in matrix products of several fields. They
    start from draws of the prior, unless ``start`` gives deviations (chains, *shape) or ``state``
    what an earlier run has reached.
    """

    posterior: Posterior
    kernel: Kernel
    plan: Plan
    seed: int
    start: Tensor | None = None
    state: State | None = None
    _block: tuple[int, Tensor, Tensor] = field(init=False, repr=False, default=None)  # type: ignore[assignment]

    @property
    def total(self) -> int:
        """Steps of a chain in all."""
        return self.plan.burn_in + self.plan.steps

    @single_thread()
    @torch.no_grad()
    def run(
        self, until: int | None = None, progress: Callable[[int], object] | None = None
    ) -> State:
        """Go on to step ``until``, or to the end; ``progress`` is told of steps, block by block."""
        state = self.state = self._checked(self.state) if self.state else self._first()
        end = self.total if until is None else min(until, self.total)
        length = self._length
        while state.step < end:
            noise, uniform = self._proposals(state.step // length)
            first, last = state.step % length, min(length, state.step % length + end - state.step)
            for number in range(first, last):
                self._advance(state, noise[number], uniform[number])
            if progress is not None:
                progress(last - first)
        return state

    def fields(self) -> Tensor:
        """Draws (draws, chains, *shape) of the posterior, in single precision."""
        if self.state is None:
            raise ValueError("chains have not run: call run() before fields()")
        return (self.posterior.prior.mean + self.state.draws[: self.state.kept]).float()

    def quantities(self) -> dict[str, Tensor]:
        """What convergence is judged by, (draws, chains) each: Φ and the leading coefficients."""
        if self.state is None:
            raise ValueError("chains have not run: call run() before quantities()")
        kept = self.state.kept
        leading = self.state.leading[:kept]
        found = {"potential": self.state.misfits[:kept]}
        return found | {f"mode {k}": leading[..., k] for k in range(leading.shape[-1])}

    def reference(self, r_hat: float = R_HAT, effective: float = EFFECTIVE) -> Tensor:
        """Run to the end; all draws (draws · chains, *shape), in single precision.

        NotConvergedError where R̂ or an effective sample size says that they are no reference.
        """
        self.run()
        convergence(self.quantities()).check(r_hat, effective)
        return self.fields().flatten(0, 1)

    def acceptance(self) -> Tensor:
        """Share of proposals that each chain has accepted after burn-in, (chains,)."""
        if self.state is None or self.state.step <= self.plan.burn_in:
            raise ValueError("chains are still in burn-in: nothing has been accepted yet")
        return self.state.accepted / (self.state.step - self.plan.burn_in)

    @property
    def _length(self) -> int:
        return max(1, min(_STEPS, _NUMBERS // self.posterior.prior.normals))

    def _first(self) -> State:
        prior, chains = self.posterior.prior, self.plan.chains
        deviation = self.start
        if deviation is None:
            normals = [
                generator(self.seed, Stream.CHAIN_START, chain).standard_normal(prior.normals)
                for chain in range(chains)
            ]
            deviation = prior.draw(torch.from_numpy(np.stack(normals)))
        if tuple(deviation.shape) != (chains, *prior.shape):
            raise ValueError(
                f"start has shape {tuple(deviation.shape)}; expected {(chains, *prior.shape)}, "
                "a deviation for each chain"
            )
        deviation = deviation.double().clone()
        zero = torch.zeros(chains, dtype=torch.float64)
        monitored = prior.leading(deviation).shape[-1]
        return State(
            self.kernel.start(self.posterior, deviation),
            zero + float(np.log(self.kernel.first)),
            zero.clone(),
            zero.clone(),
            torch.zeros(self.plan.draws, chains, *prior.shape),
            torch.zeros(self.plan.draws, chains, dtype=torch.float64),
            torch.zeros(self.plan.draws, chains, monitored, dtype=torch.float64),
        )

    def _checked(self, state: State) -> State:
        expected = (self.plan.draws, self.plan.chains, *self.posterior.prior.shape)
        if tuple(state.draws.shape) != expected:
            raise ValueError(
                f"state has room for draws {tuple(state.draws.shape)} and the plan asks for "
                f"{expected}: it is of another run; start without it"
            )
        return state

    def _proposals(self, block: int) -> tuple[Tensor, Tensor]:
        """Noise (steps, chains, *shape) and uniform numbers (steps, chains, count) of a block."""
        if self._block is None or self._block[0] != block:
            prior, chains, length = self.posterior.prior, self.plan.chains, self._length
            normals = np.empty((length, chains, prior.normals))
            uniform = np.empty((length, chains, self.kernel.uniforms))
            for chain in range(chains):
                random = generator(self.seed, Stream.CHAIN_STEP, chain, block)
                normals[:, chain] = random.standard_normal((length, prior.normals))
                uniform[:, chain] = random.random((length, self.kernel.uniforms))
            noise = prior.draw(torch.from_numpy(normals))
            self._block = block, noise, torch.from_numpy(uniform)
        return self._block[1:]

    def _advance(self, state: State, noise: Tensor, uniform: Tensor) -> None:
        step = state.log_step.exp()
        state.position, probability = self.kernel.advance(
            self.posterior, state.position, step, noise, uniform
        )
        state.step += 1
        if state.step <= self.plan.burn_in:
            self._adapt(state, probability)
            return
        state.accepted += probability
        after = state.step - self.plan.burn_in
        if after % self.plan.thin == 0 and state.kept < self.plan.draws:
            posterior, deviation = self.posterior, state.position.deviation
            state.draws[state.kept] = deviation
            state.misfits[state.kept] = posterior.misfit(deviation, state.position.potential)
            state.leading[state.kept] = posterior.prior.leading(deviation)
            state.kept += 1

    def _adapt(self, state: State, probability: Tensor) -> None:
        """Robbins and Monro's rule; after burn-in the mean over its second half stays."""
        gain = 2.0 * state.step**-0.6
        state.log_step += gain * (probability - self.kernel.acceptance)
        state.log_step.clamp_(max=float(np.log(self.kernel.largest)))
        half = self.plan.burn_in // 2
        if state.step > half:
            state.average += state.log_step
        if state.step == self.plan.burn_in:
            state.log_step = state.average / (self.plan.burn_in - half)
