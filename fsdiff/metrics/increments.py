"""Whether curves grow, and where they grow fastest."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis

FAMILY = "growth"


@dataclass(frozen=True)
class Increments(Metric):
    """Differences of curves between neighbouring nodes, such as of heights between ages.

    Returns ``decreasing``, the share of curves that decrease anywhere, with that of the reference,
    and ``steepest_w1``, the W₁ distance between the laws of the place of the steepest rise, as a
    share of the interval.
    """

    physical: ClassVar[bool] = True
    continued: ClassVar[bool] = True
    kind: Literal["increments"] = "increments"
    words = (
        Words("decreasing", "share of curves that decrease anywhere", FAMILY, "reference", True),
        Words("steepest_w1", "place of the steepest rise, W₁", FAMILY),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """Two shares and a distance."""
        return "decreasing", "steepest_w1", "decreasing_reference"

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse fields of several variables, and curves of one node."""
        if basis.dimension != 1:
            raise ValueError(f"is about curves, and fields have {basis.dimension} axes")
        if basis.size(n) < 2:
            raise ValueError("takes differences of neighbouring nodes; use 2 nodes or more")

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The numbers of two sets of curves (N, channels, points), all channels taken together."""
        self.check(samples, reference, basis)
        (nodes,), (axis,) = basis.axis_nodes(basis.resolution(samples)), basis.axes
        places = torch.as_tensor(nodes) / axis.side
        middles, lengths = (places[1:] + places[:-1]) / 2, places.diff()
        shares, steepest = [], []
        for curves in (samples, reference):
            rises = curves.cpu().flatten(0, 1).diff()
            shares.append(float((rises < 0).any(-1).double().mean()))
            steepest.append(middles[(rises / lengths).argmax(-1)].numpy())
        distance = float(wasserstein_distance(*steepest))
        return dict(zip(self.results, (shares[0], distance, shares[1]), strict=True))
