"""Whether truths lie outside of all draws more often than chance has it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from fsdiff.metrics.posterior.base import (
    CALIBRATION,
    Cases,
    Needed,
    PosteriorMetric,
    mean_over_cases,
)
from fsdiff.metrics.words import Words


@dataclass(frozen=True)
class RankExcess(PosteriorMetric):
    """How often the truth at a node is below all N draws, or above all, times N + 1.

    The ends of the histogram of its ranks, over what they are for ranks that are uniform: the
    larger of the two. 1 for draws of the true posterior, more where they are too narrow or lie on
    one side, at most N + 1. Of values that are equal each order is as probable.
    """

    kind: Literal["rank_excess"] = "rank_excess"
    needs: ClassVar[tuple[Needed, ...]] = ("truth",)
    continued: ClassVar[bool] = True
    words = (
        Words("rank_excess", "truths outside of all draws, over chance", CALIBRATION, target=1.0),
    )

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases, channels and nodes at either end."""
        assert cases.truth is not None
        truth, count = cases.truth, cases.draws.shape[1]

        def outside(case: int) -> Tensor:
            below, above = (
                compared(cases.draws[case], truth[case]).all(0) for compared in (torch.le, torch.ge)
            )
            ties = (cases.draws[case] == truth[case]).sum(0) + 1
            return torch.stack([cases.mean(end.double() / ties) for end in (above, below)])

        return {self.kind: (count + 1) * float(mean_over_cases(outside, cases).max())}
