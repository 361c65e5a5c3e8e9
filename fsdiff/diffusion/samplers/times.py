"""Grids of times that samplers walk down, from the end of a process to its smallest time."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.spaces.bases import Basis

Spacing = Literal["uniform", "quadratic", "exponential", "log_snr"]
Steps = Annotated[int, Field(ge=2, le=100_000)]
"""How many times a sampler visits: more of them take days and lie closer than rounding."""
Corrections = Annotated[int, Field(ge=1, le=1000)]
"""How many Langevin steps are taken at one time."""


def time_grid(process: GaussianPath, points: int, spacing: Spacing) -> Tensor:
    """``points`` times from T down to the smallest time, float64.

    Uniform in t, in √(t − t₁) with the smallest time t₁, in ln t (Lu, Wang & Bal, arXiv 2301.07882,
    eq. (41)) or in ln(m/r), that is, in the process's own coordinate of noise. The quadratic times
    end with a step of (T − t₁)/N², as T(i/N)² do, where no time is the smallest.
    """
    times = time_at(process, torch.linspace(1, 0, points, dtype=torch.float64), spacing)
    times[0], times[-1] = process.T, process.smallest_time
    return times


def time_at(process: GaussianPath, part: Tensor, spacing: Spacing) -> Tensor:
    """Times at which a ``part`` of the way, between 0 and 1, is still to go."""
    low, high = process.smallest_time, process.T
    if spacing == "uniform":
        return low + (high - low) * part
    if spacing == "quadratic":
        return low + (high - low) * part.square()
    if spacing == "exponential":
        return low * (high / low) ** part
    ends = process.half_log_signal_to_noise(torch.tensor([low, high], dtype=torch.float64))
    return process.time_of(ends[0] + (ends[1] - ends[0]) * part)


def on_every_frequency(times: Tensor, basis: Basis, n: int) -> tuple[Tensor, Tensor]:
    """Times (points, 1) and |ω|² (frequencies,) from zero to the largest on n nodes per axis."""
    largest = float(basis.omega_squared(n).max())
    return times[:, None], torch.linspace(0, largest, 65, dtype=torch.float64)
