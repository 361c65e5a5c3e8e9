"""The Gaussian surrogate as an object."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.interface.fields import Labelled
from fsdiff.interface.model import Model
from fsdiff.methods import models
from fsdiff.methods.gaussian import Gaussian as Method


class Gaussian(Model):
    """The Gaussian random field with the mean and the spectrum of the data; nothing is trained."""

    kind: Literal["gaussian"] = "gaussian"

    def sample(self, *, n: int, indices: Sequence[int], seed: int = 0) -> Samples:
        """``fields`` (len(indices), channel, *grid) at level n, in the unit of the data."""
        return self._sample(None, n, indices, seed, None)

    def _method(self, statistics: Statistics, seed: int, classes: Labelled | None = None) -> Method:
        return Method(statistics.measured(self.basis))

    def _blocks(self) -> dict[str, Any]:
        return {}

    @classmethod
    def of(cls, fitted: models.Model) -> Self:
        """The model of a method that was read from files."""
        model = cls(fitted.method.basis)
        model._fitted = fitted
        return model
