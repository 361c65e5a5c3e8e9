"""Modes of nested grids, and the scales of processes that treat all modes alike."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from fsdiff.blocks.explain import Problem
from fsdiff.diffusion.marginal import noise_grows
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.spaces.bases import Basis


def resolved_by(basis: Basis, coarse: int, fine: int) -> Tensor:
    """Which of the coefficients on ``fine`` nodes per axis ``coarse`` nodes resolve."""
    limit = _max_norm(basis, coarse)[basis.resolved(coarse)].max()
    return (_max_norm(basis, fine) <= limit) & basis.resolved(fine)


def squared_scales(process: GaussianPath, t: Tensor) -> tuple[Tensor, Tensor]:
    """m² and r² of the mode ω = 0 at times t, float64."""
    zero = torch.zeros((), dtype=torch.float64)
    return process.mean_scale(t, zero).square(), process.noise_variance(t, zero)


def check_uniform(process: GaussianPath) -> None:
    """Refuse processes whose scales differ by mode."""
    t = torch.tensor([[process.T]], dtype=torch.float64)
    modes = torch.tensor([[0.0, 1e3]], dtype=torch.float64)
    if torch.broadcast_to(process.log_ratio(t, modes), (1, 2)).unique().numel() > 1:
        raise ValueError(
            f"process = {process.kind}: treats modes differently; use one that does not, such as vp"
        )


def constant_noise(process: GaussianPath) -> Iterator[Problem]:
    """A process whose noise is the same at all times, so that nothing depends on how much it is."""
    if not noise_grows(process):
        yield (
            ("process",),
            f"the noise of {process.kind} is the same at all times; use a process whose noise "
            "grows, such as vp",
        )


def _max_norm(basis: Basis, n: int) -> Tensor:
    """|k|_∞ of the coefficients on n nodes."""
    modes = np.meshgrid(*basis.axis_modes(n), indexing="ij")
    return torch.from_numpy(np.abs(modes).max(0))
