"""A smoothed function on a coarse grid: blur."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from fsdiff.inverse.observations.axis_functionals import (
    AxisFunctions,
    functions_of,
    refuse_arbitrary_points,
    values_at,
)
from fsdiff.inverse.observations.gridded import Gridded
from fsdiff.spaces.basis import Basis


@dataclass(frozen=True, kw_only=True)
class LowPass(Gridded):
    """The function blurred by a Gaussian, projected onto the grid of level ``resolution``.

    The Gaussian's standard deviation is ``width``, in the unit of the sides: a mode of frequency ω
    is multiplied by exp(−½ width² |ω|²), and modes that the grid does not resolve by zero. A width
    of zero leaves the projection. Data are nodal values; along held axes nothing is smoothed.
    """

    width: NonNegativeFloat = 0.0
    kind: Literal["low_pass"] = "low_pass"

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse functions that have no series."""
        refuse_arbitrary_points(basis)

    def along(self, basis: Basis, n: int, number: int) -> Tensor:
        """Values, at the nodes of the coarse grid, of the modes that both grids resolve."""
        axis, places = basis.axes[number], basis.axis_nodes(self.resolution)[number]
        if axis.held:
            return values_at(basis, n, number, places)
        fine = functions_of(basis, n, number)
        coarse = AxisFunctions(axis, len(places))
        shared = min(len(fine.omega), len(coarse.omega))
        kept = np.exp(-0.5 * (self.width * fine.omega[:shared]) ** 2)
        return torch.from_numpy(fine.values(places)[:, :shared] * kept @ fine.analysis[:shared])
