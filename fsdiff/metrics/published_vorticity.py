"""Measures that are published of vorticity fields, as they are in code: warnings come with them."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.densities import sorted_values, wasserstein_1
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis


@dataclass(frozen=True)
class PublishedVorticity(Metric):
    """Three Wasserstein-1 distances of Lim et al. (arXiv 2302.07400), for comparison only.

    Between the values of all nodes (``published_pixels_w1``); between the *numbers* of two spectra
    (``published_spectrum_w1``); and between the mean squares of fields' deviations from the mean
    field of their set (``published_deviation_w1``), all in physical units.

    None of them sees more than a Gaussian field with the same spectrum has, where fields are nearly
    Gaussian, as published ones are. The second is no distance of spectra: the numbers of its shells
    are compared as if they were draws, so that it does not change if shells are exchanged; shells
    are those of |k_x| + |k_y| in one quadrant, and coefficients are added up before their modulus
    is taken. Use ``spectrum``, ``one_point`` and ``enstrophy_flux``.
    """

    physical: ClassVar[bool] = True
    continued: ClassVar[bool] = True
    kind: Literal["published_vorticity"] = "published_vorticity"
    words = (
        Words("published_pixels_w1", "values, W₁ (published)", "published"),
        Words("published_spectrum_w1", "unordered spectrum, W₁ (published)", "published"),
        Words("published_deviation_w1", "mean squares, W₁ (published)", "published"),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """Three distances."""
        return "published_pixels_w1", "published_spectrum_w1", "published_deviation_w1"

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse what is not on a square of nodes."""
        grid = basis.grid(n)
        if len(grid) != 2 or grid[0] != grid[1]:
            raise ValueError("adds wavenumbers of squares up; use others for other fields")

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The distances between two sets of fields (N, channels, n, n), averaged over channels."""
        self.check(samples, reference, basis)
        pairs = list(zip(samples.double().unbind(1), reference.double().unbind(1), strict=True))
        numbers = (
            [_distance(x.flatten(), y.flatten()) for x, y in pairs],
            [_distance(unordered_spectrum(x), unordered_spectrum(y)) for x, y in pairs],
            [_distance(deviations(x), deviations(y)) for x, y in pairs],
        )
        return {
            name: float(np.mean(values)) for name, values in zip(self.results, numbers, strict=True)
        }


def unordered_spectrum(fields: Tensor) -> Tensor:
    """|Σ û_k| over |k_x| + |k_y| = s in one quadrant, mean over fields (N, n, n); (n,) for s."""
    n = fields.shape[-1]
    half = -(-n // 2)
    coefficients = torch.fft.fft2(fields, norm="forward")[:, :half, :half]
    k = torch.arange(half, device=fields.device)
    shell = (k[:, None] + k[None, :]).flatten()
    sums = coefficients.new_zeros(len(fields), n)
    return sums.index_add_(1, shell, coefficients.flatten(1)).abs().mean(0)


def deviations(fields: Tensor) -> Tensor:
    """Mean squares over nodes of fields (N, n, n) less their mean field, (N,)."""
    return (fields - fields.mean(0)).square().mean((1, 2))


def _distance(x: Tensor, y: Tensor) -> float:
    return wasserstein_1(sorted_values([x]), sorted_values([y]))
