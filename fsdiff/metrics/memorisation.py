"""Whether samples are training fields, or nearer to them than data that nobody was shown."""

from dataclasses import dataclass
from math import inf
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
    """Whether samples are nearer to training fields than to held-out ones, by more than chance.

    The median, over samples, of the distance to the nearest training field over that to the nearest
    reference field is ``training_over_test``, in units of the same number of each reference field
    beside the others: where there are more training than reference fields, the nearest of them is
    nearer by chance. It is 1 for samples of the law of the data, 0 for copies, and not far above 1
    for samples that are like neither, which distances to training fields alone hold for new.
    Distances are L² distances, in units of each channel's own deviation.

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

    def beside(
        self, training: Tensor, samples: Tensor, reference: Tensor, basis: Basis
    ) -> dict[str, float]:
        """The numbers of fields (N, channels, *grid) and training fields (M, channels, *grid)."""
        self.check(samples, reference, basis)
        self.check(training, reference, basis)
        own, held_out = nearest(samples, training), nearest(reference, training)
        ratio = middle(own, nearest(samples, reference))
        chance = middle(held_out, nearest(reference, reference, others=True))
        share = float((own <= held_out.quantile(RARE)).double().mean())
        medians = float(own.median()), float(held_out.median())
        # There is none where most fields are among the reference, or among its copies in training.
        ratio = ratio / chance if 0 < chance < inf and ratio < inf else float("nan")
        return dict(zip(self.results, (ratio, share, *medians), strict=True))


def middle(training: Tensor, test: Tensor) -> float:
    """The median of ratios of distances (N,); a field that is in both sets is as near to either."""
    return float(torch.where(training == test, 1.0, training / test).median())


def nearest(fields: Tensor, given: Tensor, *, others: bool = False) -> Tensor:
    """The distance of each field (N, …) to the nearest given one (M, …), (N,), float64.

    With ``others``, both are the same fields, and each is compared with all but itself.
    """
    flat = given.double().flatten(1)
    found = []
    for start in range(0, len(fields), PART):
        part = fields[start : start + PART].double().flatten(1)
        # Not by products, which would leave copies at a distance of rounding errors' square root.
        distances = torch.cdist(part, flat, compute_mode="donot_use_mm_for_euclid_dist")
        if others:
            distances.diagonal(start).fill_(torch.inf)
        found.append(distances.amin(1))
    nodes = fields.shape[2:].numel()
    return torch.cat(found) / nodes**0.5
