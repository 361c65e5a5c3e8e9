"""The Burgers equation as the data of Li et al. (arXiv 2010.08895, A.3.1) were made."""

import math

import torch
from torch import Tensor

from fsdiff.pde.burgers import Burgers


def advance(system: Burgers, initial: Tensor, end: float, steps: int) -> Tensor:
    """u at ``end`` from ``initial`` (..., n), in equal steps.

    Diffusion exactly and advection by explicit Euler, one after the other, in Fourier space with
    the 2/3 rule.
    """
    n, step = initial.shape[-1], end / steps
    k = torch.arange(n // 2 + 1, dtype=torch.float64)
    omega = 2 * math.pi * k / system.length
    decay = torch.exp(-system.viscosity * omega.square() * step)
    slope = -0.5j * step * omega * (k < n / 3)
    state = torch.fft.rfft(initial) * (k < n / 3)
    for _ in range(steps):
        state = decay * state
        state = state + slope * torch.fft.rfft(torch.fft.irfft(state, n).square())
    return torch.fft.irfft(state, n)
