"""Darcy flow: permeability from a Gaussian field, and pressure from permeability."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fsdiff.data.sources.darcy import DarcyData
from fsdiff.inverse.forward.base import ImpossibleFieldError, Linearisation
from fsdiff.inverse.forward.links import Exponential, LevelSet
from fsdiff.inverse.latent.base import FieldMap, LatentLaw
from fsdiff.inverse.references.priors import GaussianField
from fsdiff.measures.initial import GaussianRandomField, PowerLawField
from fsdiff.measures.permeability import Threshold
from fsdiff.pde.adjoint import Equations
from fsdiff.spaces.bases import CosineBasis

TOLERANCE = 1e-12
"""Relative residual of the equations; two decades below that of data, so that derivatives fit."""


class DarcyLaw(LatentLaw[DarcyData]):
    """The Gaussian field whose sign, or whose exponential, is the permeability."""

    kind: Literal["darcy"] = "darcy"

    def prior(self, source: DarcyData, n: int) -> GaussianField:
        """That of the permeability, in cosines."""
        own = source.permeability
        if isinstance(own, Threshold):
            return GaussianField(CosineBasis(), PowerLawField(1.0, own.shift, own.power), n)
        law = GaussianRandomField(own.variance, own.correlation_length, own.smoothness)
        return GaussianField(CosineBasis(), law, n)

    def fields(self, source: DarcyData, n: int) -> FieldMap:
        """The channels of the source, in their order."""
        own = source.permeability
        link = (
            LevelSet(high=own.high, low=own.low)
            if isinstance(own, Threshold)
            else Exponential(median=own.median)
        )
        return DarcyFields(link, source.forcing * source.length**2, source.channels)


@dataclass(frozen=True)
class DarcyFields(FieldMap):
    """g ↦ a = link(g) and p, where −∇·(a ∇p) = ``forcing`` on the unit square, p = 0 around it."""

    link: Exponential | LevelSet
    forcing: float
    channels: tuple[str, ...]

    @property
    def differentiable(self) -> bool:  # type: ignore[override]
        """Whether the link is."""
        return self.link.differentiable

    def evaluate(self, latent: Tensor) -> Tensor:
        """Permeability and pressure."""
        a = self._permeability(latent)
        if "pressure" not in self.channels:
            return a[:, None]
        return self._stacked(a, self._solved(a)[1])

    def linearise(self, latent: Tensor, *, many: bool = False) -> Linearisation:
        """The same, with one more solve for each direction; ValueError for a level set."""
        if not self.differentiable:
            raise ValueError(
                f"permeability by '{self.link.kind}' has no derivative: use a method that asks for "
                "none, such as the kernel 'pcn'"
            )
        a, slope = self._permeability(latent), self.link.derivative(latent[:, 0])
        equations, p = self._solved(a, many)

        def jvp(direction: Tensor) -> Tensor:
            change = slope * direction[:, 0]
            pressed = -equations.solve(equations.change(change, p)) if self._flows else change
            return self._stacked(change, pressed)

        def vjp(fields: Tensor) -> Tensor:
            weights = dict(zip(self.channels, fields.unbind(1), strict=True))
            gradient = weights.get("permeability", torch.zeros_like(a))
            if self._flows:
                adjoint = equations.solve(weights["pressure"])
                gradient = gradient - equations.sensitivity(adjoint, p)
            return (slope * gradient)[:, None]

        return Linearisation(self._stacked(a, p), jvp, vjp)

    @property
    def _flows(self) -> bool:
        return "pressure" in self.channels

    def _stacked(self, a: Tensor, p: Tensor) -> Tensor:
        each = {"permeability": a, "pressure": p}
        return torch.stack([each[name] for name in self.channels], 1)

    def _permeability(self, latent: Tensor) -> Tensor:
        a = self.link.value(latent[:, 0].double())
        bad = ~(a.isfinite() & (a > 0)).flatten(1).all(1)
        if bad.any():
            raise ImpossibleFieldError(
                f"position {int(bad.nonzero()[0])} in the batch of {len(a)}: the permeability is "
                "zero or infinite in double precision"
            )
        return a

    def _solved(self, a: Tensor, many: bool = False) -> tuple[Equations, Tensor]:
        equations = Equations(a, TOLERANCE, many=many)
        return equations, equations.solve(torch.full_like(a, self.forcing / a.shape[-1] ** 2))
