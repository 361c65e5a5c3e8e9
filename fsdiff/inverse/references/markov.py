"""References from Markov chains, which are told apart by whether these have converged."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.inverse.references.adaptation import Adaptation
from fsdiff.inverse.references.annealing import Annealing
from fsdiff.inverse.references.base import Draws, Reference
from fsdiff.inverse.references.beginnings import Beginning, Begun
from fsdiff.inverse.references.chains import Chains, Plan
from fsdiff.inverse.references.convergence import (
    EFFECTIVE,
    R_HAT,
    NotConvergedError,
    convergence,
)
from fsdiff.inverse.references.exchange import Exchange, Replicas
from fsdiff.inverse.references.gaussian import laplace
from fsdiff.inverse.references.kept import Kept
from fsdiff.inverse.references.kernels import Kernel, PreconditionedCrankNicolson
from fsdiff.inverse.references.ladder import Rung, ladder
from fsdiff.inverse.references.likelihoods import Likelihood
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.recentred import Recentred
from fsdiff.jobs.interruption import interruptible

STRIDE = 32
"""Steps between two looks whether to stop."""

USUAL = 10
"""How many replicas there usually are."""


@dataclass(frozen=True, kw_only=True)
class MarkovChains(Reference):
    """Chains that start from the prior: ``burn_in`` steps that adapt, then ``steps`` to draw from.

    Every ``thin``-th step is kept, and of these as many draws as are asked for, evenly over all
    chains. They are a reference if R̂ is at most ``r_hat`` and the effective sample size at least
    ``effective`` for Φ and the leading coefficients. ``recentred`` chains take their steps about
    Laplace's approximation, which pays where data tell much more than the prior and the map has a
    derivative. With ``adaptation`` steps are about a law that shorter chains have told by their
    draws and gradients. With ``annealing`` chains start from an ensemble that is led from the prior
    to the posterior, and take their steps about the Gaussian law with its moments: that asks for no
    derivative. With ``tempering`` chains with wider errors, such as the ensemble has passed, run
    beside these and swap with them, so that they come from one mode to another; convergence is
    judged by those of the posterior alone. With ``likelihood`` errors are not those of the
    observation. On a grid coarser than that of the data, what it does not resolve of them is an
    error of the map: choose grids on which that is small against the noise.

    Good values: pcn where maps are cheap or have no derivative, with annealing where data are
    precise, too, and tempering where posteriors have several modes; hmc with adaptation where there
    is a derivative.
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
    adaptation: Adaptation | None = None
    tempering: Exchange | None = None
    likelihood: Likelihood | None = None
    kind: Literal["chains"] = "chains"

    def __post_init__(self) -> None:
        """Refuse plans that keep too little to judge, and two laws of steps."""
        _ = self.plan
        ways = {name: getattr(self, name) for name in ("recentred", "annealing", "adaptation")}
        asked = [name for name, way in ways.items() if way]
        if len(asked) > 1:
            raise ValueError(
                f"{' and '.join(asked)}: steps are about one law; leave out all but one of them"
            )
        if self.tempering and not self.annealing:
            raise ValueError(
                "tempering: an ensemble tells at which powers of the likelihood chains run; add "
                "annealing: {kind: ensemble}"
            )
        if self.beginning is not None:
            self.beginning.check_kernel(self.kernel)

    @property
    def beginning(self) -> Beginning | None:
        """What chains do before they start."""
        return self.annealing or self.adaptation

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
        """Those of a chain, and before it."""
        return self._before + self.burn_in + self.steps

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
        kept = Kept.read(state)
        replicas = self._replicas(posterior, seed, kept, progress)
        kept.restored("chains", replicas.restore)
        self._run(replicas, kept, progress)
        chains = replicas.cold
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
            diagnostics=replicas.diagnostics,
        )

    @property
    def _before(self) -> int:
        """How many steps of all chains the beginning costs, roughly where there are replicas."""
        if self.beginning is None:
            return 0
        return self.beginning.length(self.chains * (USUAL if self.tempering else 1))

    def _replicas(
        self, posterior: Posterior, seed: int, kept: Kept, progress: Callable[[int], object]
    ) -> Replicas:
        """Chains that are about to make their first step."""
        if self.beginning is None:
            about = _recentred(posterior) if self.recentred else posterior
            return Replicas([Chains(about, self.kernel, self.plan, seed)])
        begun = kept.restored("begun", lambda held: Begun.restored(held, posterior.prior))
        if begun is None:
            begun = self._begun(posterior, seed, kept, progress)
            kept.write(begun=begun.held())
        else:
            progress(self._before)
        rungs, kernel = [Rung(1.0, begun.law, begun.deviations)], self.kernel.beginning(begun.step)
        if self.tempering is None:
            return Replicas.on(rungs, posterior, kernel, self.plan, seed)
        swaps, most = self.tempering.swaps, self.tempering.replicas
        rungs = ladder(begun.stages, rungs[0], swaps, most)
        return Replicas.on(rungs, posterior, kernel, self.plan, seed, self.tempering.every)

    def _begun(
        self, posterior: Posterior, seed: int, kept: Kept, progress: Callable[[int], object]
    ) -> Begun:
        """How chains start, from the beginning or where an interrupted run has come."""
        assert self.beginning is not None
        fresh = partial(self.beginning.course, posterior, self.kernel, self.chains, seed)
        course = kept.restored("course", fresh) or fresh()
        length = self._before
        told = round(length * course.share)
        progress(told)

        def save() -> None:
            kept.write(course=course.held())

        with interruptible(save if kept.path else None) as work:
            while course.share < 1.0:
                words, before = course.move(), told
                told = round(length * course.share)
                progress(told - before)
                work.check(words)
        return course.begun()

    def _run(self, replicas: Replicas, kept: Kept, progress: Callable[[int], object]) -> None:
        """To the end, keeping what has been reached."""
        begun = {name: held for name, held in kept.parts.items() if name == "begun"}

        def save() -> None:
            if replicas.step > 0:
                kept.write(**begun, chains=replicas.held())

        made, total = replicas.step, replicas.cold.total
        progress(made)
        if made == total:
            return
        with interruptible(save if kept.path else None) as work:
            while made < total:
                made = replicas.run(made + STRIDE, progress)
                work.check(f"step {made} of {total}")
        save()


def _recentred(posterior: Posterior) -> Posterior:
    """The posterior seen from Laplace's approximation; ValueError where there is none."""
    try:
        return Recentred.about(posterior, laplace(posterior))
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"recentred: {error}; use recentred: false") from error


def _evenly(fields: Tensor, count: int) -> Tensor:
    """``count`` of fields (draws, chains, *shape), chain by chain in turn, evenly over each."""
    draws, chains = fields.shape[:2]
    chosen = []
    for number in range(count):
        chain, place = number % chains, number // chains
        of_chain = math.ceil((count - chain) / chains)
        chosen.append(fields[(2 * place + 1) * draws // (2 * of_chain), chain])
    return torch.stack(chosen)
