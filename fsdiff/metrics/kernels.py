"""Kernel two-sample measures: maximum mean discrepancy and energy distance, both unbiased.

Gretton et al., "A kernel two-sample test", JMLR 13 (2012); Székely and Rizzo, "Energy statistics"
(2013). Distances between fields are L² distances: mean over nodes, sum over channels, each in units
of its own deviation.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.fields import squared_distances
from fsdiff.metrics.words import Words
from fsdiff.randomness import generator
from fsdiff.spaces.bases import Basis


@dataclass(frozen=True)
class GaussianKernelDiscrepancy(Metric):
    """Unbiased squared MMD with k(x, y) = exp(−‖x − y‖²/(2σ²)), and its permutation test.

    σ is the median distance between different fields of both sets pooled. This keeps the measure
    symmetric and, as the pooled set does not change under permutation, the test exact; the price is
    that the kernel differs a little between rows of a table. The value is negative about as
    often as positive when the laws agree.

    With ``permutations`` > 0 the p-value is (1 + #{permuted ≥ observed})/(1 + permutations), never
    below 1/(1 + permutations).

    Returns ``rbf_mmd`` (squared) and, with permutations, ``rbf_mmd_p_value``.
    """

    permutations: Annotated[int, Field(ge=0, le=100_000)] = 0
    seed: NonNegativeInt = 0
    at_least: ClassVar[int] = 2
    kind: Literal["rbf_mmd"] = "rbf_mmd"
    words = (
        Words("rbf_mmd", "MMD², Gaussian kernel", "whole field"),
        Words("rbf_mmd_p_value", "MMD p-value", "whole field", target=None),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """A squared distance, and the p-value of its test where there is one."""
        return ("rbf_mmd", "rbf_mmd_p_value") if self.permutations else ("rbf_mmd",)

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The discrepancy between two sets of at least two fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        squared = squared_distances(torch.cat([samples, reference]))
        bandwidth = median_distance(squared)
        if bandwidth == 0:
            raise ValueError(
                "more than half of all pairs of fields are equal, so that the median distance, the "
                "width of the kernel, is zero: remove repeated fields"
            )
        kernel = squared.div_(-2 * bandwidth**2).exp_()  # there may be no memory for another
        observed = unbiased_discrepancy(kernel, _first(len(samples), kernel)[:, None])
        row = {"rbf_mmd": float(observed)}
        if self.permutations:
            null = unbiased_discrepancy(kernel, self._permuted(len(samples), kernel))
            # The observed labelling, met again among the permutations, has to count as equal.
            exceeding = int((null >= observed - 1e-12).sum())
            row["rbf_mmd_p_value"] = (1 + exceeding) / (1 + self.permutations)
        return row

    def _permuted(self, count: int, kernel: Tensor) -> Tensor:
        """Indicators of random subsets of ``count`` fields, shape (fields, permutations)."""
        random = generator(self.seed)
        labels = _first(count, kernel)
        orders = [random.permutation(len(kernel)) for _ in range(self.permutations)]
        return torch.stack([labels[torch.from_numpy(order)] for order in orders], dim=1)


@dataclass(frozen=True)
class EnergyDistance(Metric):
    """2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖, unbiased: means over pairs of different fields.

    This is the squared MMD with the Riesz kernel −‖x − y‖; it has no width to choose and is zero
    exactly when the laws agree.

    Returns ``energy_distance``, in deviations of the channels.
    """

    at_least: ClassVar[int] = 2
    kind: Literal["energy_distance"] = "energy_distance"
    words = (Words("energy_distance", "energy distance", "whole field"),)

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The distance between two sets of at least two fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        kernel = squared_distances(torch.cat([samples, reference])).sqrt_().neg_()
        value = unbiased_discrepancy(kernel, _first(len(samples), kernel)[:, None])
        return {"energy_distance": float(value)}


def median_distance(squared: Tensor) -> float:
    """Median distance over pairs of different fields, from all squared distances (N, N)."""
    pairs = torch.ones_like(squared, dtype=torch.bool).triu_(1)
    return float(squared[pairs].median().sqrt())


def unbiased_discrepancy(kernel: Tensor, members: Tensor) -> Tensor:
    """Unbiased squared MMD between a subset of a pooled set and the rest of it.

    ``kernel`` (..., N, N) holds all pairs; each column of ``members`` (..., N, P) is the 0/1
    indicator of a subset. Returns shape (..., P).
    """
    within_first, within_second, between = sums_over_pairs(kernel, members)
    first, second = members.sum(-2), (1 - members).sum(-2)
    within_first = within_first / (first * (first - 1))
    within_second = within_second / (second * (second - 1))
    return within_first + within_second - 2 * (between / (first * second))


def sums_over_pairs(kernel: Tensor, members: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of k over pairs within subsets, within what is left, and between these, (..., P) each.

    Pairs of a field with itself are left out.
    """
    itself, rest = kernel.diagonal(dim1=-2, dim2=-1)[..., None], 1 - members
    to_members, to_rest = (kernel @ part - itself * part for part in (members, rest))
    return (members * to_members).sum(-2), (rest * to_rest).sum(-2), (members * to_rest).sum(-2)


def _first(count: int, kernel: Tensor) -> Tensor:
    """1 for the first ``count`` fields, 0 for the rest, shape (N,)."""
    return (torch.arange(len(kernel), device=kernel.device) < count).to(kernel)
