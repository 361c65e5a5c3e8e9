"""What is left of data at the end of a process, where samples start."""

import math
from typing import TYPE_CHECKING

import torch

from fsdiff.diffusion.processes.path import GaussianPath

if TYPE_CHECKING:
    from fsdiff.diffusion.samplers.base import Sampler

MOST_LEFT = 0.1
"""The largest m/r of the mode ω = 0 at the end of a process, for samples to start from noise."""


def keeps_the_mean(process: GaussianPath) -> bool:
    """Whether much of the mean of the data, the mode ω = 0, is not hidden at the final time."""
    end = torch.tensor(process.T, dtype=torch.float64)
    return float(process.log_ratio(end, torch.zeros_like(end))) > math.log(MOST_LEFT)


def check_start_of_classes(sampler: "Sampler", process: GaussianPath) -> None:
    """Raise ValueError where samples that are told classes would start from the law of all.

    The probability flow keeps what is left of the data in their first state, whatever they are
    told.
    """
    if keeps_the_mean(process) and not sampler.of_training:
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
    if keeps_the_mean(process):
        raise ValueError(
            f"much of the mean of the data is left at the end of {process.kind}, where draws would "
            "start whatever is observed; use another process, or for linear observations guidance "
            "such as wiener or daps, which starts from what is observed"
        )
