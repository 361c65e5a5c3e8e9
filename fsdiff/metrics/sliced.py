"""Sliced Wasserstein-2 distance between sets of fields, and a Gaussian approximation of it.

Bonneel, Rabin, Peyré, Pfister, "Sliced and Radon Wasserstein barycenters of measures" (2015);
Nadjahi et al., "Fast approximation of the sliced-Wasserstein distance using concentration of random
projections" (2021), arXiv 2106.15427.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import NonNegativeInt
from torch import Tensor

from fsdiff.metrics.base import Draws, Metric
from fsdiff.metrics.fields import BLOCK, blocks
from fsdiff.metrics.words import Words
from fsdiff.randomness import generator
from fsdiff.spaces.bases import Basis


@dataclass(frozen=True)
class SlicedWasserstein(Metric):
    """Sliced W₂ with white-noise directions: √ mean_g W₂²(⟨g, X⟩, ⟨g, Y⟩).

    g has independent N(0, 1) coefficients on the orthonormal basis and ⟨·, ·⟩ is the mean over
    nodes, summed over channels. In d dimensions g is a uniform unit direction times an independent
    length with mean square d, so this is √d times the sliced distance over unit directions of the
    weighted vectors, that is (with one channel) the usual one of the plain vectors of node values.
    The scaling makes the value independent of the resolution: a function has the same projections
    on every grid that resolves it, for the same directions, because those are nested. Two point
    masses at u and w are at the distance ‖u − w‖.

    Projections of fields with many modes are nearly Gaussian whatever the law of the fields: read
    this beside measures of structure, and beside its value between two sets of real data.

    Returns ``sliced_wasserstein``, in deviations of the channels.
    """

    projections: Draws = 500
    seed: NonNegativeInt = 0
    kind: Literal["sliced_wasserstein"] = "sliced_wasserstein"
    words = (Words("sliced_wasserstein", "sliced Wasserstein", "whole field"),)

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The distance between two sets of fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        size = max(1, BLOCK // samples[0].numel())
        total = 0.0
        for first in range(0, self.projections, size):
            indices = range(first, min(first + size, self.projections))
            directions = white_noise_directions(samples, basis, indices, self.seed)
            squared = squared_wasserstein(
                project(samples, directions), project(reference, directions)
            )
            total += float(squared.sum())
        return {"sliced_wasserstein": (total / self.projections) ** 0.5}


class _GaussianApproximation(Metric):
    """What the approximation is in both units."""

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The approximate distance between two sets of fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        mean_x, variance_x = _mean_and_variance(samples)
        mean_y, variance_y = _mean_and_variance(reference)
        shift = (mean_x - mean_y).square().mean()
        spread = (variance_x.sqrt() - variance_y.sqrt()).square()
        return {self.kind: float((shift + spread).sqrt())}


@dataclass(frozen=True)
class SlicedWassersteinGaussianApproximation(_GaussianApproximation):
    """√(‖mean_X − mean_Y‖²/d + (√(V_X/d) − √(V_Y/d))²), V the mean squared deviation.

    Norms are Euclidean and d counts nodes times channels. This is the value of the sliced distance
    (over unit directions of the plain vectors) in the limit where all projections are Gaussian; it
    depends on the mean field and the total variance only and sees no covariance, spectrum or
    density.

    Source: arXiv 2106.15427, where it is the proposed estimator. Returns ``sw_gaussian_approx``, in
    deviations of the channels.
    """

    kind: Literal["sw_gaussian_approx"] = "sw_gaussian_approx"
    words = (
        Words("sw_gaussian_approx", "sliced Wasserstein, Gaussian approximation", "whole field"),
    )


@dataclass(frozen=True)
class PhysicalSlicedWassersteinGaussianApproximation(_GaussianApproximation):
    """The same of fields in physical units, for comparison with numbers published of such.

    The channel of the largest deviation hides all others. Returns ``sw_gaussian_approx_physical``,
    in the unit of the fields.
    """

    physical: ClassVar[bool] = True
    kind: Literal["sw_gaussian_approx_physical"] = "sw_gaussian_approx_physical"
    words = (
        Words(
            "sw_gaussian_approx_physical",
            "sliced Wasserstein, Gaussian approximation, physical units",
            "whole field",
        ),
    )


def white_noise_directions(fields: Tensor, basis: Basis, indices: range, seed: int = 0) -> Tensor:
    """White noise on the channels and grid of ``fields``, shape (len(indices), channels, *grid).

    Direction i depends on (seed, i) only, and its modes on a coarse grid are those on a fine one.
    Nodes at different distances have the square roots of their shares of the domain as weights, as
    fields have in ``Metric.compare``.
    """
    channels, n = fields.shape[1], basis.resolution(fields)
    normals = np.empty((len(indices), channels, basis.size(n)))
    for row, index in enumerate(indices):
        for channel in range(channels):
            stream = generator(seed, index, channel)
            stream.standard_normal(out=normals[row, channel])
    noise = basis.inverse(basis.white_noise(normals, n).to(fields.device), n)
    return noise * basis.shares(n).sqrt().to(noise)


def project(fields: Tensor, directions: Tensor) -> Tensor:
    """Inner products of each field with each direction, shape (N, len(directions)).

    In the precision of the fields: its roundoff is far below what the number of fields leaves open.
    """
    weighted = directions.flatten(1).T / directions[0, 0].numel()
    return fields.flatten(1) @ weighted.to(fields.dtype)


def squared_wasserstein(x: Tensor, y: Tensor) -> Tensor:
    """W₂² between corresponding columns of x (N, P) and y (M, P), shape (P,), float64."""
    if len(x) == len(y):
        return (x.sort(0).values.double() - y.sort(0).values).square().mean(0)
    from ot.lp import wasserstein_1d  # a second that only those pay who need it

    columns = max(1, BLOCK // (len(x) + len(y)))
    pairs = zip(x.split(columns, dim=1), y.split(columns, dim=1), strict=True)
    return torch.cat([wasserstein_1d(a.double(), b.double(), p=2) for a, b in pairs])


def _mean_and_variance(fields: Tensor) -> tuple[Tensor, Tensor]:
    """Mean field, and mean squared deviation from it, averaged over nodes and channels."""
    zero = fields.new_zeros(())
    mean = sum((block.sum(0) for block in blocks(fields)), zero) / len(fields)
    deviation = sum(((block - mean).square().sum() for block in blocks(fields)), zero)
    return mean, deviation / fields.numel()
