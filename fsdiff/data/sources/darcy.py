"""Darcy flow: random permeability fields and the pressure in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, FiniteFloat, PositiveFloat
from torch import Tensor

from fsdiff.data.sources.labels import label
from fsdiff.data.sources.source import Source, check_channels
from fsdiff.measures.permeability import Permeability, Threshold
from fsdiff.pde.darcy import ConvergenceError, Darcy
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.bases import CosineBasis, SineBasis
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.channels import ChannelBasis

_GROUP_CELLS = 2**17
"""Cells of the samples that are made at a time; changes nothing in them."""


@dataclass(frozen=True)
class DarcyData(Source):
    """Permeability a and pressure u of −∇·(a ∇u) = f with u = 0 on the boundary of a square.

    Sample i is the i-th field of ``permeability`` with the solution of ``fsdiff.pde.Darcy`` in it,
    on ``resolution`` cells per axis. Published data (Li et al. 2021) have a = 12 or 3 and f = 1.

    Permeability is made of cosines, and both channels are expanded in them. The pressure alone is
    expanded in sines, which vanish at the boundary as it does: beyond any |k| it then has a tenth
    of the energy that is left in cosines (measured, defaults). With ``basis_by_channel`` it is so
    beside permeability, too.
    """

    resolution: Annotated[Nodes, Field(ge=2)] = 64
    permeability: Permeability = field(default_factory=Threshold)
    forcing: FiniteFloat = 1.0
    channels: Annotated[tuple[Literal["permeability", "pressure"], ...], Field(min_length=1)] = (
        "permeability",
        "pressure",
    )
    length: PositiveFloat = 1.0
    basis_by_channel: bool = False
    kind: Literal["darcy"] = "darcy"

    def __post_init__(self) -> None:
        check_channels(self.channels)

    @property
    def basis(self) -> Basis:
        """Cosines, or sines for pressure alone or if each channel has a basis of its own."""
        own = tuple(SineBasis() if c == "pressure" else CosineBasis() for c in self.channels)
        if len(own) == 1:
            return own[0]
        return ChannelBasis(bases=own) if self.basis_by_channel else CosineBasis()

    @property
    def system(self) -> Darcy:
        """The equation."""
        return Darcy(self.forcing, self.length)

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, y, x), float32. ``progress`` is called with the
        number of samples finished since the last call. Raises ``ConvergenceError`` with the
        sample's index.
        """
        n = self.resolution
        fields = np.empty((len(indices), len(self.channels), n, n), np.float32)
        group = max(1, _GROUP_CELLS // n**2)
        for first in range(0, len(indices), group):
            part = indices[first : first + group]
            fields[first : first + group] = self._fields(part, seed)
            if progress is not None:
                progress(len(part))
        return self._label(fields, indices)

    def _fields(self, indices: Sequence[int], seed: int) -> np.ndarray:
        """Samples made together, shape (sample, channel, y, x)."""
        permeability = self.permeability.sample(CosineBasis(), self.resolution, indices, seed)
        channels = {"permeability": permeability}
        if "pressure" in self.channels:
            channels["pressure"] = self._pressure(permeability, indices, seed)
        return torch.cat([channels[name] for name in self.channels], 1).to(torch.float32).numpy()

    def _pressure(self, permeability: Tensor, indices: Sequence[int], seed: int) -> Tensor:
        try:
            return self.system.solve(permeability.to(self.device)).cpu()
        except ConvergenceError as error:
            message = f"sample {indices[error.position]} of seed {seed}: {error}"
            raise ConvergenceError(message, error.position, error.residual) from error

    @property
    def node_positions(self) -> dict[str, np.ndarray]:
        """Coordinates of the nodes along each axis, in the unit of ``length``."""
        nodes = CosineBasis().nodes(self.resolution) * self.length
        return {"y": nodes, "x": nodes}

    def _label(self, fields: np.ndarray, indices: Sequence[int]) -> xr.Dataset:
        return label(
            fields,
            indices,
            basis=self.basis,
            nodes=self.node_positions,
            measured_from="wall",
            channels=self.channels,
            meaning=" and ".join(self.channels),
        )
