"""Which times a network is trained at: distributions on [smallest_time, T] of a process."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.processes.path import GaussianPath


@dataclass(frozen=True, kw_only=True)
class TimeSampling(ABC):
    """Turns uniform numbers into times.

    With ``low_discrepancy`` a batch has one time in each of its equally likely strata, which makes
    the loss less noisy (Kingma et al., arXiv 2107.00630); without, times are independent.
    """

    low_discrepancy: bool = True

    @abstractmethod
    def __call__(self, uniform: Tensor, process: GaussianPath) -> Tensor:
        """Times, one for each of the uniform numbers in (0, 1)."""

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

    def __call__(self, uniform: Tensor, process: GaussianPath) -> Tensor:
        """Times, one for each of the uniform numbers in (0, 1)."""
        return process.smallest_time + (process.T - process.smallest_time) * uniform


@dataclass(frozen=True, kw_only=True)
class LogSignalToNoise(TimeSampling):
    """ln(m/r) ~ N(mean, deviation²), clamped to [low, high] (after Karras et al., 2206.00364).

    Where structure is decided depends on the data; most of the training time belongs there. In a
    process that has another coordinate of noise, the normal law is that coordinate's.
    """

    mean: float = 0.3
    deviation: PositiveFloat = 1.0
    low: float = -4.5
    high: float = 3.2
    kind: Literal["log_snr"] = "log_snr"

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")

    def __call__(self, uniform: Tensor, process: GaussianPath) -> Tensor:
        """Times, one for each of the uniform numbers in (0, 1)."""
        normal = torch.special.ndtri(uniform.double())
        level = (self.mean + self.deviation * normal).clamp(self.low, self.high)
        return process.time_of(level).to(uniform.dtype)

    def check(self, process: GaussianPath) -> None:
        """Refuse a process most of whose training times would be its first, or its last."""
        ends = torch.tensor([process.T, process.smallest_time], dtype=torch.float64)
        least, most = process.log_signal_to_noise(ends).tolist()
        if not least < self.mean < most:
            raise ValueError(
                f"mean = {self.mean:g}: {process.kind} runs from {most:.3g} down to {least:.3g}, "
                "and times beyond are its first or its last; use a mean in between"
            )
