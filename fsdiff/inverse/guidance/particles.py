"""Particles on their way from noise to data, whose weights correct guidance."""

import math
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.samplers.base import Run, State, Step, Stepper
from fsdiff.inverse.guidance.draws import data_noise, gaussian_draw, gaussian_spread, noise_of
from fsdiff.inverse.guidance.problem import Problem, wiener_covariance
from fsdiff.inverse.guidance.question import Question
from fsdiff.inverse.guidance.systems import Dense
from fsdiff.randomness import generator
from fsdiff.spaces import symbols
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

    @property
    def effective_share(self) -> float:
        """The least share of all particles that was in effect before it was drawn again."""
        return min(self.effective_sizes) / len(self.fields)

    @property
    def collapsed(self) -> bool:
        """Whether so few were in effect that draws are copies of them: 2 %, or hardly one."""
        count = len(self.fields)
        return min(self.effective_sizes) < max(min(FEW, (1 + count) / 2), SMALL * count)


SMALL, FEW = 0.02, 2.0
"""The share of particles, and the number of them, that is too small to be in effect."""


class Settings(Protocol):
    """What a system of particles is told by its guidance."""

    @property
    def particles(self) -> int:
        """How many there are."""

    @property
    def threshold(self) -> float:
        """The effective share below which they are drawn again."""

    @property
    def batch(self) -> int:
        """How many the denoiser is given at once."""


class System:
    """A system of particles on its way from noise to data."""

    def __init__(
        self, smc: Settings, run: Run, problem: Problem, data: Tensor, number: int
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
        drawn = self._drawn(log_weights, marginals[-1], len(marginals))
        return Particles(self._shuffled(drawn), self.log_evidence, self.sizes)

    def _drawn(self, log_weights: Tensor, last: Marginal, number: int) -> Tensor:
        """X_0 given the fields at the last time and the data, equally likely."""
        self._resample(log_weights, number, 1.0)
        question = self._question(self.state.fields, last)
        return gaussian_draw(self.estimate, self.run, self.state, question, number)

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
        return self._dense.log_density(self.residual)

    def _move(self, now: Marginal, then: Marginal, number: int) -> Tensor:
        """Take a step of N(μ + δ, K_y); ln dN(μ, K)/dN(μ + δ, K_y) at where it leads, (particles,).

        K_y = K − B S⁻¹ B* with B = g V H* and S = Γ + H V H* is what the data leave of K.
        """
        mean, moved, own = self._unguided(now, then, number)
        symbol, basis, question = self.gain.symbol, self.run.law.basis, self._question(mean, now)
        covariance = self._kernel(symbol, moved, own)
        shift = then.apply(moved, self.gain(self.residual, self.estimate))
        # Draws of X_0 given the data, but for the mean, by Matheron's rule.
        z = self._spread(symbol, number, 0)
        said = question.observed(z) + data_noise(self.run, self.state, question, number)
        spread = then.apply(moved, z - self.gain(said, z))
        spread = spread + self._spread(own.double()[0], number, 1)
        self.state.fields = mean + (shift + spread).to(mean)

        precise = symbols.multiply(basis, spread.double(), symbols.inverse(covariance, basis))
        along = question.observed(
            symbols.multiply(basis, then.apply(moved.double(), precise), symbol)
        )
        left = self.problem.of_step(
            now, then, self.run.n, lambda: self._unknown(symbol, moved, covariance)
        )
        assert isinstance(left, Dense)
        white = left.whitened(along)
        determinants = left.log_determinant - self._dense.log_determinant
        moved_on = self._inner(shift, spread + 0.5 * shift, covariance)
        return 0.5 * (white.square().sum(-1) + determinants) - moved_on

    def _unknown(self, symbol: Tensor, moved: Tensor, covariance: Tensor) -> Tensor:
        """V − V g K⁻¹ g V, with which Γ + H · H* is S − B* K⁻¹ B."""
        basis = self.run.law.basis
        factor = moved.double()[0].expand(symbol.shape[-1 - basis.dimension :])
        precision = symbols.inverse(covariance, basis)
        return symbol - symbols.known_of(symbol, factor, precision, basis)

    @property
    def _dense(self) -> Dense:
        assert isinstance(self.gain.system, Dense)
        return self.gain.system

    def _unguided(
        self, now: Marginal, then: Marginal, number: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """μ of a step, g, and the eigenvalues r_s²(1 − e^{−2h}) λ of its own noise."""
        step = Step(self.run, number, self.run.n, None, now, then)
        fresh = step.rounded(-torch.expm1(-2 * step.length).clamp_max(0))
        kept = then.noise_scale * step.rounded((-step.length).exp())
        noise = now.noise_from_data(self.state.fields, self.estimate)
        mean = then.apply(then.mean_scale, self.estimate) + then.apply(kept, noise)
        own = then.noise_scale.square() * fresh * then.noise_spectrum
        return mean, then.mean_scale * fresh, own

    def _kernel(self, symbol: Tensor, moved: Tensor, own: Tensor) -> Tensor:
        """K, float64: V scaled by what the data move, and the step's own noise."""
        if not symbols.is_joint(symbol, self.run.law.basis):
            return (own + moved.square() * symbol).double()[0]
        factor, diagonal = (part.double()[0].expand(symbol.shape[1:]) for part in (moved, own))
        return symbols.stepped(symbol, factor, diagonal)

    def _spread(self, symbol: Tensor, *step: int) -> Tensor:
        """N(0, V) fields, (particles, channel, *grid)."""
        noise = noise_of(self.run, self.run.n, symbol.device)
        factor = symbols.from_noise(symbol, noise, self.run.law.basis)
        return gaussian_spread(self.run, self.state, factor, *step)

    def _inner(self, u: Tensor, v: Tensor, covariance: Tensor) -> Tensor:
        """⟨K⁻¹u, v⟩, (particles,), float64."""
        basis = self.run.law.basis
        precision = symbols.inverse(covariance, basis)
        return symbols.inner(u.double(), v.double(), precision, basis)

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
        self._keep(chosen)
        return torch.zeros_like(log_weights), chosen

    def _keep(self, chosen: Tensor) -> None:
        """Go on with the chosen particles."""
        self.state.fields = self.state.fields[chosen]
        self.estimate, self.residual = self.estimate[chosen], self.residual[chosen]
