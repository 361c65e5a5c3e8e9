"""Gaussian latent fields, and the maps that make fields of a data set of them."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor

from fsdiff.data.sources.source import Source
from fsdiff.inverse.forward.base import ForwardMap, Linearisation
from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.inverse.references.priors import Prior
from fsdiff.measures.initial import FieldLaw, GaussianRandomField, PowerLawField, WhiteNoise, Zero

S = TypeVar("S", bound=Source)


def gaussian(measure: FieldLaw) -> GaussianRandomField | PowerLawField:
    """The measure; ValueError if it is no Gaussian law of functions."""
    if isinstance(measure, Zero | WhiteNoise):
        raise ValueError(
            f"measure '{measure.kind}' is no Gaussian law of functions: no posterior is known; use "
            "gaussian_random_field or power_law_field"
        )
    return measure


class FieldMap(ABC):
    """A map from latent fields (batch, *latent shape) to fields (batch, channel, *grid), float64.

    Adjoints are those of means over nodes, summed over channels, on both sides.
    """

    affine: bool = False
    differentiable: bool = True

    @abstractmethod
    def evaluate(self, latent: Tensor) -> Tensor:
        """The fields."""

    @abstractmethod
    def linearise(self, latent: Tensor, *, many: bool = False) -> Linearisation:
        """The fields, and the derivative with its adjoint; ValueError where there is none.

        Of a single latent field they take any number of directions; ``many`` says that there will
        be hundreds.
        """


class Identity(FieldMap):
    """The latent field itself."""

    affine = True

    def evaluate(self, latent: Tensor) -> Tensor:
        """The same."""
        return latent

    def linearise(self, latent: Tensor, *, many: bool = False) -> Linearisation:
        """The same, and so its derivative."""
        return Linearisation(latent, lambda direction: direction, lambda fields: fields)


class LatentLaw(ABC, Generic[S]):
    """The law of a source's fields on any grid, as that of a map of a Gaussian field.

    For the same random numbers, fields are those of the source.
    """

    kind: str

    @abstractmethod
    def prior(self, source: S, n: int) -> Prior:
        """The law of the latent field at level n; ValueError where the source has none."""

    @abstractmethod
    def fields(self, source: S, n: int) -> FieldMap:
        """What makes physical fields of it."""


class ObservedFields(ForwardMap):
    """What is observed of the fields that a latent field makes."""

    def __init__(self, fields: FieldMap, observed: ForwardMapLike, rank: int) -> None:
        self.fields, self.observed, self.rank = fields, observed, rank
        self.affine = fields.affine and observed.affine
        self.differentiable = fields.differentiable and getattr(observed, "differentiable", True)

    @property
    def size(self) -> int:
        """How many numbers the data are."""
        return self.observed.size

    @torch.no_grad()
    def evaluate(self, u: Tensor) -> Tensor:
        """The data, (batch, size)."""
        return self.observed.forward(self.fields.evaluate(u))

    @torch.no_grad()
    def linearise(self, u: Tensor) -> Linearisation:
        """The data, and the derivative by the chain rule."""
        made = self.fields.linearise(u)

        def jvp(direction: Tensor) -> Tensor:
            return self.observed.jvp(made.value, made.jvp(direction))

        def vjp(data: Tensor) -> Tensor:
            return made.vjp(self.observed.vjp(made.value, data))

        return Linearisation(self.observed.forward(made.value), jvp, vjp)

    @torch.no_grad()
    def jacobian(self, u: Tensor) -> Tensor:
        """The derivative of each datum, (batch, size, *latent shape); all at once where it can."""
        if isinstance(self.fields, Identity) and hasattr(self.observed, "jacobian"):
            return self.observed.jacobian(u)
        if len(u) != 1 or not self.observed.affine:
            return super().jacobian(u)
        made = self.fields.linearise(u, many=True)
        units = torch.eye(self.size, dtype=u.dtype)
        return made.vjp(self.observed.vjp(made.value, units))[None]
