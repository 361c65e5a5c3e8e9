"""Laws that imitate given fields without any network: what a model has to be better than.

Each is fitted to fields (N, channel, *grid) and drawn from, in double precision. Those that copy
have all moments right and nothing of their own, those that do not lack what the fields have beyond
second moments.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from scipy.special import ndtr, ndtri
from torch import Tensor

EXPLAINED = 0.9999
"""The share of the variance that principal components are to have."""


class Imitation(ABC):
    """A law made of fields; a frozen dataclass with a ``kind``."""

    kind: str

    @abstractmethod
    def draw(self, fields: Tensor, count: int, random: np.random.Generator) -> Tensor:
        """Fields (count, channel, *grid) of the law made of ``fields`` (N, channel, *grid)."""


@dataclass(frozen=True)
class Resampled(Imitation):
    """The given fields themselves, each as often as chance will have it: a perfect memory."""

    kind: Literal["resampled"] = "resampled"

    def draw(self, fields: Tensor, count: int, random: np.random.Generator) -> Tensor:
        """Fields drawn with replacement."""
        return fields[torch.from_numpy(random.integers(len(fields), size=count))].double()


@dataclass(frozen=True)
class Shrunk(Imitation):
    """Given fields, moved towards their mean: the collapse of a model to less than it has seen."""

    factor: Annotated[float, Field(ge=0, le=1)] = 0.3
    kind: Literal["shrunk"] = "shrunk"

    def draw(self, fields: Tensor, count: int, random: np.random.Generator) -> Tensor:
        """The mean field, and a ``factor`` of what a field drawn with replacement is besides."""
        mean = fields.double().mean(0)
        return mean + self.factor * (Resampled().draw(fields, count, random) - mean)


@dataclass(frozen=True)
class NodeNoise(Imitation):
    """Independent normal values at all nodes, with the mean and deviation of each channel."""

    kind: Literal["node_noise"] = "node_noise"

    def draw(self, fields: Tensor, count: int, random: np.random.Generator) -> Tensor:
        """White noise."""
        values = fields.double().transpose(0, 1).flatten(1)
        shape = (-1, *[1] * (fields.ndim - 2))
        mean, deviation = (v.view(shape) for v in (values.mean(1), values.std(1, correction=0)))
        return mean + deviation * _normals(random, count, *fields.shape[1:])


@dataclass(frozen=True)
class PrincipalComponents(Imitation):
    """The Gaussian field with the mean and the covariance of the given ones.

    x̄ + Σ_k √ν_k ξ_k φ_k over the principal components that hold 99.99 % of the variance.
    """

    kind: Literal["principal_components"] = "principal_components"

    def draw(self, fields: Tensor, count: int, random: np.random.Generator) -> Tensor:
        """Independent normal scores."""
        mean, components, _ = _principal(fields)
        scores = _normals(random, count, len(components))
        return (mean + scores @ components).unflatten(1, fields.shape[1:])


@dataclass(frozen=True)
class PrincipalDensity(Imitation):
    """A kernel density of the scores of principal components: a given field, somewhat changed.

    z′ = (z + h ξ)/√(1 + h²) with the standardised scores z of a given field and ``width`` h, which
    keeps their covariance. It copies as h → 0 and is Gaussian as h → ∞.
    """

    width: PositiveFloat = 0.3
    kind: Literal["principal_density"] = "principal_density"

    def draw(self, fields: Tensor, count: int, random: np.random.Generator) -> Tensor:
        """Scores of fields drawn with replacement, and noise."""
        mean, components, scores = _principal(fields)
        drawn = Resampled().draw(scores, count, random)
        noise = _normals(random, count, scores.shape[1])
        drawn = (drawn + self.width * noise) / (1 + self.width**2) ** 0.5
        return (mean + drawn @ components).unflatten(1, fields.shape[1:])


@dataclass(frozen=True)
class GaussianCopula(Imitation):
    """Fields whose values have, at each node, the law of the given ones, joined by a Gaussian.

    Values become normal by their ranks, of these the principal components are taken, and values
    drawn go back by the quantiles of the given ones, linear between them: never beyond the range.
    """

    kind: Literal["gaussian_copula"] = "gaussian_copula"

    def draw(self, fields: Tensor, count: int, random: np.random.Generator) -> Tensor:
        """Normal fields, mapped node by node."""
        values = fields.double().flatten(1)
        ordered = values.sort(0).values.numpy()
        levels = (np.arange(len(values)) + 0.5) / len(values)
        ranks = values.argsort(0).argsort(0).numpy()
        normal = torch.from_numpy(ndtri(levels)[ranks])
        drawn = PrincipalComponents().draw(normal, count, random) / normal[:, :1].std(correction=0)
        shares = ndtr(drawn.numpy())
        found = [np.interp(shares[:, i], levels, ordered[:, i]) for i in range(shares.shape[1])]
        return torch.from_numpy(np.stack(found, axis=1)).unflatten(1, fields.shape[1:])


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
