"""Some of the nodes along one axis, such as the first times of a series."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeInt
from torch import Tensor

from fsdiff.inverse.observations.axis_functionals import values_at
from fsdiff.inverse.observations.gridded import Gridded
from fsdiff.spaces.basis import Basis


@dataclass(frozen=True, kw_only=True)
class Frames(Gridded):
    """Values at all nodes of level ``resolution`` in some ``frames`` of an axis.

    Frames are counted from 0 among the nodes of the axis called ``axis``.
    """

    frames: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    axis: str = "t"
    kind: Literal["frames"] = "frames"

    def along(self, basis: Basis, n: int, number: int) -> Tensor:
        """Values at the nodes of level ``resolution``."""
        return values_at(basis, n, number, basis.axis_nodes(self.resolution)[number])

    def kept(self, basis: Basis) -> np.ndarray:
        """The nodes of the frames."""
        if list(self.frames) != sorted(set(self.frames)):
            raise ValueError(
                f"frames: {', '.join(map(str, self.frames))}; give each once, in increasing order, "
                "which is that of their data"
            )
        names = [axis.name for axis in basis.axes]
        if self.axis not in names:
            raise ValueError(f"axis = {self.axis}: there is none; the axes are {', '.join(names)}")
        grid, number = basis.grid(self.resolution), names.index(self.axis)
        if max(self.frames) >= grid[number]:
            raise ValueError(
                f"frames: {max(self.frames)} is none of those along {self.axis}, "
                f"0 to {grid[number] - 1}"
            )
        chosen = np.zeros(grid, bool)
        chosen[(slice(None),) * number + (list(self.frames),)] = True
        return np.flatnonzero(chosen)

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse axes and frames that do not exist."""
        self.kept(basis)
