"""Random fields that are Gaussian themselves."""

from typing import Literal

from fsdiff.data.sources.random_fields import RandomFieldData
from fsdiff.inverse.latent.base import FieldMap, Identity, LatentLaw, gaussian
from fsdiff.inverse.references.priors import GaussianField
from fsdiff.spaces.gram import GramBasis


class RandomFieldLaw(LatentLaw[RandomFieldData]):
    """The measure of the source; the map is the identity."""

    kind: Literal["random_field"] = "random_field"

    def prior(self, source: RandomFieldData, n: int) -> GaussianField:
        """N(0, C); ValueError for fields that are no Gaussian functions."""
        measure = gaussian(source.measure)
        if isinstance(source.basis, GramBasis):
            raise ValueError(
                "basis 'gram' has nodes of different weights, with which no posterior is known; "
                "use a basis on a regular grid"
            )
        return GaussianField(source.basis, measure, n, channels=len(source.channels))

    def fields(self, source: RandomFieldData, n: int) -> FieldMap:
        """The identity."""
        return Identity()
