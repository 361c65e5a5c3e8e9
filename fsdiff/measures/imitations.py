"""Laws that imitate given fields without any network: what a model has to be better than.

Each is fitted to fields (N, channel, *grid) and drawn from, in double precision. Those that copy
have all moments right and nothing of their own, those that do not lack what the fields have beyond
second moments.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from scipy.special import ndtr, ndtri
from torch import Tensor

from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream

EXPLAINED = 0.9999
"""The share of the variance that principal components are to have."""

LENGTHS = 40
"""How many lengths are tried, from half the least distance of nodes to twice the longest side."""

Law = Callable[[int, np.random.Generator], Tensor]
"""Draws as many fields (count, channel, *grid), float64."""


class Imitation(ABC):
    """A law made of fields; a frozen dataclass with a ``kind``."""

    kind: str

    @abstractmethod
    def fit(self, fields: Tensor, basis: Basis) -> Law:
        """The law made of ``fields`` (N, channel, *grid), functions of the space of ``basis``."""

    def check_grid(self, basis: Basis, n: int) -> None:  # noqa: B027 (most take any grid)
        """Raise ValueError where no law can be made of fields of level n."""

    def draw(self, fields: Tensor, basis: Basis, count: int, random: np.random.Generator) -> Tensor:
        """Fields (count, channel, *grid) of the law made of ``fields`` (N, channel, *grid)."""
        return self.fit(fields, basis)(count, random)


@dataclass(frozen=True)
class Resampled(Imitation):
    """The given fields themselves, each as often as chance will have it: a perfect memory."""

    kind: Literal["resampled"] = "resampled"

    def fit(self, fields: Tensor, basis: Basis) -> Law:
        """Fields drawn with replacement."""
        return lambda count, random: fields[_places(random, len(fields), count)].double()


@dataclass(frozen=True)
class Shrunk(Imitation):
    """Given fields, moved towards their mean: the collapse of a model to less than it has seen."""

    factor: Annotated[float, Field(ge=0, le=1)] = 0.3
    kind: Literal["shrunk"] = "shrunk"

    def fit(self, fields: Tensor, basis: Basis) -> Law:
        """The mean field, and a ``factor`` of what a field drawn with replacement is besides."""
        mean, same = fields.double().mean(0), Resampled().fit(fields, basis)
        return lambda count, random: mean + self.factor * (same(count, random) - mean)


@dataclass(frozen=True)
class NodeNoise(Imitation):
    """Independent normal values at all nodes, with the mean and deviation of each channel."""

    kind: Literal["node_noise"] = "node_noise"

    def fit(self, fields: Tensor, basis: Basis) -> Law:
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

    def fit(self, fields: Tensor, basis: Basis) -> Law:
        """Independent normal scores."""
        mean, components, _ = _principal(fields)

        def draw(count: int, random: np.random.Generator) -> Tensor:
            scores = _normals(random, count, len(components))
            return (mean + scores @ components).unflatten(1, fields.shape[1:])

        return draw


@dataclass(frozen=True)
class Stationary(Imitation):
    """The most likely stationary Gaussian field: a Matérn or Gaussian covariance, and a mean.

    Mean and variance are one number for each channel. Smoothness ½, 3/2, 5/2 or ∞, and the length,
    the same on all axes, are those of the greatest likelihood of the given fields, channel by
    channel. Distances are those of nodes, in the unit of the sides; a periodic axis is bent to a
    circle and they go straight through it, so that all these covariances are valid.
    """

    kind: Literal["stationary"] = "stationary"

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse more nodes than a covariance can be factorised of."""
        if (nodes := basis.size(n)) > MOST_NODES:
            raise ValueError(
                f"fields have {nodes} nodes: the most that is feasible for the covariance of "
                f"{self.kind} is {MOST_NODES}; use a coarser grid, or principal_components"
            )

    def fit(self, fields: Tensor, basis: Basis) -> Law:
        """Independent channels, each of a factor of its covariance."""
        grid, n = fields.shape[2:], basis.resolution(fields)
        self.check_grid(basis, n)
        nodes, distance = grid.numel(), _distances(basis, n)
        side = max(axis.side for axis in basis.axes)
        means = fields.double().flatten(2).mean((0, 2))
        factors = [
            _likeliest(channel - mean, distance, side)
            for channel, mean in zip(fields.double().flatten(2).unbind(1), means, strict=True)
        ]

        def draw(count: int, random: np.random.Generator) -> Tensor:
            drawn = [
                mean + _normals(random, count, nodes) @ factor.mT
                for mean, factor in zip(means, factors, strict=True)
            ]
            return torch.stack(drawn, dim=1).unflatten(2, grid)

        return draw


@dataclass(frozen=True)
class PrincipalDensity(Imitation):
    """A kernel density of the scores of principal components: a given field, somewhat changed.

    z′ = (z + h ξ)/√(1 + h²) with the standardised scores z of a given field and ``width`` h, which
    keeps their covariance. It copies as h → 0 and is Gaussian as h → ∞.
    """

    width: PositiveFloat = 0.3
    kind: Literal["principal_density"] = "principal_density"

    def fit(self, fields: Tensor, basis: Basis) -> Law:
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
    Values that are the same have ranks in random order, at each node another: any rule by the
    order of the fields would be the same at all nodes, and correlate them. Of a single field there
    is nothing but that field.
    """

    kind: Literal["gaussian_copula"] = "gaussian_copula"

    def fit(self, fields: Tensor, basis: Basis) -> Law:
        """Normal fields, mapped node by node."""
        values = fields.double().flatten(1)
        ordered = values.sort(0).values.numpy()
        levels = (np.arange(len(values)) + 0.5) / len(values)
        ties = generator(0, Stream.TIES).random(values.shape)
        ranks = np.lexsort((ties, values.numpy()), axis=0).argsort(0)
        normal = torch.from_numpy(ndtri(levels)[ranks])
        size = normal[:, :1].std(correction=0) if len(normal) > 1 else 1.0
        law = PrincipalComponents().fit(normal / size, basis)

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


MOST_NODES = 2048
"""Nodes of fields whose covariance is factorised, for each smoothness and length."""

NUGGET = 1e-6
"""Relative variance of white noise beside a smooth covariance, without which it is singular."""

CORRELATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "1/2": lambda h: (-h).exp(),
    "3/2": lambda h: (1 + 3**0.5 * h) * (-(3**0.5) * h).exp(),
    "5/2": lambda h: (1 + 5**0.5 * h + 5 / 3 * h.square()) * (-(5**0.5) * h).exp(),
    "∞": lambda h: (-h.square() / 2).exp(),
}
"""Matérn correlations by smoothness, of distances in units of the length."""


def _distances(basis: Basis, n: int) -> Tensor:
    """Between the nodes of level n, (nodes, nodes); across the circle along a periodic axis."""
    along = [
        _bent(nodes, axis.side) if axis.periodic else nodes[:, None]
        for axis, nodes in zip(basis.axes, basis.axis_nodes(n), strict=True)
    ]
    which = np.indices(basis.grid(n)).reshape(len(along), -1)
    places = [coordinates[index] for coordinates, index in zip(along, which, strict=True)]
    matrix = torch.from_numpy(np.concatenate(places, axis=1))
    return torch.cdist(matrix, matrix, compute_mode="donot_use_mm_for_euclid_dist")


def _bent(nodes: np.ndarray, side: float) -> np.ndarray:
    """Nodes on the circle whose circumference is the side, (nodes, 2)."""
    angle = 2 * np.pi * nodes / side
    return side / (2 * np.pi) * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _likeliest(values: Tensor, distance: Tensor, side: float) -> Tensor:
    """A factor (nodes, nodes) of the most likely covariance of values (N, nodes) of mean zero.

    The variance of the greatest likelihood, given the correlation C, is tr(C⁻¹S)/nodes, with the
    second moments S of the values.
    """
    nodes = len(distance)
    moments = values.mT @ values / len(values)
    spacing = float(distance[distance > 0].min()) if nodes > 1 else 1.0
    best, found = float("inf"), torch.eye(nodes, dtype=torch.float64)
    for correlation in CORRELATIONS.values():
        for length in np.geomspace(spacing / 2, 2 * side, LENGTHS):
            matrix = correlation(distance / length)
            matrix.diagonal().add_(NUGGET)
            factor, failed = torch.linalg.cholesky_ex(matrix)
            if failed:
                continue
            variance = torch.cholesky_solve(moments, factor).trace() / nodes
            # −2/N of the logarithm of the likelihood, up to a constant.
            cost = float(nodes * variance.log() + 2 * factor.diagonal().log().sum())
            if cost < best:
                best, found = cost, variance.sqrt() * factor
    return found


def _normals(random: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(random.standard_normal(shape))


def _places(random: np.random.Generator, total: int, count: int) -> Tensor:
    """Which of a set are drawn, with replacement."""
    return torch.from_numpy(random.integers(total, size=count))
