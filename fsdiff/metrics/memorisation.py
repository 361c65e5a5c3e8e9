"""Whether samples are training fields, or nearer to them than data that nobody was shown."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from fsdiff.metrics.base import OfTraining
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis

FAMILY = "memory"

RARE = 0.05
"""The share of held-out fields that are nearer to a training field than memory is told by."""

PART = 64
"""Fields whose distances to all training fields are held at once."""


@dataclass(frozen=True)
class Memorisation(OfTraining):
    """Distances to the nearest training field, of samples and of held-out fields.

    Samples of the law of the data are as far from training fields as the reference is, whatever
    the numbers of either; copies are at distance zero. Distances are L² distances, in units of each
    channel's own deviation.

    Returns the medians, ``nearest_training`` and ``nearest_training_reference``, their ratio
    ``memorisation``, and ``memorised``, the share of samples that are nearer to a training field
    than 95 % of the reference are: 0.05 where nothing is memorised, 1 where everything is.
    """

    at_least: ClassVar[int] = 2
    joint: ClassVar[bool] = True
    kind: Literal["memorisation"] = "memorisation"
    words = (
        Words("memorisation", "distance to training data, that of test data is 1", FAMILY, 1.0),
        Words("memorised", "nearer to training data than 95 % of test data", FAMILY, RARE),
        Words("nearest_training", "distance to training data", FAMILY, "reference"),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """A ratio, a share, and two medians."""
        return "memorisation", "memorised", "nearest_training", "nearest_training_reference"

    def beside(
        self, training: Tensor, samples: Tensor, reference: Tensor, basis: Basis
    ) -> dict[str, float]:
        """The numbers of fields (N, channels, *grid) and training fields (M, channels, *grid)."""
        self.check(samples, reference, basis)
        self.check(training, reference, basis)
        own, others = nearest(samples, training), nearest(reference, training)
        middle, held_out = float(own.median()), float(others.median())
        ratio = middle / held_out if held_out > 0 else float("nan")
        share = float((own <= others.quantile(RARE)).double().mean())
        return dict(zip(self.results, (ratio, share, middle, held_out), strict=True))


def nearest(fields: Tensor, training: Tensor) -> Tensor:
    """The distance of each field (N, …) to the nearest training field (M, …), (N,), float64."""
    flat = training.double().flatten(1)
    # Not by products, which would leave copies at a distance of rounding errors' square root.
    found = [
        torch.cdist(part.double().flatten(1), flat, compute_mode="donot_use_mm_for_euclid_dist")
        for part in fields.split(PART)
    ]
    nodes = fields.shape[2:].numel()
    return torch.cat([distances.amin(1) for distances in found]) / nodes**0.5
