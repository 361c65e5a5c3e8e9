"""What is left of data at the end of a process, where samples start."""

import math
from typing import TYPE_CHECKING

import torch

from fsdiff.diffusion.processes.path import GaussianPath

if TYPE_CHECKING:
    from fsdiff.diffusion.samplers.base import Sampler

MOST_LEFT = 0.1
"""The largest m/r of the mode ω = 0 at the end of a process, for samples to start from noise."""


def left_at_end(process: GaussianPath) -> float:
    """m/r of the mode ω = 0 at the final time: how much of the mean of the data is not hidden."""
    end = torch.tensor(process.T, dtype=torch.float64)
    return math.exp(min(float(process.log_ratio(end, torch.zeros_like(end))), 700.0))


def check_start_of_classes(sampler: "Sampler", process: GaussianPath) -> None:
    """Raise ValueError where samples that are told classes would start from the law of all.

    The probability flow keeps what is left of the data in their first state, whatever they are
    told.
    """
    if left_at_end(process) > MOST_LEFT and not sampler.of_training:
        raise ValueError(
            f"{sampler.kind}: much of the mean of the data is left at the end of {process.kind}, "
            "so that samples, which start from the law of all classes, would not be of those that "
            "they are told; start from training fields of the class, {kind: starting_from, law: "
            "empirical}, or use another process"
        )


def check_start_of_observed(process: GaussianPath) -> None:
    """Raise ValueError where draws given data would start from a law that knows nothing of these.

    That of all fields, of training fields, or what is left of them.
    """
    if left_at_end(process) > MOST_LEFT:
        raise ValueError(
            f"much of the mean of the data is left at the end of {process.kind}, where draws would "
            "start whatever is observed; use another process, or for linear observations guidance "
            "of kind daps, which starts from what is observed"
        )
