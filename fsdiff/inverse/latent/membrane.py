"""The stiffness of a membrane: independent blocks."""

from typing import Literal

from fsdiff.data.sources.membrane import BLOCKS, MembraneData
from fsdiff.inverse.latent.base import FieldMap, Identity, LatentLaw
from fsdiff.inverse.references.priors import IndependentNormals


class MembraneLaw(LatentLaw[MembraneData]):
    """Independent normals; the map is the identity."""

    kind: Literal["membrane"] = "membrane"

    def prior(self, source: MembraneData, n: int) -> IndependentNormals:
        """ln θ on 8 × 8 blocks; ValueError for any other level."""
        if n != BLOCKS:
            raise ValueError(f"the membrane has {BLOCKS} × {BLOCKS} blocks, not {n} × {n}")
        return IndependentNormals((1, BLOCKS, BLOCKS), source.mean, source.deviation)

    def fields(self, source: MembraneData, n: int) -> FieldMap:
        """The identity."""
        return Identity()
