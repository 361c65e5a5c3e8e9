"""Which times a network is trained at: distributions on [smallest_time, T] of a process."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from scipy.special import ndtr
from torch import Tensor

from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath

Quantiles = Callable[[Tensor], Tensor]
"""From probabilities to the values below which they lie, of the same shape and dtype."""


@dataclass(frozen=True, kw_only=True)
class TimeSampling(ABC):
    """A law of training times, given what noise and data are like.

    With ``low_discrepancy`` a batch has one time in each of its equally likely strata, which makes
    the loss less noisy (Kingma et al., arXiv 2107.00630); without, times are independent.
    """

    low_discrepancy: bool = True

    @abstractmethod
    def quantiles(self, marginal: Marginal) -> Quantiles:
        """Turns uniform numbers in (0, 1) into times of this law.

        The prior, the data and the process are those of ``marginal``; its own time plays no part.
        """

    def check(self, process: GaussianPath) -> None:  # noqa: B027 (most suit every process)
        """Raise ValueError where the times would not be those of the process."""

    def spread(self, uniform: Tensor) -> Tensor:
        """Independent uniform numbers (batch,), moved into one stratum each if so wished."""
        if not self.low_discrepancy:
            return uniform
        strata = torch.arange(len(uniform), dtype=uniform.dtype, device=uniform.device)
        return (strata + uniform) / len(uniform)


@dataclass(frozen=True, kw_only=True)
class Uniform(TimeSampling):
    """Uniform in t, the published choice."""

    kind: Literal["uniform"] = "uniform"

    def quantiles(self, marginal: Marginal) -> Quantiles:
        """Linear on [smallest_time, T]."""
        first, last = marginal.process.smallest_time, marginal.process.T
        return lambda uniform: first + (last - first) * uniform


@dataclass(frozen=True, kw_only=True)
class UniformGrid(TimeSampling):
    """Uniform on the times T/points, 2T/points, …, T: those that published codes train at.

    Lu, Wang & Bal (arXiv 2301.07882) take 199 of them in the plane and 1000 for digits; what comes
    before the first of them is never trained.
    """

    points: PositiveInt = 1000
    kind: Literal["uniform_grid"] = "uniform_grid"

    def quantiles(self, marginal: Marginal) -> Quantiles:
        """Steps of equal width."""
        last = marginal.process.T / self.points
        return lambda uniform: (uniform * self.points).ceil().clamp_min(1) * last


@dataclass(frozen=True, kw_only=True)
class UniformLogSignalToNoise(TimeSampling):
    """Uniform in ln(m/r), over the whole range of the process."""

    kind: Literal["uniform_log_snr"] = "uniform_log_snr"

    def quantiles(self, marginal: Marginal) -> Quantiles:
        """Linear from the last time to the first, in the process's coordinate of noise."""
        process = marginal.process
        least, most = _levels(process)

        def times(uniform: Tensor) -> Tensor:
            level = least + (most - least) * uniform.double()
            return process.time_of(level).to(uniform.dtype)

        return times


@dataclass(frozen=True, kw_only=True)
class LogSignalToNoise(TimeSampling):
    """ln(m/r), half the log-SNR, ~ N(mean, deviation²), clamped to [low, high].

    After Karras et al. (arXiv 2206.00364), whose ln σ is −ln(m/r). Where structure is decided
    depends on the data; most of the training time belongs there. In a process that has another
    coordinate of noise, the normal law is that coordinate's. A ``uniform_share`` of the times is
    uniform in ln(m/r) over the whole process, because samplers pass through all of it.
    """

    mean: float = 0.3
    deviation: PositiveFloat = 1.0
    low: float = -4.5
    high: float = 3.2
    uniform_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    kind: Literal["log_snr"] = "log_snr"

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")

    def quantiles(self, marginal: Marginal) -> Quantiles:
        """Interpolated in a table, which is made once."""
        process = marginal.process
        least, most = _levels(process)
        table = np.linspace(min(least, self.low), max(most, self.high), 4097)
        below = ndtr((table - self.mean) / self.deviation)
        below[table < self.low], below[table >= self.high] = 0.0, 1.0
        return _tabulated(process, table, below, self.uniform_share)

    def check(self, process: GaussianPath) -> None:
        """Refuse a process most of whose training times would be its first, or its last."""
        least, most = _levels(process)
        if not least < self.mean < most:
            raise ValueError(
                f"mean = {self.mean:g}: {process.kind} runs from {most:.3g} down to {least:.3g}, "
                "and times beyond are its first or its last; use a mean in between"
            )


@dataclass(frozen=True, kw_only=True)
class Spectral(TimeSampling):
    """Times at which the modes of these data emerge from the noise of this prior.

    Mode k is as strong as its noise where (m/r)² = λ_k/E|û_k|². One of all modes and channels is
    drawn with probability ∝ (E|û_k|²)^exponent, N(mean, deviation²) is added to its ln(m/r), and
    the time is that of the sum: where the mode is being resolved, for a positive mean. So the law
    follows the data and the prior instead of being tuned to them: white noise uncovers scales one
    after another, rough noise all of them within a short interval. An exponent of one counts
    energy, most of which is in few coarse modes; with one half octaves weigh alike if energies fall
    like |k|⁻⁴ in two dimensions.

    A ``uniform_share`` of the times is uniform in ln(m/r) over the whole process. Samplers start
    where nothing has emerged, and a network that has never seen such times may say anything there:
    with rough noise on smooth data that was a third of all steps.
    """

    exponent: Annotated[float, Field(ge=0, le=1)] = 0.5
    mean: float = 0.7
    deviation: PositiveFloat = 1.0
    uniform_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    kind: Literal["spectral"] = "spectral"

    def quantiles(self, marginal: Marginal) -> Quantiles:
        """Interpolated in a table, which is made once."""
        process = marginal.process
        levels, weights = self._emergence(marginal)
        least, most = _levels(process)
        levels, reach = levels + self.mean, 5 * self.deviation
        lowest, highest = min(levels.min() - reach, least), max(levels.max() + reach, most)
        table = np.linspace(lowest, highest, 2049)
        total, edges = np.histogram(levels, bins=512, weights=weights / weights.sum())
        moment, _ = np.histogram(levels, bins=edges, weights=levels * weights / weights.sum())
        filled = total > 0
        distances = torch.from_numpy(table[:, None] - moment[filled] / total[filled])
        emerged = torch.special.ndtr(distances / self.deviation).numpy() @ total[filled]
        return _tabulated(process, table, emerged, self.uniform_share)

    def _emergence(self, marginal: Marginal) -> tuple[np.ndarray, np.ndarray]:
        """ln(m/r) of the process when each mode of each channel emerges, and the mode's weight."""
        noise, data = torch.broadcast_tensors(marginal.noise_spectrum, marginal.data_spectrum)
        omega_squared = marginal.omega_squared.expand(data.shape)
        weight = marginal.multiplicity.double() * data.double().pow(self.exponent)
        there = ((noise > 0) & (data > 0)).cpu()
        noise, data, omega_squared, weight = (
            values.double().cpu()[there] for values in (noise, data, omega_squared, weight)
        )
        process = marginal.process
        time = process.time_of_ratio(0.5 * (noise / data).log(), omega_squared)
        return process.half_log_signal_to_noise(time).numpy(), weight.numpy()


def _tabulated(
    process: GaussianPath, levels: np.ndarray, below: np.ndarray, uniform_share: float
) -> Quantiles:
    """Times of a law of ln(m/r) that is ``below`` levels so often, but for a share of others.

    These are uniform in ln(m/r) over the whole process.
    """
    least, most = _levels(process)
    passed = ((levels - least) / (most - least)).clip(0, 1)
    probabilities = (1 - uniform_share) * below + uniform_share * passed

    def times(uniform: Tensor) -> Tensor:
        level = np.interp(uniform.double().cpu().numpy(), probabilities, levels)
        within = torch.from_numpy(level.clip(least, most))
        return process.time_of(within).to(uniform)

    return times


def _levels(process: GaussianPath) -> tuple[float, float]:
    """ln(m/r) at the last time, where it is least, and at the first."""
    ends = torch.tensor([process.T, process.smallest_time], dtype=torch.float64)
    least, most = process.half_log_signal_to_noise(ends).tolist()
    return least, most
