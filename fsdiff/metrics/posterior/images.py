"""How near restorations are to what was observed, as images are judged: PSNR, SSIM, derivatives.

All are told as in the field, in the range of the truths: the difference of the largest and the
smallest value that a channel has in all cases, which is 1 for images from 0 to 1 that are black
somewhere and white somewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.metrics.densities import GradientDensity
from fsdiff.metrics.posterior.base import (
    AGAINST_TRUTH,
    Cases,
    Needed,
    PosteriorMetric,
    mean_over_cases,
)
from fsdiff.metrics.words import Words

_WINDOW, _DEVIATION = 11, 1.5
"""Nodes of a window along each axis, and the deviation of its weights in nodes."""

_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2
"""The constants C₁ and C₂ of values in a range of 1."""


@dataclass(frozen=True)
class PeakSignalToNoise(PosteriorMetric):
    """10 log₁₀(L²/MSE) in decibels, of the posterior mean and of single draws.

    L is the range of all truths of a channel; the mean square error is that over nodes, and over
    channels in units of their ranges. Numbers are means over cases, and draws of each, of decibels.
    A draw of the true posterior is 10 log₁₀ 2 ≈ 3 decibels below the mean, roughly.
    """

    kind: Literal["psnr"] = "psnr"
    needs: ClassVar[tuple[Needed, ...]] = ("truth",)
    continued: ClassVar[bool] = True
    words = (
        Words("psnr_mean", "PSNR of the mean, in dB", AGAINST_TRUTH, target=None),
        Words("psnr_draw", "PSNR of a draw, in dB", AGAINST_TRUTH, target=None),
    )
    of_estimates: ClassVar[tuple[str, ...]] = ("psnr_mean",)

    def measure(self, cases: Cases) -> dict[str, float]:
        """Means over cases."""
        scaled = in_range_of_truths(cases)

        def decibels(case: int) -> Tensor:
            draws, truth = scaled(case)
            single = cases.mean((draws - truth).square())
            mean = cases.mean((draws.mean(0) - truth).square())
            return torch.stack([-10 * mean.log10(), -10 * single.log10().mean()])

        found = mean_over_cases(decibels, cases)
        return dict(zip(self.results, found.tolist(), strict=True))


@dataclass(frozen=True)
class StructuralSimilarity(PosteriorMetric):
    """The mean structural similarity to the truth, of the posterior mean and of single draws.

    Wang, Bovik, Sheikh and Simoncelli (IEEE Transactions on Image Processing, 2004): means,
    variances and covariances in windows of 11 nodes along each axis with Gaussian weights of
    deviation 1.5, K₁ = 0.01 and K₂ = 0.03, for values from 0 to 1 between the least and the largest
    of all truths of a channel. Windows lie in the domain and, where data have gaps, on nodes that
    are present. They are as wide as nodes are, so that numbers on two grids are not comparable, and
    grids with fewer nodes than that along an axis have none.
    """

    kind: Literal["ssim"] = "ssim"
    needs: ClassVar[tuple[Needed, ...]] = ("truth",)
    continued: ClassVar[bool] = True
    words = (
        Words("ssim_mean", "SSIM of the mean", AGAINST_TRUTH, target=1.0),
        Words("ssim_draw", "SSIM of a draw", AGAINST_TRUTH, target=1.0),
    )
    of_estimates: ClassVar[tuple[str, ...]] = ("ssim_mean",)

    def measure(self, cases: Cases) -> dict[str, float]:
        """Means over cases; not numbers where no window fits."""
        dimension = cases.basis.dimension
        if min(cases.draws.shape[-dimension:]) < _WINDOW:
            return dict.fromkeys(self.results, float("nan"))
        scaled, inside = in_range_of_truths(cases), _whole_windows(cases)

        def similarity(case: int) -> Tensor:
            draws, truth = scaled(case)
            both = torch.cat([draws.mean(0, keepdim=True), draws])
            found = ssim_map(both, truth.expand_as(both), dimension)
            own = torch.stack([each[inside].mean() for each in found])
            return torch.stack([own[0], own[1:].mean()])

        found = mean_over_cases(similarity, cases)
        return dict(zip(self.results, found.tolist(), strict=True))


@dataclass(frozen=True)
class PosteriorGradients(PosteriorMetric):
    """The Wasserstein-1 distance between derivatives of draws and of truths, pooled over cases.

    As ``gradient`` has it of samples: of functions with fronts it sees draws that are too smooth.
    ``restored_gradient_floor`` is the same distance with a draw of each case in the place of its
    truth, the median over some of them: what draws of a true posterior have, whose truths are one
    more draw.
    """

    kind: Literal["restored_gradient"] = "restored_gradient"
    needs: ClassVar[tuple[Needed, ...]] = ("truth",)
    continued: ClassVar[bool] = True
    words = (
        Words("restored_gradient_w1", "derivative W₁ of draws and truths", AGAINST_TRUTH),
        Words(
            "restored_gradient_floor",
            "derivative W₁ of draws and one of them",
            AGAINST_TRUTH,
            target=None,
        ),
    )
    of_estimates: ClassVar[tuple[str, ...]] = ("restored_gradient_w1",)

    def measure(self, cases: Cases) -> dict[str, float]:
        """The distance, and its floor."""
        assert cases.truth is not None
        draws, chosen = cases.draws, np.linspace(0, cases.draws.shape[1] - 1, 5).astype(int)
        floors = []
        for number in () if cases.estimates else dict.fromkeys(chosen.tolist()):
            rest = torch.cat([draws[:, :number], draws[:, number + 1 :]], 1)
            floors.append(_distance(rest, draws[:, number], cases))
        floor = float(np.median(floors)) if floors else float("nan")
        values = (_distance(draws, cases.truth, cases), floor)
        return dict(zip(self.results, values, strict=True))


def in_range_of_truths(cases: Cases) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Gives draws and the truth of a case in units in which truths of a channel are from 0 to 1.

    The least and the largest value are those of all cases at nodes that are present. Float64.
    """
    assert cases.truth is not None
    truths, axes = cases.truth.double(), (0, *cases.basis.grid_axes())
    seen = torch.ones_like(truths[0], dtype=torch.bool) if cases.present is None else cases.present
    least = torch.where(seen, truths, torch.inf).amin(axes, keepdim=True)[0]
    largest = torch.where(seen, truths, -torch.inf).amax(axes, keepdim=True)[0]

    def scaled(case: int) -> tuple[Tensor, Tensor]:
        pair = cases.draws[case].double(), truths[case]
        draws, truth = ((fields - least) / (largest - least) for fields in pair)
        return draws, truth

    return scaled


def ssim_map(x: Tensor, y: Tensor, dimension: int) -> Tensor:
    """The similarity of fields (..., *grid) in every window that lies in the domain."""
    means = [_averaged(each, dimension) for each in (x, y, x * x, y * y, x * y)]
    first, second, own, other, joint = means
    luminance = 2 * first * second + _LUMINANCE, first.square() + second.square() + _LUMINANCE
    covariance = 2 * (joint - first * second) + _CONTRAST
    variances = own - first.square() + other - second.square() + _CONTRAST
    return luminance[0] * covariance / (luminance[1] * variances)


def _averaged(fields: Tensor, dimension: int) -> Tensor:
    """Weighted means in windows, along each of the last axes in turn."""
    places = torch.arange(_WINDOW).to(fields) - _WINDOW // 2
    weights = (-0.5 * (places / _DEVIATION).square()).exp()
    weights = weights / weights.sum()
    for axis in range(-dimension, 0):
        fields = fields.unfold(axis, _WINDOW, 1) @ weights
    return fields


def _whole_windows(cases: Cases) -> Tensor:
    """Which windows lie on nodes that are present, (channel, *windows)."""
    like = cases.draws[0, 0]
    present = torch.ones_like(like) if cases.present is None else cases.present.to(like)
    for axis in cases.basis.grid_axes():
        present = present.unfold(axis, _WINDOW, 1).amin(-1)
    return present > 0


def _distance(draws: Tensor, truth: Tensor, cases: Cases) -> float:
    found = GradientDensity().compare(draws.flatten(0, 1), truth, cases.basis, cases.present)
    return found["gradient_w1"]
