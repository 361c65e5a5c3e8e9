"""The Fréchet distance between laws of principal components of the training fields."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from fsdiff.metrics.base import OfTraining
from fsdiff.metrics.frechet import PARTS, fewest_for_limit, with_limit
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis


@dataclass(frozen=True)
class FrechetPrincipal(OfTraining):
    """The Fréchet distance in the leading principal components of the training fields.

    The squared Wasserstein-2 distance between Gaussians with the moments of ⟨u, φ_k⟩, k = 1 …
    ``components``, in which φ_k are the eigenfunctions of the covariance of the training fields
    with the largest eigenvalues, all channels together: in units of each channel's own deviation,
    and as means over nodes, so that grids do not matter. It asks for no network and suits curves
    too, and it is blind to all but means and covariances: a Gaussian surrogate is as near as data
    are. The estimate is too large by a number of order 1/N; the limit is that of
    ``frechet_classifier``, given where N/4 exceeds the number of components.

    Returns ``frechet_principal`` and ``frechet_principal_limit``.
    """

    components: PositiveInt = 64
    at_least: ClassVar[int] = 2 * PARTS[-1]
    joint: ClassVar[bool] = True
    kind: Literal["frechet_principal"] = "frechet_principal"
    words = (
        Words("frechet_principal", "Fréchet distance of principal components", "second moments"),
        Words(
            "frechet_principal_limit",
            "Fréchet distance of principal components, limit of many fields",
            "second moments",
        ),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """A distance, and what it tends to."""
        return "frechet_principal", "frechet_principal_limit"

    def fewest(self, result: str, basis: Basis, n: int, channels: int) -> int:
        """Many for the limit; fields on few nodes have fewer components."""
        if result != "frechet_principal_limit":
            return self.at_least
        return fewest_for_limit(min(self.components, channels * math.prod(basis.grid(n))))

    def found(self, training: Tensor, samples: Tensor, reference: Tensor) -> dict[str, float]:
        """The numbers of fields (N, channels, *grid) and training fields (M, channels, *grid)."""
        count = min(len(samples), len(reference))
        nodes = reference.shape[2:].numel()
        seen, x, y = (
            fields.flatten(1) / nodes**0.5
            for fields in (training, samples[:count], reference[:count])
        )
        functions = principal_directions(seen, self.components)
        x, y = x @ functions.T, y @ functions.T
        found = zip(self.results, with_limit(x, y), strict=True)
        return {name: value for name, value in found if not math.isnan(value)}


def principal_directions(x: Tensor, count: int) -> Tensor:
    """The leading eigenvectors of the covariance of x (N, d): (at most ``count``, d), orthonormal.

    Fewer where there are fewer directions in which x varies.
    """
    centred = x - x.mean(0)
    # By the smaller of the two matrices of products: many fields on few nodes, or few on many.
    wide = len(x) < x.shape[1]
    values, vectors = torch.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    kept = values.flip(0)[:count] > 1e-12 * values.max()
    leading = vectors.flip(1)[:, :count][:, kept].T
    if not wide:
        return leading
    return leading @ centred / values.flip(0)[:count][kept, None].sqrt()
