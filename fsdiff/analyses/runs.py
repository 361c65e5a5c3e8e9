"""Runs of samplers whose randomness is organised for analyses: ensembles, and exact second moments.

Both go through ``Sampler.draw``, so that what is analysed is the code that draws samples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike, Estimate
from fsdiff.diffusion.exact import ExactDenoiser
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.samplers.base import Run, Sampler, State
from fsdiff.randomness import generator
from fsdiff.streams import Stream


@dataclass(frozen=True)
class _Ensemble(Run):
    """Many cheap samples at once: all their noise of a step comes from one stream of a batch."""

    batch: int = 0

    def _coloured(self, indices: Sequence[int], symbol: Tensor, n: int, *stream: int) -> Tensor:
        basis = self.law.basis
        shape = (len(indices), self.law.channels, basis.size(n))
        stream = stream if self.batch == 0 else (*stream, self.batch)
        normals = generator(self.seed, Stream.ENSEMBLE, *stream).standard_normal(shape)
        return basis.inverse(basis.white_noise(normals, n) * symbol, n).to(self.dtype)


class Recorder:
    """A denoiser that remembers the states that it is shown, (time, fields)."""

    def __init__(self, denoiser: DenoiserLike) -> None:
        self.denoiser, self.law = denoiser, denoiser.law
        self.states: list[tuple[float, Tensor]] = []

    def estimate(self, x: Tensor, marginal: Marginal, condition: Tensor | None = None) -> Estimate:
        """The estimates of the denoiser."""
        self.states.append((float(marginal.time.flatten()[0]), x))
        return self.denoiser.estimate(x, marginal, condition)

    def __call__(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Estimate:
        """The estimates of the denoiser."""
        return self.estimate(x, self.law.marginal(t, self.law.basis.resolution(x)), condition)


def called(samplers: Sequence[Sampler]) -> list[str]:
    """Short names of samplers: kind, spacing unless it is in ln(m/r), and steps."""
    return [_called(sampler) for sampler in samplers]


def _called(sampler: Sampler) -> str:
    ancestral = sampler.kind == "ddim" and getattr(sampler, "eta", 0.0) == 1
    name = "ancestral" if ancestral else sampler.kind
    name = f"stochastic_{name}" if getattr(sampler, "stochastic", False) else name
    spacing = getattr(sampler, "spacing", "log_snr")
    parts = [name, *([] if spacing == "log_snr" else [spacing])]
    return " ".join([*parts, *([str(sampler.steps)] if hasattr(sampler, "steps") else [])])


@torch.no_grad()
def ensemble(
    sampler: Sampler,
    denoiser: DenoiserLike,
    samples: int,
    seed: int,
    dtype: torch.dtype = torch.float64,
    batch: int = 0,
) -> Tensor:
    """Points of ℝ^d, (samples, d), drawn as one batch; they depend on seed, number and batch."""
    run = _Ensemble(denoiser, 1, seed, dtype, torch.device("cpu"), batch=batch)
    (state,) = sampler.draw(run, [tuple(range(samples))])
    return state.fields[..., 0]


@dataclass(frozen=True)
class _Impulses(Run):
    """A linear sampler's answers to one unit impulse in every mode of each of its random fields.

    Row 0 of the batch starts from √v_k in each mode, v_k the variance of X_T; row j receives √λ_k
    instead of the j-th draw of noise, and all else is zero. By independence, the squared
    coefficients of the results sum over rows to the variance of a sample, mode by mode.
    """

    draws: Iterator[int] = field(default_factory=lambda: count(1))

    def noise(self, state: State, n: int, *stream: int) -> Tensor:
        """The impulse of this draw in its row, if there is such a row."""
        return self._impulse(state.indices, next(self.draws), self.law.noise_spectrum(n), n)

    def gaussian(self, indices: Sequence[int], t: float, n: int) -> Tensor:
        """The impulse of the start in row 0."""
        marginal = self.law.marginal(torch.tensor([t], dtype=torch.float64), n)
        return self._impulse(indices, 0, marginal.variance[0, 0], n)

    def _impulse(self, indices: Sequence[int], row: int, variance: Tensor, n: int) -> Tensor:
        basis = self.law.basis
        fields = torch.zeros((len(indices), 1, *basis.grid(n)), dtype=self.dtype)
        if row < len(indices):
            zero = basis.forward(fields[row, 0])
            fields[row, 0] = basis.inverse(zero + variance.sqrt(), n)
        return fields


@torch.no_grad()
def sample_variance(sampler: Sampler, denoiser: ExactDenoiser, n: int) -> tuple[Tensor, float]:
    """Mean-square coefficients of samples on n nodes, and evaluations of the network per sample.

    Free of sampling error, for zero-mean Gaussian data with one channel. Evaluations are counted
    in evaluations on the grid of the samples. Where step sizes depend on the sample, those of a
    sample with the expected size of every mode are taken.
    """
    draws = _impulses(sampler, denoiser, n, 1)[1]
    state, _ = _impulses(sampler, denoiser, n, 1 + draws)
    basis = denoiser.law.basis
    cost = sum(number * (basis.size(m) / basis.size(n)) for m, number in state.evaluations.items())
    return basis.forward(state.fields[:, 0]).abs().square().sum(0), cost


def _impulses(sampler: Sampler, denoiser: ExactDenoiser, n: int, rows: int) -> tuple[State, int]:
    """The finished rows, and how many fields of noise were drawn."""
    run = _Impulses(denoiser, n, 0, torch.float64, torch.device("cpu"))
    (state,) = sampler.draw(run, [tuple(range(rows))])
    return state, next(run.draws) - 1
