"""Laws that imitate given fields without any network: what a model has to be better than.

Each is fitted to fields (N, channel, *grid) and drawn from, in double precision. Those that copy
have all moments right and nothing of their own, those that do not lack what the fields have beyond
second moments.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from scipy.special import ndtr, ndtri
from torch import Tensor

EXPLAINED = 0.9999
"""The share of the variance that principal components are to have."""


Law = Callable[[int, np.random.Generator], Tensor]
"""Draws as many fields (count, channel, *grid), float64."""


class Imitation(ABC):
    """A law made of fields; a frozen dataclass with a ``kind``."""

    kind: str

    @abstractmethod
    def fit(self, fields: Tensor) -> Law:
        """The law made of ``fields`` (N, channel, *grid)."""

    def draw(self, fields: Tensor, count: int, random: np.random.Generator) -> Tensor:
        """Fields (count, channel, *grid) of the law made of ``fields`` (N, channel, *grid)."""
        return self.fit(fields)(count, random)


@dataclass(frozen=True)
class Resampled(Imitation):
    """The given fields themselves, each as often as chance will have it: a perfect memory."""

    kind: Literal["resampled"] = "resampled"

    def fit(self, fields: Tensor) -> Law:
        """Fields drawn with replacement."""
        return lambda count, random: fields[_places(random, len(fields), count)].double()


@dataclass(frozen=True)
class Shrunk(Imitation):
    """Given fields, moved towards their mean: the collapse of a model to less than it has seen."""

    factor: Annotated[float, Field(ge=0, le=1)] = 0.3
    kind: Literal["shrunk"] = "shrunk"

    def fit(self, fields: Tensor) -> Law:
        """The mean field, and a ``factor`` of what a field drawn with replacement is besides."""
        mean, same = fields.double().mean(0), Resampled().fit(fields)
        return lambda count, random: mean + self.factor * (same(count, random) - mean)


@dataclass(frozen=True)
class NodeNoise(Imitation):
    """Independent normal values at all nodes, with the mean and deviation of each channel."""

    kind: Literal["node_noise"] = "node_noise"

    def fit(self, fields: Tensor) -> Law:
        """White noise."""
        values = fields.double().transpose(0, 1).flatten(1)
        shape = (-1, *[1] * (fields.ndim - 2))
        mean, deviation = (v.view(shape) for v in (values.mean(1), values.std(1, correction=0)))
        grid = fields.shape[1:]
        return lambda count, random: mean + deviation * _normals(random, count, *grid)


@dataclass(frozen=True)
class PrincipalComponents(Imitation):
    """The Gaussian field with the mean and the covariance of the given ones.

    x̄ + Σ_k √ν_k ξ_k φ_k over the principal components that hold 99.99 % of the variance.
    """

    kind: Literal["principal_components"] = "principal_components"

    def fit(self, fields: Tensor) -> Law:
        """Independent normal scores."""
        mean, components, _ = _principal(fields)

        def draw(count: int, random: np.random.Generator) -> Tensor:
            scores = _normals(random, count, len(components))
            return (mean + scores @ components).unflatten(1, fields.shape[1:])

        return draw


@dataclass(frozen=True)
class PrincipalDensity(Imitation):
    """A kernel density of the scores of principal components: a given field, somewhat changed.

    z′ = (z + h ξ)/√(1 + h²) with the standardised scores z of a given field and ``width`` h, which
    keeps their covariance. It copies as h → 0 and is Gaussian as h → ∞.
    """

    width: PositiveFloat = 0.3
    kind: Literal["principal_density"] = "principal_density"

    def fit(self, fields: Tensor) -> Law:
        """Scores of fields drawn with replacement, and noise."""
        mean, components, scores = _principal(fields)
        size = (1 + self.width**2) ** 0.5

        def draw(count: int, random: np.random.Generator) -> Tensor:
            drawn = scores[_places(random, len(scores), count)]
            drawn = (drawn + self.width * _normals(random, *drawn.shape)) / size
            return (mean + drawn @ components).unflatten(1, fields.shape[1:])

        return draw


@dataclass(frozen=True)
class GaussianCopula(Imitation):
    """Fields whose values have, at each node, the law of the given ones, joined by a Gaussian.

    Values become normal by their ranks, of these the principal components are taken, and values
    drawn go back by the quantiles of the given ones, linear between them: never beyond the range.
    """

    kind: Literal["gaussian_copula"] = "gaussian_copula"

    def fit(self, fields: Tensor) -> Law:
        """Normal fields, mapped node by node."""
        values = fields.double().flatten(1)
        ordered = values.sort(0).values.numpy()
        levels = (np.arange(len(values)) + 0.5) / len(values)
        ranks = values.argsort(0).argsort(0).numpy()
        normal = torch.from_numpy(ndtri(levels)[ranks])
        law = PrincipalComponents().fit(normal / normal[:, :1].std(correction=0))

        def draw(count: int, random: np.random.Generator) -> Tensor:
            shares = ndtr(law(count, random).numpy())
            found = [np.interp(shares[:, i], levels, ordered[:, i]) for i in range(shares.shape[1])]
            return torch.from_numpy(np.stack(found, axis=1)).unflatten(1, fields.shape[1:])

        return draw


def _principal(fields: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (d,), components √ν_k φ_k (k, d) and scores of unit variance (N, k) of fields."""
    flat = fields.double().flatten(1)
    mean = flat.mean(0)
    left, singular, axes = torch.linalg.svd(flat - mean, full_matrices=False)
    share = singular.square().cumsum(0) / singular.square().sum()
    kept = 1 + int((share < EXPLAINED).sum())
    root = len(flat) ** 0.5
    return mean, singular[:kept, None] / root * axes[:kept], root * left[:, :kept]


def _normals(random: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(random.standard_normal(shape))


def _places(random: np.random.Generator, total: int, count: int) -> Tensor:
    """Which of a set are drawn, with replacement."""
    return torch.from_numpy(random.integers(total, size=count))
