"""The stiffness of a membrane in 64 blocks: the prior of a published inverse problem."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from pydantic import FiniteFloat, PositiveFloat

from fsdiff.data.sources.labels import label
from fsdiff.data.sources.source import Source
from fsdiff.randomness import normals
from fsdiff.spaces.bases import CosineBasis
from fsdiff.streams import Stream

BLOCKS = 8
"""Per side."""


@dataclass(frozen=True)
class MembraneData(Source):
    """x = ln θ of stiffnesses θ on 8 × 8 blocks, independent N(``mean``, ``deviation``²).

    Aristoff and Bangerth (arXiv 2102.07263). Their prior is a density in θ; the Jacobian makes it
    N(4, 2²) in ln θ, the default. There is one level, that of the blocks.
    """

    mean: FiniteFloat = 4.0
    deviation: PositiveFloat = 2.0
    kind: Literal["membrane"] = "membrane"

    @property
    def resolution(self) -> int:
        """The blocks per side."""
        return BLOCKS

    @property
    def basis(self) -> CosineBasis:
        """Cosines, none of which vanishes at the walls."""
        return CosineBasis()

    @property
    def names(self) -> tuple[str, ...]:
        """What the one channel is."""
        return ("log_stiffness",)

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, y, x), float32. ``progress`` is called with the
        number of samples finished since the last call.
        """
        white = normals(seed, indices, (1, BLOCKS, BLOCKS), Stream.INITIAL_STATE)
        fields = (self.mean + self.deviation * white).astype(np.float32)
        if progress is not None:
            progress(len(fields))
        return label(
            fields,
            indices,
            basis=self.basis,
            measured_from="wall",
            channels=self.names,
            meaning="logarithm of the stiffness",
        )
