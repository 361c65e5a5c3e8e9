"""References from Markov chains, which are told apart by whether these have converged."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.data import tensors
from fsdiff.inverse.references.annealing import Annealing
from fsdiff.inverse.references.base import Draws, Reference
from fsdiff.inverse.references.chains import Chains, Plan, State
from fsdiff.inverse.references.convergence import (
    EFFECTIVE,
    R_HAT,
    NotConvergedError,
    convergence,
)
from fsdiff.inverse.references.fitted import Fitted
from fsdiff.inverse.references.gaussian import laplace
from fsdiff.inverse.references.kernels import Kernel, PreconditionedCrankNicolson
from fsdiff.inverse.references.likelihoods import Likelihood
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.recentred import Recentred
from fsdiff.jobs.failures import DamagedError
from fsdiff.jobs.interruption import interruptible
from fsdiff.jobs.states import saved
from fsdiff.jobs.versions import environment, warn_of_changes

STRIDE = 32
"""Steps between two looks whether to stop."""


@dataclass(frozen=True, kw_only=True)
class MarkovChains(Reference):
    """Chains that start from the prior: ``burn_in`` steps that adapt, then ``steps`` to draw from.

    Every ``thin``-th step is kept, and of these as many draws as are asked for, evenly over all
    chains. They are a reference if R̂ is at most ``r_hat`` and the effective sample size at least
    ``effective`` for Φ and the leading coefficients. ``recentred`` chains take their steps about
    Laplace's approximation, which pays where data tell much more than the prior and the map has a
    derivative. With ``annealing`` they start from an ensemble that is led from the prior to the
    posterior, and take their steps about the Gaussian law with its moments: that asks for no
    derivative. With ``likelihood`` errors are not those of the observation. On a grid coarser than
    that of the data, what it does not resolve of them is an error of the map: choose grids on which
    that is small against the noise.

    Good values: pcn where maps are cheap or have no derivative, with annealing where data are
    precise, too; hmc where there is a derivative and data are precise.
    """

    kernel: Kernel = field(default_factory=PreconditionedCrankNicolson)
    chains: Annotated[int, Field(ge=2, le=64)] = 8
    burn_in: NonNegativeInt = 10_000
    steps: PositiveInt = 100_000
    thin: PositiveInt = 100
    r_hat: Annotated[float, Field(gt=1, le=1.2)] = R_HAT
    effective: PositiveFloat = EFFECTIVE
    recentred: bool = False
    annealing: Annealing | None = None
    likelihood: Likelihood | None = None
    kind: Literal["chains"] = "chains"

    def __post_init__(self) -> None:
        """Refuse plans that keep too little to judge, and two laws of steps."""
        _ = self.plan
        if self.recentred and self.annealing:
            raise ValueError("annealing: chains cannot be recentred, too; use recentred: false")

    @property
    def plan(self) -> Plan:
        """How long chains run."""
        return Plan(chains=self.chains, burn_in=self.burn_in, steps=self.steps, thin=self.thin)

    def check(self, count: int) -> None:
        """Refuse more draws than are kept."""
        kept = self.chains * self.plan.draws
        if count > kept:
            raise ValueError(
                f"draws = {count}, and {self.chains} chains of {self.plan.draws} keep {kept}: "
                "lower draws or thin, or raise steps"
            )

    def check_posterior(self, posterior: Posterior) -> None:
        """Refuse gradients of maps that have none."""
        self.kernel.check(posterior)
        if self.recentred and not posterior.differentiable:
            raise ValueError("recentred: Laplace's approximation follows gradients; use false")

    def length(self, count: int) -> int:
        """Those of a chain."""
        return self.burn_in + self.steps

    def draw(
        self,
        posterior: Posterior,
        count: int,
        seed: int,
        *,
        state: Path | None = None,
        progress: Callable[[int], object] = lambda steps: None,
    ) -> Draws:
        """Draws of the chains, converged or not; of two neighbours the chains are different."""
        self.check(count)
        begun, start = self._begun(posterior, seed)
        chains = Chains(begun, self.kernel, self.plan, seed, start)
        if state is not None:
            chains.state = saved(state, lambda path: _restored(path, chains))
        self._run(chains, state, progress)
        judged = convergence(chains.quantities())
        try:
            judged.check(self.r_hat, self.effective)
            remark = ""
        except NotConvergedError as error:
            remark = str(error)
        return Draws(
            fields=_evenly(chains.fields(), count),
            r_hat=judged.largest_r_hat,
            effective_size=judged.least_effective,
            acceptance=float(chains.acceptance().mean()),
            remark=remark,
        )

    def _begun(self, posterior: Posterior, seed: int) -> tuple[Posterior, Tensor | None]:
        """The posterior as chains see it, and where they start if not from the prior."""
        if self.recentred:
            return _recentred(posterior), None
        if self.annealing is None:
            return posterior, None
        with interruptible() as work:
            law, ensemble = self.annealing(posterior, seed, work.check)
        chosen = torch.arange(self.chains) * len(ensemble) // self.chains
        return Fitted.about(posterior, law), ensemble[chosen] - law.shift

    def _run(self, chains: Chains, state: Path | None, progress: Callable[[int], object]) -> None:
        """To the end, saving what has been reached to the file ``state``."""

        def save() -> None:
            if state is not None and chains.state is not None:
                about = {**chains.state.counts(), "environment": environment()}
                tensors.write(state, chains.state.tensors(), about)

        made = chains.state.step if chains.state else 0
        progress(made)
        if made == chains.total:
            return
        with interruptible(save if state else None) as work:
            while made < chains.total:
                made = chains.run(made + STRIDE, progress).step
                work.check(f"step {made} of {chains.total}")
        save()


def _recentred(posterior: Posterior) -> Posterior:
    """The posterior seen from Laplace's approximation; ValueError where there is none."""
    try:
        return Recentred.about(posterior, laplace(posterior))
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"recentred: {error}; use recentred: false") from error


def _restored(path: Path, chains: Chains) -> State:
    """The state in a file; DamagedError where it is that of other chains."""
    held, about = tensors.read(path)
    try:
        state = State.restored(held, about)
        expected = (chains.plan.draws, chains.plan.chains, *chains.posterior.prior.shape)
        fits = tuple(state.draws.shape) == expected and state.step <= chains.total
        made_with = about["environment"]
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{path} holds no chains") from error
    if not fits:
        raise DamagedError(f"{path} holds chains of another job")
    warn_of_changes(path, made_with, environment())
    return state


def _evenly(fields: Tensor, count: int) -> Tensor:
    """``count`` of fields (draws, chains, *shape), chain by chain in turn, evenly over each."""
    draws, chains = fields.shape[:2]
    chosen = []
    for number in range(count):
        chain, place = number % chains, number // chains
        of_chain = math.ceil((count - chain) / chains)
        chosen.append(fields[(2 * place + 1) * draws // (2 * of_chain), chain])
    return torch.stack(chosen)
