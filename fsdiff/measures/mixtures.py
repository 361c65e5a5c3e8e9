"""Mixtures of Gaussian measures with one common covariance."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fsdiff.spaces.bases import Basis


@dataclass(frozen=True)
class GaussianMixture:
    """The law Σ_i w_i N(μ_i, C) of fields, C diagonal in ``basis``.

    ``means`` are fields (component, channel, *grid) on any grid; ``covariance`` gives the
    eigenvalues c_k (channel, *coefficients) on n nodes per axis; ``weights`` (component,) sum to
    one. On a coarser grid than that of the means it is the law of the restricted fields.
    """

    basis: Basis
    means: Tensor
    covariance: Callable[[int], Tensor]
    weights: Tensor

    @property
    def channels(self) -> int:
        """Number of channels of a field."""
        return self.means.shape[1]

    @property
    def resolution(self) -> int:
        """The level of the grid that the means are given on."""
        return self.basis.resolution(self.means)

    def mean_coefficients(self, n: int) -> Tensor:
        """Coefficients of the μ_i on n nodes, (component, channel, *coefficients)."""
        return self.basis.forward(self.basis.resample(self.means, n))

    def spectrum(self, n: int) -> Tensor:
        """Mean-square coefficients E|û_k|² on n nodes, (channel, *coefficients)."""
        squares = self.mean_coefficients(n).abs().square()
        return torch.tensordot(self.weights, squares, 1) + self.covariance(n)

    def joint(self, n: int) -> None:
        """Channels know of each other by the μ_i alone, which is not told."""

    def sample(self, random: np.random.Generator, count: int, n: int) -> Tensor:
        """Independent fields (count, channel, *grid) on n nodes, float64."""
        component = torch.from_numpy(random.choice(len(self.weights), count, p=self.weights))
        centres = self.basis.resample(self.means, n)[component]
        normals = random.standard_normal((count, self.channels, self.basis.size(n)))
        white = self.basis.white_noise(normals, n)
        return centres + self.basis.inverse(white * self.covariance(n).sqrt(), n)
