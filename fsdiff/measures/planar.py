"""Laws of points in the plane, supported on lines, curves and finite sets: data without a density.

The examples of Lu, Wang & Bal (arXiv 2301.07882, §4), with exact conditional expectations.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from fsdiff.diffusion.exact import POINTS, GaussianMixture, point_set

NODES = 5000
"""Points that stand for a curve."""


class PlanarLaw(ABC):
    """A law of points (x, y)."""

    @abstractmethod
    def mixture(self) -> GaussianMixture:
        """The law as a mixture on ℝ²."""


@dataclass(frozen=True, kw_only=True)
class Line(PlanarLaw):
    """x ~ N(0, 1), y = 0."""

    kind: Literal["line"] = "line"

    def mixture(self) -> GaussianMixture:
        """One Gaussian with a degenerate covariance."""
        variances = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
        zero = torch.zeros((1, 2, 1), dtype=torch.float64)
        return GaussianMixture(POINTS, zero, lambda n: variances, torch.ones(1).double())


@dataclass(frozen=True, kw_only=True)
class Parabola(PlanarLaw):
    """x ~ N(0, 1), y = x²."""

    kind: Literal["parabola"] = "parabola"

    def mixture(self) -> GaussianMixture:
        """Points on |x| ≤ 5, equidistant in x and weighted with the density.

        They stand for the curve to spectral accuracy as long as the noise r exceeds their distance,
        0.01 at x = 2.
        """
        x = torch.linspace(-5, 5, NODES, dtype=torch.float64)
        return point_set(torch.stack([x, x.square()], dim=1), torch.exp(-0.5 * x.square()))


@dataclass(frozen=True, kw_only=True)
class Points(PlanarLaw):
    """Equally likely points."""

    points: Annotated[tuple[tuple[float, float], ...], Field(min_length=1)]
    kind: Literal["points"] = "points"

    def mixture(self) -> GaussianMixture:
        """The points themselves."""
        return point_set(torch.tensor(self.points, dtype=torch.float64))
