"""Densities of point values and of gradients: what second moments do not see."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.fields import BLOCK
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.gram import GramBasis


@dataclass(frozen=True)
class OnePointDensity(Metric):
    """Wasserstein-1 distance between the laws of u(x), x a random node, and the laws' kurtoses.

    Values of all fields and nodes are pooled by channel; numbers are averaged over channels.

    Returns ``one_point_w1`` (in deviations of a channel), ``one_point_kurtosis`` (3 for a normal
    law) of the samples and ``one_point_kurtosis_reference``.
    """

    kind: Literal["one_point"] = "one_point"
    words = (
        Words("one_point_w1", "one-point W₁", "structure"),
        Words("one_point_kurtosis", "one-point kurtosis", "structure", target="reference"),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """A distance, and a kurtosis with its target."""
        return _names("one_point")

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The comparison of two sets of fields (N, channels, *grid)."""
        return self.compare(samples, reference, basis)

    def compare(
        self, samples: Tensor, reference: Tensor, basis: Basis, present: Tensor | None = None
    ) -> dict[str, float]:
        """The same of the nodes that are ``present`` (channel, *grid)."""
        self.check(samples, reference, basis)
        pairs = [
            (
                sorted_values([_at(samples[:, c], present, c)]),
                sorted_values([_at(reference[:, c], present, c)]),
            )
            for c in range(samples.shape[1])
        ]
        return _compare(pairs, "one_point")


@dataclass(frozen=True)
class GradientDensity(Metric):
    """The same for the partial derivatives of u, pooled over axes.

    Derivatives are differences between neighbouring nodes over their distance, in the unit of the
    box's sides; these are second-order accurate at the midpoints. Fields wrap around along periodic
    axes and have n − 1 differences per line along others. Numbers converge under refinement once
    fronts are resolved, and are otherwise those of the grid.

    Returns ``gradient_w1`` (in deviations of a channel per unit of length), ``gradient_kurtosis``
    of the samples and ``gradient_kurtosis_reference``.
    """

    kind: Literal["gradient"] = "gradient"
    words = (
        Words("gradient_w1", "derivative W₁", "structure"),
        Words("gradient_kurtosis", "derivative kurtosis", "structure", target="reference"),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """A distance, and a kurtosis with its target."""
        return _names("gradient")

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse grids without neighbours."""
        if n < 2:
            raise ValueError("takes differences of neighbouring nodes; use 2 nodes or more")

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The comparison of two sets of fields (N, channels, *grid)."""
        return self.compare(samples, reference, basis)

    def compare(
        self, samples: Tensor, reference: Tensor, basis: Basis, present: Tensor | None = None
    ) -> dict[str, float]:
        """The same of differences between nodes that are both ``present`` (channel, *grid)."""
        self.check(samples, reference, basis)
        pairs = [
            (
                sorted_values(_derivatives_at(samples[:, c], basis, present, c)),
                sorted_values(_derivatives_at(reference[:, c], basis, present, c)),
            )
            for c in range(samples.shape[1])
        ]
        return _compare(pairs, "gradient")


def partial_derivatives(u: Tensor, basis: Basis) -> list[Tensor]:
    """Differences over distance along each axis of fields u (..., *grid).

    Entry j along the axis belongs to the midpoint of nodes j and j + 1.
    """
    if isinstance(basis, GramBasis):
        lengths = torch.from_numpy(np.diff(basis.points)).to(u)
        return [torch.diff(u) / lengths]
    axes = zip(basis.grid_axes(), basis.axes, strict=True)
    return [
        u.shape[number]
        / axis.side
        * torch.diff(u, dim=number, append=u.narrow(number, 0, 1) if axis.periodic else None)
        for number, axis in axes
    ]


def _at(fields: Tensor, present: Tensor | None, channel: int) -> Tensor:
    """Values of one channel (N, *grid) at the nodes that are present."""
    return fields if present is None else fields[:, present[channel]]


def _derivatives_at(
    fields: Tensor, basis: Basis, present: Tensor | None, channel: int
) -> list[Tensor]:
    """Partial derivatives of one channel (N, *grid) between nodes that are present."""
    found = partial_derivatives(fields, basis)
    if present is None:
        return found
    gaps = torch.where(present[channel], 0.0, torch.nan)
    between = partial_derivatives(gaps, basis)
    return [part[:, there.isfinite()] for part, there in zip(found, between, strict=True)]


def sorted_values(parts: list[Tensor]) -> np.ndarray:
    """All values of some tensors in ascending order, single precision at least."""
    copy = torch.cat([part.flatten() for part in parts])
    values = copy.to(torch.promote_types(copy.dtype, torch.float32)).cpu().numpy()
    values.sort()
    return values


def wasserstein_1(x: np.ndarray, y: np.ndarray) -> float:
    """W₁ between the empirical laws of two ascending arrays: the integral of |Q_x − Q_y|."""
    fewer, more = sorted((len(x), len(y)))
    # The quantile functions are constant between the places where one of them has a step.
    return _between_all_steps(x, y) if more % fewer else _between_steps_of(x, y, more)


def _between_steps_of(x: np.ndarray, y: np.ndarray, count: int) -> float:
    """The integral where all steps are at multiples of 1/count."""
    total = 0.0
    for first in range(0, count, BLOCK):
        odd = 2 * np.arange(first, min(first + BLOCK, count)) + 1
        at_x = x[odd * len(x) // (2 * count)].astype(np.float64)
        total += np.abs(at_x - y[odd * len(y) // (2 * count)]).sum()
    return float(total / count)


def _between_all_steps(x: np.ndarray, y: np.ndarray) -> float:
    """The integral where they are at multiples of 1/len(x) and of 1/len(y)."""
    n, m = len(x), len(y)
    parts = -(-(n + m) // BLOCK)
    ends = [n * m * part // parts for part in range(parts + 1)]
    total = 0.0
    for low, high in pairwise(ends):  # places in units of 1/(n m), so that they are whole numbers
        steps = [np.arange(-(-low // step) * step, high, step) for step in (n, m)]
        places = np.unique(np.concatenate([[low], *steps]))
        difference = x[places // m].astype(np.float64) - y[places // n]
        total += float(np.diff(places, append=high) @ np.abs(difference))
    return total / (n * m)


def kurtosis(values: np.ndarray) -> float:
    """Fourth central moment over the squared variance of an ascending array; NaN for a constant."""
    if values[0] == values[-1]:
        return float("nan")
    blocks = np.array_split(values, -(-len(values) // BLOCK))
    mean = sum(block.sum(dtype=np.float64) for block in blocks) / len(values)
    second = fourth = 0.0
    for block in blocks:
        squares = (block.astype(np.float64) - mean) ** 2
        second += squares.sum()
        fourth += np.dot(squares, squares)
    return float(fourth * len(values) / second**2)


def _compare(pairs: list[tuple[np.ndarray, np.ndarray]], name: str) -> dict[str, float]:
    """Averages over channels; each pair holds the ascending values of samples and reference."""
    values = (
        [wasserstein_1(x, y) for x, y in pairs],
        [kurtosis(x) for x, _ in pairs],
        [kurtosis(y) for _, y in pairs],
    )
    return {key: float(np.mean(value)) for key, value in zip(_names(name), values, strict=True)}


def _names(name: str) -> tuple[str, ...]:
    return f"{name}_w1", f"{name}_kurtosis", f"{name}_kurtosis_reference"
