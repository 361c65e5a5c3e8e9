"""The Fréchet distance between laws of scattering coefficients, which asks for no training."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.frechet import fewest_for_limit, with_limit
from fsdiff.metrics.scattering import Scattering
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis

FAMILY = "structure"

NEGLIGIBLE = 1e-4
"""Of a field's deviation: means of moduli that are smaller are as good as none."""


@dataclass(frozen=True)
class FrechetScattering(Metric):
    """The Fréchet distance in means over the box of wavelet scattering up to the second order.

    Features of a field are its mean, those of |u ∗ ψ_a| for Morlet wavelets ψ of ``scales`` octaves
    and ``orientations`` directions, and those of ||u ∗ ψ_a| ∗ ψ_b| for scales b larger than a
    (Mallat, arXiv 1101.2286; Bruna and Mallat, arXiv 1203.1513): 113 of a field in the plane and 11
    of one on a line. The largest wavelet has 1.5 waves along the longest side, the next ones
    twice and four times as many, so that numbers are the same on all grids that resolve the fields,
    and on coarser ones scales that these do not have count as empty. It asks for no network and no
    labels, and sees how energy is arranged: a Gaussian surrogate has the wrong means. The estimate
    is too large by a number of order 1/N; the limit is that of ``frechet_classifier``, given where
    N/4 exceeds the number of features.

    Beside it is the root mean square over features of the first and second order of ln(s/r), s and
    r their means over samples and over reference fields, both at least 10⁻⁴ of the deviation: a
    distance of means, in which all scales have the same weight.

    Returns ``frechet_scattering``, ``frechet_scattering_limit`` and ``scattering_error``.
    """

    scales: Annotated[int, Field(ge=1, le=8)] = 4
    orientations: Annotated[int, Field(ge=1, le=16)] = 4
    at_least: ClassVar[int] = 2
    joint: ClassVar[bool] = True
    continued: ClassVar[bool] = True
    kind: Literal["frechet_scattering"] = "frechet_scattering"
    words = (
        Words("frechet_scattering", "Fréchet distance of scattering", FAMILY),
        Words(
            "frechet_scattering_limit",
            "Fréchet distance of scattering, limit of many fields",
            FAMILY,
        ),
        Words("scattering_error", "scattering, error of log means", FAMILY),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """A distance, what it tends to, and an error of means."""
        return "frechet_scattering", "frechet_scattering_limit", "scattering_error"

    def fewest(self, result: str, basis: Basis, n: int, channels: int) -> int:
        """Many for the limit."""
        if result != "frechet_scattering_limit":
            return self.at_least
        return fewest_for_limit(sum(sum(map.orders) for map in self._maps(basis, channels)))

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse volumes, functions of time and irregular points."""
        if basis.dimension > 2 or any(axis.held for axis in basis.axes):
            raise ValueError(
                f"{self.kind} is of functions on a line or in the plane; leave it out for others"
            )
        if not bool((basis.shares(n) == 1).all()):
            raise ValueError(f"{self.kind} has waves on even grids; leave it out for other nodes")

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The numbers of two sets of fields (N, channels, *grid), cut to one number of fields."""
        self.check(samples, reference, basis)
        count = min(len(samples), len(reference))
        maps = self._maps(basis, samples.shape[1])
        found, expected = (features(fields[:count], maps) for fields in (samples, reference))
        distances = with_limit(torch.cat(found, 1), torch.cat(expected, 1))
        mine, theirs = (
            torch.cat([own[:, 1:].mean(0) for own in each]).clamp_min(NEGLIGIBLE)
            for each in (found, expected)
        )
        ratio = torch.log(mine / theirs)
        error = float(ratio.square().mean().sqrt())
        numbers = zip(self.results, (*distances, error), strict=True)
        return {name: value for name, value in numbers if not math.isnan(value)}

    def _maps(self, basis: Basis, channels: int) -> list[Scattering]:
        """One for each channel."""
        bases = basis.by_channel(channels)
        return [Scattering(own, self.scales, self.orientations) for own in bases]


def features(fields: Tensor, maps: list[Scattering]) -> list[Tensor]:
    """Those of each channel of fields (N, channels, *grid), (N, feature) each."""
    return [own(fields[:, channel]) for channel, own in enumerate(maps)]
