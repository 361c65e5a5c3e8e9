"""Particles whose weights correct guidance, and the evidence of the data."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.samplers.base import Run, Sampler, State, Step, Stepper
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.inverse.guidance import symbols
from fsdiff.inverse.guidance.base import Guidance, Question
from fsdiff.inverse.guidance.draws import gaussian_draw, gaussian_spread, noise_of
from fsdiff.inverse.guidance.problem import Problem, wiener_covariance
from fsdiff.inverse.guidance.systems import Dense
from fsdiff.randomness import generator
from fsdiff.streams import Stream


class Particles(NamedTuple):
    """Draws of a function given the data, (particles, channel, *grid).

    All are equally likely and in random order, so that some of them are as spread as all.
    ``log_evidence`` estimates ln p(y); ``effective_sizes`` are those before each resampling, times
    by times.
    """

    fields: Tensor
    log_evidence: float
    effective_sizes: list[float]


@dataclass(frozen=True, kw_only=True)
class TwistedSMC(Guidance):
    """Twisted sequential Monte Carlo (Wu et al., arXiv 2306.17775) in function space.

    Particles take the steps of the reverse process, N(μ, K) with μ = m_s x̂_0 + r_s e^{−h} η̂ and
    K = r_s²(1 − e^{−2h}) Q + g² V, g = m_s(1 − e^{−2h}): those of Gaussian data without error. They
    are moved by δ = g V H*(Γ + H V H*)⁻¹(y − H x̂_0), which lies in the Cameron–Martin space of K,
    so that weights have a limit under refinement. A weight is the ratio of N(y; H x̂_0, Γ + H V H*)
    after the step and before it, times exp(−⟨K⁻¹δ, x_s − μ⟩ + ½⟨K⁻¹δ, δ⟩). Particles are resampled
    systematically once their effective number is less than ``threshold`` of them. The last draw of
    X_0 is that of ``daps``. Times are those of the sampler. For linear observations of up to some
    thousand data.
    """

    particles: Annotated[int, Field(ge=2, le=100_000)] = 256
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    batch: Annotated[int, Field(ge=1)] = 64
    kind: Literal["smc"] = "smc"

    def check(self, sampler: Sampler, *, affine: bool, noisy: bool) -> None:
        """Refuse samplers without times, and observations that are not linear."""
        self.times_of(sampler)
        if not affine:
            raise ValueError("smc needs a linear observation: use wiener or daps")

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
    _known: dict[Any, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, n: int, indices: Sequence[int], seed: int, **options: Any) -> Samples:
        """Sample i is particle i modulo ``particles`` of system i // ``particles``."""
        count = self.smc.particles
        numbers = sorted({index // count for index in indices})
        systems = {number: self._system(n, number, seed, options) for number in numbers}
        chosen = [systems[i // count][i % count] for i in indices]
        steps = len(self.sampler.times(self.denoiser.law.process))
        return Samples(torch.stack(chosen), [Counter({n: steps})] * len(chosen))

    def _system(self, n: int, number: int, seed: int, options: dict[str, Any]) -> Tensor:
        """The particles of a system; those of the last one are kept for the next batch of them."""
        key = (n, number, seed, *sorted((name, str(value)) for name, value in options.items()))
        if key not in self._known:
            fields = self.run(n, number, seed, **options).fields
            self._known.clear()
            self._known[key] = fields
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
        if not (self.problem.map(n).affine and self.problem.is_dense(n)):
            raise ValueError("smc needs a linear observation with no more than some thousand data")
        run = Run(self.denoiser, n, seed, dtype, torch.device(device))
        return _System(self.smc, run, self.problem, self.data, number).follow(self.sampler)


class _System:
    """A system of particles on its way from noise to data."""

    def __init__(
        self, smc: TwistedSMC, run: Run, problem: Problem, data: Tensor, number: int
    ) -> None:
        self.smc, self.run, self.problem, self.data, self.number = smc, run, problem, data, number
        first = number * smc.particles
        self.state = State(tuple(range(first, first + smc.particles)), torch.empty(0))
        self.log_evidence = 0.0
        self.sizes: list[float] = []

    def follow(self, sampler: Stepper) -> Particles:
        """Steps from T to the smallest time, then draws of X_0."""
        run, state = self.run, self.state
        marginals = [run.marginal(t, run.n) for t in sampler.times(run.law.process).tolist()]
        state.fields = run.gaussian(state.indices, float(marginals[0].time), run.n)
        likelihood = self._look(marginals[0])
        log_weights = likelihood
        for step, (now, then) in enumerate(pairwise(marginals)):
            log_weights, chosen = self._resample(log_weights, step, self.smc.threshold)
            likelihood = likelihood[chosen]
            log_weights = log_weights - likelihood + self._move(now, then, step)
            likelihood = self._look(then)
            log_weights = log_weights + likelihood
        self._resample(log_weights, len(marginals), 1.0)
        question = self._question(self.state.fields, marginals[-1])
        noised = gaussian_draw(self.estimate, run, state, question, len(marginals))
        return Particles(self._shuffled(noised), self.log_evidence, self.sizes)

    def _shuffled(self, fields: Tensor) -> Tensor:
        """The same in random order: those with common ancestors lie beside each other."""
        order = generator(self.run.seed, self.number, Stream.PARTICLES).permutation(len(fields))
        return fields[torch.from_numpy(order)]

    def _question(self, fields: Tensor, marginal: Marginal) -> Question:
        return Question(self.problem, self.data, self.run.denoiser, fields, marginal)

    def _look(self, marginal: Marginal) -> Tensor:
        """Estimate the data; ln N(y; H x̂_0, Γ + H V H*), (particles,)."""
        parts = self.state.fields.split(self.smc.batch)
        self.estimate = torch.cat([self._question(part, marginal).estimate() for part in parts])
        self.gain = self.problem.gain(marginal, self.run.n, wiener_covariance)
        self.residual = self._question(self.estimate, marginal).residual(self.estimate)
        assert isinstance(self.gain.system, Dense)
        return self.gain.system.log_density(self.residual)

    def _move(self, now: Marginal, then: Marginal, number: int) -> Tensor:
        """Take a step; ln dN(μ, K)/dN(μ + δ, K) at where it leads, (particles,)."""
        step = Step(self.run, number, self.run.n, None, now, then)
        fresh = step.rounded(-torch.expm1(-2 * step.length).clamp_max(0))
        moved = then.mean_scale * fresh
        kept = then.noise_scale * step.rounded((-step.length).exp())
        own = then.noise_scale.square() * fresh * then.noise_spectrum
        basis, covariance = self.run.law.basis, self._kernel(own, moved)
        noise = now.noise_from_data(self.state.fields, self.estimate)
        mean = then.apply(then.mean_scale, self.estimate) + then.apply(kept, noise)
        shift = then.apply(moved, self.gain(self.residual, self.estimate))
        factor = symbols.from_noise(covariance, noise_of(self.run, covariance.device), basis)
        spread = gaussian_spread(self.run, self.state, factor, number)
        self.state.fields = mean + shift + spread
        precision, half = symbols.inverse(covariance, basis), spread + 0.5 * shift
        return -symbols.inner(shift.double(), half.double(), precision, basis)

    def _kernel(self, own: Tensor, moved: Tensor) -> Tensor:
        """K, float64: ``own`` noise of a step, and V scaled by what the data move."""
        V, basis = self.gain.symbol, self.run.law.basis
        if not symbols.is_joint(V, basis):
            return (own + moved.square() * V).double()[0]
        factor, diagonal = (part.double()[0].expand(V.shape[1:]) for part in (moved, own))
        return symbols.stepped(V, factor, diagonal)

    def _resample(self, log_weights: Tensor, step: int, threshold: float) -> tuple[Tensor, Tensor]:
        """Weights to go on with, and which particles go on; all that is kept of these is moved."""
        count = len(log_weights)
        weights = torch.softmax(log_weights, 0)
        self.sizes.append(float(1 / weights.square().sum()))
        if self.sizes[-1] >= threshold * count and threshold < 1:
            return log_weights, torch.arange(count)
        self.log_evidence += float(torch.logsumexp(log_weights, 0)) - math.log(count)
        random = generator(self.run.seed, self.number, Stream.PARTICLES, step)
        places = (torch.arange(count, dtype=torch.float64) + random.random()) / count
        edges = weights.cumsum(0).cpu()
        chosen = torch.searchsorted(edges / edges[-1], places).clamp_max(count - 1)
        self.state.fields = self.state.fields[chosen]
        self.estimate, self.residual = self.estimate[chosen], self.residual[chosen]
        return torch.zeros_like(log_weights), chosen
