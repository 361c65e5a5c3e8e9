"""Fréchet distances between sets of features, and what they tend to with many."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

PARTS = (1, 2, 4)
"""In how many parts sets are divided for the limit of many fields."""


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """The squared Wasserstein-2 distance of Gaussians with the moments of x and y (N, feature)."""
    shift = (x.mean(0) - y.mean(0)).square().sum()
    covariances = [torch.atleast_2d(u.T.cov()) for u in (x, y)]
    first, second = map(_root, covariances)
    # The trace of (C^½ D C^½)^½; singular values need no root of what is zero but for rounding.
    common = torch.linalg.svdvals(first @ second).sum()
    return float(shift + sum(c.trace() for c in covariances) - 2 * common)


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def fewest_for_limit(features: int) -> int:
    """How many fields there must be: a fourth of them has a covariance that is not singular.

    The excess of a Fréchet distance of fewer falls more slowly than 1/N.
    """
    return PARTS[-1] * features + 1


def has_limit(features: Tensor) -> bool:
    """Whether there are fields enough, of features (N, feature)."""
    return len(features) >= fewest_for_limit(features.shape[1])


def with_limit(x: Tensor, y: Tensor) -> tuple[float, float]:
    """The Fréchet distance of features, and its limit of many fields: NaN where these are few."""
    limit = in_the_limit(frechet_distance, x, y) if has_limit(x) else math.nan
    return frechet_distance(x, y), limit


def in_the_limit(distance: Callable[[Tensor, Tensor], float], x: Tensor, y: Tensor) -> float:
    """A distance of two sets of N as N grows without bound, where its excess falls like 1/N."""
    found = []
    for parts in PARTS:
        pairs = zip(x.tensor_split(parts), y.tensor_split(parts), strict=True)
        found.append(np.mean([distance(*pair) for pair in pairs]))
    return float(np.polyfit(np.array(PARTS) / len(x), found, 1)[1])
