"""Reverse-time samplers: from noise N(0, Q) at time T to data, mode by mode.

A sampler is its settings; calling it draws samples. It talks to the denoiser and the process
alone, so every network, prediction, prior and process goes with every sampler.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.denoiser import Denoiser
from fsdiff.predictions import Marginal
from fsdiff.priors import SpectralPrior, white_noise
from fsdiff.processes import GaussianPath
from fsdiff.threads import single_thread

STEP_STREAM = 2
"""Stream number of the noise that a stochastic sampler adds in its steps."""

Spacing = Literal["uniform", "quadratic", "exponential", "log_snr"]


class Samples(NamedTuple):
    """Normalised fields (samples, channel, *grid) and what each of them cost."""

    fields: Tensor
    network_evaluations: int


def time_grid(process: GaussianPath, points: int, spacing: Spacing) -> Tensor:
    """``points`` times from T down to the smallest time, float64.

    Uniform in t, in √t, in ln t (Lu, Wang & Bal, arXiv 2301.07882, eq. (41)) or in ln(m/r).
    """
    low, high = process.smallest_time, process.T
    part = torch.linspace(1, 0, points, dtype=torch.float64)
    if spacing == "uniform":
        return low + (high - low) * part
    if spacing == "quadratic":
        return (low**0.5 + (high**0.5 - low**0.5) * part) ** 2
    if spacing == "exponential":
        return low * (high / low) ** part
    ends = process.log_signal_to_noise(torch.tensor([low, high], dtype=torch.float64))
    times = process.time_of(ends[0] + (ends[1] - ends[0]) * part)
    times[0], times[-1] = high, low
    return times


@dataclass(frozen=True, kw_only=True)
class Sampler(ABC):
    """Settings common to all samplers: ``steps`` network evaluations on a grid of times."""

    steps: Annotated[int, Field(ge=2)] = 20
    spacing: Spacing = "log_snr"

    @torch.no_grad()
    def __call__(
        self,
        denoiser: Denoiser,
        prior: SpectralPrior,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Samples:
        """One sample per index on n nodes per axis; sample i depends on (seed, i) only.

        On a CPU they are drawn one by one: matrix products of different batch sizes round
        differently, and no faster.
        """
        if torch.device(device).type == "cpu" and len(indices) > 1:
            one = functools.partial(self, denoiser, prior, n, dtype=dtype, device=device)
            parts = [one([index], seed) for index in indices]
            return Samples(torch.cat([part.fields for part in parts]), parts[0].network_evaluations)
        run = _Run(denoiser, prior, n, tuple(indices), seed, dtype, torch.device(device))
        start = prior.sample(denoiser.basis, n, indices, seed, channels=denoiser.channels)
        end = run.at(denoiser.process.T)
        x = end.apply(end.noise_scale, start.to(run.device, dtype))
        return Samples(self.reverse(x, run), self.steps)

    @abstractmethod
    def reverse(self, x: Tensor, run: "_Run") -> Tensor:
        """Samples from x = X_T."""


@dataclass(frozen=True)
class _Run:
    """One call of a sampler: what its steps need beside the state."""

    denoiser: Denoiser
    prior: SpectralPrior
    n: int
    indices: tuple[int, ...]
    seed: int
    dtype: torch.dtype
    device: torch.device

    def time(self, t: Tensor | float) -> Tensor:
        """A time, as the batch that the denoiser expects."""
        return torch.full((len(self.indices),), float(t), dtype=self.dtype, device=self.device)

    def at(self, t: Tensor | float) -> Marginal:
        """The law of X_t given X_0; one time stands for the batch."""
        return self.denoiser.marginal(self.time(t)[:1], self.n)

    @functools.cached_property
    def amplitude(self) -> Tensor:
        """√λ_k."""
        return self.prior.eigenvalues(self.denoiser.basis, self.n).sqrt()

    def noise(self, step: int) -> Tensor:
        """ζ ~ N(0, Q), fresh in every step, a function of (seed, index, step)."""
        basis, channels = self.denoiser.basis, self.denoiser.channels
        white = white_noise(
            basis, self.n, self.indices, self.seed, STEP_STREAM, step, channels=channels
        )
        with single_thread():
            coloured = basis.inverse(white * self.amplitude, self.n)
        return coloured.to(self.device, self.dtype)


@dataclass(frozen=True, kw_only=True)
class EulerMaruyama(Sampler):
    """Euler–Maruyama on the reverse SDE dY = [−f Y + g² S] ds + g dW^Q.

    Weak order one. Hagemann et al. (arXiv 2303.04772) take 200 uniform steps.
    """

    steps: Annotated[int, Field(ge=2)] = 200
    spacing: Spacing = "uniform"
    kind: Literal["euler_maruyama"] = "euler_maruyama"

    def reverse(self, x: Tensor, run: _Run) -> Tensor:
        """``steps`` steps from T to the smallest time."""
        denoiser, process = run.denoiser, run.denoiser.process
        omega_squared = denoiser.basis.omega_squared(run.n).to(x.device)
        times = time_grid(process, self.steps + 1, self.spacing)
        for step, (t, s) in enumerate(pairwise(times)):
            length = float(t - s)
            time = t.view(1, 1, *[1] * denoiser.basis.dimension).to(x.device)
            drift = process.drift(time, omega_squared).to(x.dtype)
            diffusion = process.diffusion(time, omega_squared).to(x.dtype)
            estimate = denoiser(x, run.time(t))
            apply = estimate.marginal.apply
            rate = apply(diffusion.square(), estimate.score) - apply(drift, x)
            x = x + length * rate + length**0.5 * apply(diffusion, run.noise(step))
        return x


@dataclass(frozen=True, kw_only=True)
class DDIM(Sampler):
    """Exponential steps with the estimates held fixed (Song et al., arXiv 2010.02502), by mode.

    x_s = m_s x̂_0 + √(r_s² − σ²) η̂ + σ ζ with σ = eta·r_s·√(1 − m_t² r_s²/(m_s² r_t²)): eta = 0 is
    deterministic, eta = 1 ancestral. The last evaluation returns the estimate of the data.
    """

    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    kind: Literal["ddim"] = "ddim"

    def reverse(self, x: Tensor, run: _Run) -> Tensor:
        """``steps`` evaluations, the last at the smallest time."""
        times = time_grid(run.denoiser.process, self.steps, self.spacing)
        for step, (t, s) in enumerate(pairwise(times)):
            now, then = run.at(t), run.at(s)
            estimate = run.denoiser(x, run.time(t))
            spread = self.eta * _ancestral_spread(now, then)
            kept = (then.noise_scale.square() - spread.square()).clamp_min(0).sqrt()
            x = then.apply(then.mean_scale, estimate.data) + then.apply(kept, estimate.noise)
            if self.eta > 0:
                x = x + then.apply(spread, run.noise(step))
        return run.denoiser(x, run.time(times[-1])).data


@dataclass(frozen=True, kw_only=True)
class DPMSolver(Sampler):
    """DPM-Solver++(2M) (Lu et al., arXiv 2211.01095), by mode: second order in ln(m/r).

    With h the step in ln(m/r) and D the estimate of the data extrapolated from the last two
    evaluations, x_s = (r_s/r_t) x_t + m_s (1 − e^{−h}) D; or, if ``stochastic``, the same for the
    reverse SDE, x_s = (r_s/r_t) e^{−h} x_t + m_s (1 − e^{−2h}) D + r_s √(1 − e^{−2h}) ζ. The last
    evaluation returns the estimate of the data.
    """

    stochastic: bool = False
    kind: Literal["dpm_solver"] = "dpm_solver"

    def reverse(self, x: Tensor, run: _Run) -> Tensor:
        """``steps`` evaluations, the last at the smallest time."""
        times = time_grid(run.denoiser.process, self.steps, self.spacing)
        before, before_data = None, None
        for step, (t, s) in enumerate(pairwise(times)):
            now, then = run.at(t), run.at(s)
            data = run.denoiser(x, run.time(t)).data
            length = _log_ratio(then) - _log_ratio(now)
            direction = data
            if before is not None:
                last = _log_ratio(now) - _log_ratio(before)
                weight = torch.where(last > 0, length / (2 * last), 0.0)
                direction = data + now.apply(weight, data - before_data)
            decay = (-length).exp() if self.stochastic else 1.0
            forgotten = -torch.expm1(-2 * length if self.stochastic else -length)
            x = then.apply(decay * then.noise_scale / now.noise_scale, x)
            x = x + then.apply(then.mean_scale * forgotten, direction)
            if self.stochastic:
                x = x + then.apply(then.noise_scale * forgotten.sqrt(), run.noise(step))
            before, before_data = now, data
        return run.denoiser(x, run.time(times[-1])).data


def _ancestral_spread(now: Marginal, then: Marginal) -> Tensor:
    """r_s √(1 − m_t² r_s²/(m_s² r_t²)) of each mode, the spread of X_s given X_t and X_0."""
    ratio = now.mean_scale * then.noise_scale / (_mean_scale(then) * now.noise_scale)
    return then.noise_scale * (1 - ratio.square()).clamp_min(0).sqrt()


def _log_ratio(marginal: Marginal) -> Tensor:
    """ln(m/r) of each mode."""
    return (_mean_scale(marginal) / marginal.noise_scale).log()


def _mean_scale(marginal: Marginal) -> Tensor:
    """m of each mode, kept from underflow: what nothing is left of stays at the smallest number."""
    return marginal.mean_scale.clamp_min(torch.finfo(marginal.mean_scale.dtype).tiny)
