"""Particles whose weights correct guidance, and the evidence of the data."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike
from fsdiff.diffusion.samplers.base import Run, Sampler, Stepper
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.inverse.guidance.base import Guidance
from fsdiff.inverse.guidance.linearised import LinearisedSystem
from fsdiff.inverse.guidance.particles import Particles, System
from fsdiff.inverse.guidance.problem import Problem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TwistedSMC(Guidance):
    """Twisted sequential Monte Carlo (Wu et al., arXiv 2306.17775) in function space.

    Particles take the steps of the reverse process, N(μ, K) with μ = m_s x̂_0 + r_s e^{−h} η̂ and
    K = r_s²(1 − e^{−2h}) Q + g² V, g = m_s(1 − e^{−2h}): those of Gaussian data without error. They
    are moved by δ = g V H*(Γ + H V H*)⁻¹(y − H x̂_0), which lies in the Cameron–Martin space of K,
    so that weights have a limit under refinement, and what the data leave of K is drawn,
    K_y = K − g V H*(Γ + H V H*)⁻¹ H V g, so that few weights are lost where these are precise. A
    weight is the ratio of N(y; H x̂_0, Γ + H V H*) after the step and before it, times that of the
    densities of N(μ, K) and of N(μ + δ, K_y) at x_s: one, whatever the steps, if data are Gaussian.
    Particles are resampled systematically once their effective number is less than ``threshold`` of
    them. The last draw of X_0 is that of ``daps``. Times are those of the sampler. For up to some
    thousand data.

    An observation that is not linear is linearised for each particle, a Gauss–Newton step from
    where it was at the time before. Weights correct for what is not linear, too. Data must have
    noise then.
    """

    particles: Annotated[int, Field(ge=2, le=100_000)] = 256
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    batch: Annotated[int, Field(ge=1)] = 64
    kind: Literal["smc"] = "smc"

    def check(self, sampler: Sampler, *, affine: bool, noisy: bool) -> None:
        """Refuse samplers without times, and exact data that are not affine."""
        self.times_of(sampler)
        if not affine and not noisy:
            raise ValueError("smc: data of an observation that is not linear need noise")

    def conditional(
        self, denoiser: DenoiserLike, problem: Problem, data: Tensor, sampler: Sampler
    ) -> "ParticleSystems":
        """Systems of particles; each particle is a draw."""
        data = problem.checked(data, denoiser)
        return ParticleSystems(self, denoiser, problem, data, self.times_of(sampler))


@dataclass(frozen=True)
class ParticleSystems:
    """Systems of particles that draw fields given data; those of other numbers are independent."""

    smc: TwistedSMC
    denoiser: DenoiserLike
    problem: Problem
    data: Tensor
    sampler: Stepper
    _known: dict[Any, Particles] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, n: int, indices: Sequence[int], seed: int, **options: Any) -> Samples:
        """Sample i is particle i modulo ``particles`` of system i // ``particles``.

        Of its system each tells ``log_evidence``, ln p(y), ``effective_share``, the least effective
        number of particles over all of them, and whether it has ``collapsed``, this being so small.
        """
        count = self.smc.particles
        numbers = sorted({index // count for index in indices})
        systems = {number: self._system(n, number, seed, options) for number in numbers}
        chosen = [systems[i // count].fields[i % count] for i in indices]
        told = [
            {
                "log_evidence": own.log_evidence,
                "effective_share": own.effective_share,
                "collapsed": float(own.collapsed),
            }
            for own in (systems[i // count] for i in indices)
        ]
        steps = len(self.sampler.times(self.denoiser.law.process))
        return Samples(torch.stack(chosen), [Counter({n: steps})] * len(chosen), told)

    def _system(self, n: int, number: int, seed: int, options: dict[str, Any]) -> Particles:
        """A system of particles; those of the last one are kept for the next batch of them."""
        key = (n, number, seed, *sorted((name, str(value)) for name, value in options.items()))
        if key not in self._known:
            found = self.run(n, number, seed, **options)
            if found.collapsed:
                logger.warning(
                    "smc: system %d has collapsed: no more than %.2g of %d particles were in "
                    "effect at some time; use more particles, or a sampler with more steps",
                    number,
                    min(found.effective_sizes),
                    len(found.fields),
                )
            self._known.clear()
            self._known[key] = found
        return self._known[key]

    @torch.no_grad()
    def run(
        self,
        n: int,
        number: int,
        seed: int,
        *,
        condition: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Particles:
        """One system of particles, at level n."""
        if condition is not None:
            raise ValueError("smc knows no conditions of samples: use wiener")
        if not self.problem.is_dense(n):
            raise ValueError("smc needs an observation with no more than some thousand data")
        kind = System if self.problem.map(n).affine else LinearisedSystem
        run = Run(self.denoiser, n, seed, dtype, torch.device(device))
        return kind(self.smc, run, self.problem, self.data, number).follow(self.sampler)
