"""Laws of points of ℝ^d on finite sets, lines, curves and surfaces: data without a density.

The examples of Lu, Wang & Bal (arXiv 2301.07882, §4) and more, with exact conditional expectations,
the nearest point of the support, and where along a curve that is.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.diffusion.exact import POINTS, STANDARD_NORMAL, ExactDenoiser, mixture, point_set
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.measures.mixtures import GaussianMixture
from fsdiff.randomness import generator
from fsdiff.spaces.bases import CosineBasis
from fsdiff.streams import Stream

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

FINE = 20000
"""Points of a curve among which the nearest is sought first."""


class ManifoldLaw(ABC):
    """A law of points of ℝ^d on a support of a lower ``dimension``.

    Points are (count, d), float64: fields of d channels on one node, or of one channel on d nodes.
    """

    dimension: ClassVar[int] = 0
    of_functions: ClassVar[bool] = False
    """Whether points are functions, by their values at several nodes."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its name in configurations."""

    @property
    def coordinates(self) -> int:
        """d, how many coordinates a point has."""
        return self.mixture().means[0].numel()

    @abstractmethod
    def mixture(self) -> GaussianMixture:
        """The law as a mixture."""

    def exact(self, process: GaussianPath) -> ExactDenoiser:
        """The exact conditional expectations, for noise N(0, I)."""
        return ExactDenoiser(self.mixture(), noise=STANDARD_NORMAL, process=process)

    def sample(self, random: np.random.Generator, count: int) -> Tensor:
        """Independent points."""
        law = self.mixture()
        return law.sample(random, count, law.resolution).flatten(1)

    @abstractmethod
    def nearest(self, x: Tensor) -> Tensor:
        """The nearest point of the support to each of x."""

    def position(self, x: Tensor) -> Tensor | None:
        """Where on a curve the nearest point is, as the probability of what lies before it.

        (count,), uniform on [0, 1] under the law; None where the support is no curve.
        """
        return None


@dataclass(frozen=True, kw_only=True)
class Line(ManifoldLaw):
    """x ~ N(0, 1), y = 0."""

    dimension: ClassVar[int] = 1
    kind: Literal["line"] = "line"

    def mixture(self) -> GaussianMixture:
        """One Gaussian with a degenerate covariance."""
        variances = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
        zero = torch.zeros((1, 2, 1), dtype=torch.float64)
        return GaussianMixture(POINTS, zero, lambda n: variances, torch.ones(1).double())

    def nearest(self, x: Tensor) -> Tensor:
        """(x, 0)."""
        return x * torch.tensor([1.0, 0.0], dtype=x.dtype)

    def position(self, x: Tensor) -> Tensor:
        """Φ(x)."""
        return torch.special.ndtr(x[:, 0])


class Curve(ManifoldLaw):
    """The law of ``at`` U in the plane, for a number U between two ``ends``."""

    dimension: ClassVar[int] = 1
    ends: ClassVar[tuple[float, float]]
    nodes: int

    @property
    def coordinates(self) -> int:
        """Two, as of all points of the plane."""
        return 2

    @abstractmethod
    def at(self, u: Tensor) -> Tensor:
        """Points (count, 2) of parameters (count,)."""

    @abstractmethod
    def density(self, u: Tensor) -> Tensor:
        """The density of U, up to a factor."""

    @abstractmethod
    def probability(self, u: Tensor) -> Tensor:
        """P(U < u)."""

    @abstractmethod
    def quantile(self, p: Tensor) -> Tensor:
        """The u with P(U < u) = p."""

    def mixture(self) -> GaussianMixture:
        """Points at equidistant parameters, weighted with the density.

        They stand for the curve to spectral accuracy as long as the noise r exceeds their distance.
        """
        u = torch.linspace(*self.ends, self.nodes, dtype=torch.float64)
        return point_set(self.at(u), self.density(u))

    def sample(self, random: np.random.Generator, count: int) -> Tensor:
        """Points of the curve itself, not of the nodes that stand for it."""
        return self.at(self.quantile(torch.from_numpy(random.random(count))))

    def nearest(self, x: Tensor) -> Tensor:
        """Nearest points, from a fine polygon."""
        return self.at(self.parameter(x))

    def position(self, x: Tensor) -> Tensor:
        """P(U < u) at the parameter u of the nearest point."""
        return self.probability(self.parameter(x))

    def parameter(self, x: Tensor) -> Tensor:
        """The parameter u of the nearest point, (count,)."""
        tree, vertices = _polygon(self)
        u = torch.linspace(*self.ends, FINE, dtype=torch.float64)
        _, index = tree.query(x.numpy())
        best, found = torch.full((len(x),), torch.inf, dtype=torch.float64), u[index]
        for first in (np.clip(index - 1, 0, FINE - 2), np.clip(index, 0, FINE - 2)):
            start, side = vertices[first], vertices[first + 1] - vertices[first]
            part = ((x - start) * side).sum(1) / side.square().sum(1)
            part = part.clamp(0, 1)
            distance = (x - start - part[:, None] * side).norm(dim=1)
            u_here = u[first] + part * (u[1] - u[0])
            best, found = torch.minimum(best, distance), torch.where(distance < best, u_here, found)
        return found


@cache
def _polygon(curve: Curve) -> "tuple[cKDTree, Tensor]":
    """Points along a curve, and a tree of them."""
    from scipy.spatial import cKDTree  # half a second that only those pay who need it

    vertices = curve.at(torch.linspace(*curve.ends, FINE, dtype=torch.float64))
    return cKDTree(vertices.numpy()), vertices


@dataclass(frozen=True, kw_only=True)
class Parabola(Curve):
    """x ~ N(0, 1), y = x², on |x| ≤ 5."""

    ends: ClassVar[tuple[float, float]] = (-5.0, 5.0)
    nodes: PositiveInt = 5000
    kind: Literal["parabola"] = "parabola"

    def at(self, u: Tensor) -> Tensor:
        """(u, u²)."""
        return torch.stack([u, u.square()], dim=1)

    def density(self, u: Tensor) -> Tensor:
        """That of N(0, 1)."""
        return torch.exp(-0.5 * u.square())

    def probability(self, u: Tensor) -> Tensor:
        """Φ(u)."""
        return torch.special.ndtr(u)

    def quantile(self, p: Tensor) -> Tensor:
        """Φ⁻¹(p)."""
        return torch.special.ndtri(p).clamp(*self.ends)


@dataclass(frozen=True, kw_only=True)
class Spiral(Curve):
    """(U cos U, U sin U) with U uniform on [1, 13], the curve of the published code."""

    ends: ClassVar[tuple[float, float]] = (1.0, 13.0)
    nodes: PositiveInt = 3000
    kind: Literal["spiral"] = "spiral"

    def at(self, u: Tensor) -> Tensor:
        """(u cos u, u sin u)."""
        return u[:, None] * torch.stack([u.cos(), u.sin()], dim=1)

    def density(self, u: Tensor) -> Tensor:
        """The same everywhere."""
        return torch.ones_like(u)

    def probability(self, u: Tensor) -> Tensor:
        """(u − 1)/12."""
        first, last = self.ends
        return (u - first) / (last - first)

    def quantile(self, p: Tensor) -> Tensor:
        """1 + 12 p."""
        first, last = self.ends
        return first + (last - first) * p


class _FiniteSet(ManifoldLaw):
    """Equally likely points."""

    def nearest(self, x: Tensor) -> Tensor:
        """The nearest of the points."""
        points = self.mixture().means.flatten(1)
        return points[torch.cdist(x, points).argmin(1)]


@dataclass(frozen=True, kw_only=True)
class Points(_FiniteSet):
    """Equally likely points, all of one dimension."""

    points: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1)]
    kind: Literal["points"] = "points"

    def __post_init__(self) -> None:
        """Refuse points of different dimensions."""
        if len({len(point) for point in self.points} | {0}) != 2:
            raise ValueError("points: give all of them the same number of coordinates, one or more")

    def mixture(self) -> GaussianMixture:
        """The points themselves."""
        return point_set(torch.tensor(self.points, dtype=torch.float64))


@dataclass(frozen=True, kw_only=True)
class RandomPoints(_FiniteSet):
    """Equally likely points that were drawn uniformly in the unit square."""

    count: PositiveInt = 20
    seed: NonNegativeInt = 0
    kind: Literal["random_points"] = "random_points"

    def mixture(self) -> GaussianMixture:
        """The points, a function of the seed."""
        places = generator(self.seed, Stream.MANIFOLD).random((self.count, 2))
        return point_set(torch.from_numpy(places))


@dataclass(frozen=True, kw_only=True)
class Functions(_FiniteSet):
    """Equally likely functions on an interval, by their values at its nodes."""

    of_functions: ClassVar[bool] = True
    functions: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1)]
    kind: Literal["functions"] = "functions"

    def __post_init__(self) -> None:
        """Refuse functions on different grids."""
        if len({len(function) for function in self.functions} | {0}) != 2:
            raise ValueError("functions: give all of them the same number of values, one or more")

    def mixture(self) -> GaussianMixture:
        """Fields of one channel on an interval with walls."""
        fields = torch.tensor(self.functions, dtype=torch.float64)[:, None]
        nothing = torch.zeros((1, fields.shape[-1]), dtype=torch.float64)
        return mixture(CosineBasis(1), fields, lambda n: nothing)


@dataclass(frozen=True, kw_only=True)
class Sphere(ManifoldLaw):
    """Uniform on the sphere of a ``radius`` in ℝ³."""

    dimension: ClassVar[int] = 2
    radius: PositiveFloat = 1.0
    kind: Literal["sphere"] = "sphere"

    def mixture(self) -> GaussianMixture:
        """The corners of an octahedron, which have the same mean and covariance."""
        corners = torch.eye(3, dtype=torch.float64)
        return point_set(self.radius * torch.cat([corners, -corners]))

    def exact(self, process: GaussianPath) -> ExactDenoiser:
        """Expectations in closed form."""
        return _OnSphere(self, process)

    def sample(self, random: np.random.Generator, count: int) -> Tensor:
        """Normal vectors, scaled to the radius."""
        return self.nearest(torch.from_numpy(random.standard_normal((count, 3))))

    def nearest(self, x: Tensor) -> Tensor:
        """R x/|x|."""
        return self.radius * x / x.norm(dim=1, keepdim=True).clamp_min(1e-300)


class _OnSphere(ExactDenoiser):
    """Given X_t = x a point of the sphere has von Mises and Fisher's law about x/|x|."""

    def __init__(self, sphere: Sphere, process: GaussianPath) -> None:
        super().__init__(sphere.mixture(), noise=STANDARD_NORMAL, process=process)
        self.radius = sphere.radius

    def _conditional_mean(self, x: Tensor, component: Marginal) -> Tensor:
        """R (coth κ − 1/κ) x/|x| with κ = m R |x|/r²."""
        length = x.norm(dim=1, keepdim=True)
        variance = component.noise_scale.square()
        kappa = component.mean_scale * self.radius * length / variance
        small = kappa < 1e-4
        safe = torch.where(small, 1.0, kappa)
        mean = torch.where(small, kappa / 3, 1 / safe.tanh() - 1 / safe)
        return self.radius * mean * x / length.clamp_min(1e-300)


def blurred(law: GaussianMixture, deviation: float) -> GaussianMixture:
    """The law of Y + s Z with Z ~ N(0, I): each component is wider by the variance s²."""
    return GaussianMixture(
        law.basis, law.means, lambda n: law.covariance(n) + deviation**2, law.weights
    )
