"""Whether samples are training fields, or nearer to them than data that nobody was shown."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from fsdiff.metrics.base import OfTraining
from fsdiff.metrics.words import Words

FAMILY = "memory"

RARE = 0.05
"""The share of held-out fields that are nearer to a training field than memory is told by."""

PART = 64
"""Fields whose distances to all training fields are held at once."""


@dataclass(frozen=True)
class Memorisation(OfTraining):
    """Whether samples are nearer to training fields than to held-out ones, by more than chance.

    The median, over samples, of the distance to the nearest training field over that to the nearest
    of as many reference fields is ``training_over_test``. It is 1 for samples of the law of the
    data, and for samples that are like neither, which distances to training fields alone hold for
    new, and 0 for copies. Of fewer reference than training fields the nearest is further by chance:
    by how much is told by how distances fall from a fourth of them to all. Distances are L²
    distances, in units of each channel's own deviation.

    Beside it are the share of samples that are nearer to a training field than 95 % of the
    reference are, ``memorised``, which is 0.05 where nothing is memorised and 1 where everything
    is, and the medians of the distances of both to the nearest training field,
    ``nearest_training`` and ``nearest_training_reference``.
    """

    at_least: ClassVar[int] = 2
    joint: ClassVar[bool] = True
    kind: Literal["memorisation"] = "memorisation"
    words = (
        Words("training_over_test", "nearest training over nearest test field", FAMILY, 1.0),
        Words("memorised", "nearer to training data than 95 % of test data", FAMILY, RARE, True),
        Words("nearest_training", "distance to training data", FAMILY, "reference"),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """A ratio, a share, and two medians."""
        return "training_over_test", "memorised", "nearest_training", "nearest_training_reference"

    def found(self, training: Tensor, samples: Tensor, reference: Tensor) -> dict[str, float]:
        """The numbers of fields (N, channels, *grid) and training fields (M, channels, *grid)."""
        own, held_out = nearest(samples, training), nearest(reference, training)
        ratio = over_test(own, samples, reference, len(training))
        share = float((own <= held_out.quantile(RARE)).double().mean())
        medians = float(own.median()), float(held_out.median())
        return dict(zip(self.results, (ratio, share, *medians), strict=True))


def over_test(own: Tensor, samples: Tensor, reference: Tensor, count: int) -> float:
    """The median of distances (N,) to ``count`` training fields over those to as many others.

    NaN where most samples are among the others.
    """
    size = min(count, len(reference))
    parts = reference[: len(reference) // size * size].split(size)
    test = [nearest(samples, part) for part in parts]
    ratio = torch.cat([_ratios(own, distances) for distances in test]).median()
    if size < count:  # and so there is one part, which is all of the others
        ratio *= (count / size) ** _power(samples, reference, test[0])
    return float(ratio) if ratio.isfinite() else math.nan


def _power(samples: Tensor, reference: Tensor, whole: Tensor) -> float:
    """Of which power of 1/n the distance to the nearest of n reference fields is.

    It is 1/d near a manifold of dimension d, and 0 far away from it; ``whole`` are the distances
    (N,) to the nearest of all of them.
    """
    few = max(1, len(reference) // 4)
    parts = reference.split(few)[:4]
    logs = torch.cat([_ratios(nearest(samples, part), whole).log() for part in parts])
    known = logs[logs.isfinite()]
    return float(known.mean()) / math.log(len(reference) / few) if len(known) else 0.0


def _ratios(one: Tensor, other: Tensor) -> Tensor:
    """Ratios of distances (N,); a field that is in both sets is as near to either."""
    return torch.where(one == other, 1.0, one / other)


def nearest(fields: Tensor, given: Tensor) -> Tensor:
    """The distance of each field (N, …) to the nearest given one (M, …), (N,), float64."""
    flat = given.double().flatten(1)
    found = []
    for part in fields.split(PART):
        # Not by products, which would leave copies at a distance of rounding errors' square root.
        distances = torch.cdist(
            part.double().flatten(1), flat, compute_mode="donot_use_mm_for_euclid_dist"
        )
        found.append(distances.amin(1))
    nodes = fields.shape[2:].numel()
    return torch.cat(found) / nodes**0.5
