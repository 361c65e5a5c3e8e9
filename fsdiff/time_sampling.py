"""Which times a network is trained at: distributions on [smallest_time, T] of a process."""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.processes import GaussianPath


class TimeSampling(Protocol):
    """Turns uniform numbers into times."""

    def __call__(self, uniform: Tensor, process: GaussianPath) -> Tensor:
        """Times, one for each of the uniform numbers in (0, 1)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Uniform in t, the published choice."""

    kind: Literal["uniform"] = "uniform"

    def __call__(self, uniform: Tensor, process: GaussianPath) -> Tensor:
        """Times, one for each of the uniform numbers in (0, 1)."""
        return process.smallest_time + (process.T - process.smallest_time) * uniform


@dataclass(frozen=True, kw_only=True)
class LogSignalToNoise:
    """ln(m/r) ~ N(mean, deviation²), clamped to [low, high] (after Karras et al., 2206.00364).

    Where structure is decided depends on the data; most of the training time belongs there.
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
