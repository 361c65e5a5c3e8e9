"""Sliced Wasserstein distance between draws and reference, in random directions that are smooth.

Bonneel, Rabin, Peyré, Pfister, "Sliced and Radon Wasserstein barycenters of measures" (2015), with
directions from a Gaussian law of functions instead of the unit sphere, which has no limit as the
grid is refined.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import NonNegativeInt, PositiveFloat
from torch import Tensor

from fsdiff.measures.initial import GaussianRandomField
from fsdiff.metrics.base import Draws
from fsdiff.metrics.posterior.base import (
    AGAINST_REFERENCE,
    Cases,
    Needed,
    PosteriorMetric,
    mean_over_cases,
)
from fsdiff.metrics.sliced import project, squared_wasserstein
from fsdiff.metrics.words import Words
from fsdiff.streams import Stream


@dataclass(frozen=True)
class PosteriorSlicedWasserstein(PosteriorMetric):
    """√(Σ_g W₂²(⟨g, X⟩, ⟨g, Y⟩) / Σ_g Var⟨g, Y⟩) of draws X and the reference Y, by case.

    Directions g are ``projections`` draws of a Matérn field in the basis of the data, its
    correlation ``length`` in units of the longest side of the box and its smoothness ν; channels
    have directions of their own. They are the same functions on every grid, and their energy beyond
    the modes of a grid is summable, so that the number converges as the grid is refined. It is in
    units of the reference's own deviation in these directions: means that are δ apart give
    √(⟨δ, Qδ⟩/tr QC*), Q the covariance of g, and deviations that are a times as large |a − 1|.

    Draws of the true posterior are not at zero but at about √((1/N + 1/M) ln ln N): compare with
    the row of the reference, one half of it against the other.

    Good values: a longer length, or more smoothness, asks for large scales alone.
    """

    projections: Draws = 200
    length: PositiveFloat = 0.5
    smoothness: PositiveFloat = 1.0
    seed: NonNegativeInt = 0
    kind: Literal["posterior_sliced_wasserstein"] = "posterior_sliced_wasserstein"
    needs: ClassVar[tuple[Needed, ...]] = ("reference",)
    words = (
        Words(
            "posterior_sliced_wasserstein",
            "sliced Wasserstein, smooth directions",
            AGAINST_REFERENCE,
        ),
    )

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases."""
        assert cases.reference is not None
        reference, directions = cases.reference, self.directions(cases)

        def distance(case: int) -> Tensor:
            found, true = (project(u, directions) for u in (cases.draws[case], reference[case]))
            squared = squared_wasserstein(found, true)
            return (squared.sum() / true.double().var(0).sum()).sqrt()

        return {self.kind: float(mean_over_cases(distance, cases))}

    def directions(self, cases: Cases) -> Tensor:
        """The directions (projections, channels, *grid), weighted as the fields of ``cases`` are.

        Direction i depends on (seed, i) only.
        """
        basis, device = cases.basis, cases.draws.device
        side = max(axis.side for axis in basis.axes)
        law = GaussianRandomField(1.0, self.length * side, self.smoothness)
        indices, channels = range(self.projections), cases.draws.shape[2]
        drawn = law.sample(
            basis, cases.n, indices, self.seed, channels=channels, stream=Stream.DIRECTIONS
        ).to(device)
        return drawn if cases.roots is None else drawn * cases.roots.to(drawn)
