"""How well samples agree with a law on a manifold: the distance to its support, and the law on it.

A sampler may put every sample on the support and still draw some parts of it too often, so both
stand beside each other.
"""

import math

import torch
from torch import Tensor

from fsdiff.measures.manifolds import ManifoldLaw
from fsdiff.randomness import generator
from fsdiff.streams import Stream

MEANINGS = {
    "distance": "mean distance of samples to the support",
    "distance_95": "95 % quantile of the distance to the support",
    "kolmogorov": "Kolmogorov–Smirnov distance of positions along the curve",
    "wasserstein_along": "W₁ of positions along the curve, in units of its probability",
    "chi_squared": "χ² of the frequencies of the points",
    "sliced_wasserstein": "sliced W₂ to as many points of the law",
}
"""Numbers → what they are."""


def agreement(law: ManifoldLaw, samples: Tensor, seed: int) -> dict[str, float]:
    """Those of ``MEANINGS`` that the law has, for samples (count, d)."""
    samples = samples.double()
    near = law.nearest(samples)
    distance = (samples - near).norm(dim=1)
    others = law.sample(generator(seed, Stream.MANIFOLD_SAMPLING), len(samples))
    found = {
        "distance": float(distance.mean()),
        "distance_95": float(distance.quantile(0.95)),
        "sliced_wasserstein": sliced_wasserstein(samples, others),
    }
    position = law.position(samples)
    if position is not None:
        found["kolmogorov"] = kolmogorov_to_uniform(position)
        found["wasserstein_along"] = wasserstein_to_uniform(position)
    if law.dimension == 0:
        found["chi_squared"] = chi_squared(counts(law, samples))
    return found


def counts(law: ManifoldLaw, samples: Tensor) -> Tensor:
    """How many samples are nearest to each point of a finite set."""
    points = law.mixture().means.flatten(1)
    return torch.bincount(torch.cdist(samples, points).argmin(1), minlength=len(points))


def chi_squared(count: Tensor) -> float:
    """χ² of counts against equal frequencies; its expectation is their number less one."""
    expected = count.sum() / len(count)
    return float(((count - expected).square() / expected).sum())


def kolmogorov_to_uniform(position: Tensor) -> float:
    """sup |F_n(p) − p| of numbers in [0, 1]."""
    p = position.sort().values.double()
    steps = torch.arange(len(p) + 1, dtype=torch.float64) / len(p)
    return float(torch.maximum(steps[1:] - p, p - steps[:-1]).max())


def wasserstein_to_uniform(position: Tensor) -> float:
    """W₁ of numbers in [0, 1] to the uniform law, ∫|F_n⁻¹(q) − q| dq."""
    p = position.sort().values.double()
    steps = torch.arange(len(p) + 1, dtype=torch.float64) / len(p)
    before, behind = steps[:-1] - p, steps[1:] - p
    return float(0.5 * (behind * behind.abs() - before * before.abs()).sum())


def sliced_wasserstein(x: Tensor, y: Tensor, directions: int = 100) -> float:
    """√ mean W₂² of as many points x and y (count, d), projected to directions that are fixed."""
    random = generator(0, Stream.MANIFOLD_SAMPLING, 1)
    theta = torch.from_numpy(random.standard_normal((x.shape[1], directions)))
    if x.shape[1] == 2:
        angle = torch.arange(directions, dtype=torch.float64) * (math.pi / directions)
        theta = torch.stack([angle.cos(), angle.sin()])
    theta = theta / theta.norm(dim=0)
    difference = (x.double() @ theta).sort(0).values - (y.double() @ theta).sort(0).values
    return float(difference.square().mean()) ** 0.5
