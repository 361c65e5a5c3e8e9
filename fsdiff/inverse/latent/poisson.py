"""Poisson's equation: source and solution, both linear in the source."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fsdiff.data.sources.poisson import PoissonData
from fsdiff.inverse.forward.base import Linearisation
from fsdiff.inverse.latent.base import FieldMap, LatentLaw, gaussian
from fsdiff.inverse.references.priors import GaussianField


class PoissonLaw(LatentLaw[PoissonData]):
    """The latent field is the source."""

    kind: Literal["poisson"] = "poisson"

    def prior(self, source: PoissonData, n: int) -> GaussianField:
        """The measure of the sources; ValueError if that is no Gaussian law of functions."""
        return GaussianField(source.basis, gaussian(source.measure), n)

    def fields(self, source: PoissonData, n: int) -> FieldMap:
        """The channels of the source, in their order."""
        return PoissonFields(source)


@dataclass(frozen=True)
class PoissonFields(FieldMap):
    """f ↦ f and (−Δ)⁻¹ f."""

    data: PoissonData
    affine = True

    def evaluate(self, latent: Tensor) -> Tensor:
        """Source and solution."""
        return self.data.pair(latent)

    def linearise(self, latent: Tensor, *, many: bool = False) -> Linearisation:
        """The same map, and its adjoint."""
        return Linearisation(self.evaluate(latent), self.evaluate, self._adjoint)

    def _adjoint(self, fields: Tensor) -> Tensor:
        each = dict(zip(self.data.channels, fields.split(1, 1), strict=True))
        zero = torch.zeros_like(fields[:, :1])
        solved = self.data.solve(each["solution"]) if "solution" in each else zero
        return each.get("source", zero) + solved
