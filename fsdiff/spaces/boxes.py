"""Boxes of any shape: rectangles, walls that differ from axis to axis, axes that are held."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from fsdiff.spaces.axes import Axis
from fsdiff.spaces.trigonometric import TrigonometricBasis


@dataclass(frozen=True, kw_only=True)
class Box(TrigonometricBasis):
    """A product of one to three axes, each with its kind, side and nodes.

    The level ``n`` is the number of nodes along the longest axis that is refined; the others follow
    in proportion to their nodes at the reference shape, which the axes say, and held axes keep
    theirs. Eigenvalues |ω_k|² = Σ_i (π k_i/L_i)² (2π for periodic axes) are those of the sides, so
    lengths of priors are in the unit of the sides: give the longest side of space about one.

    A square box with axes of one kind has the coefficients and numbers of ``CosineBasis``,
    ``SineBasis`` and ``FourierBasis``.
    """

    axes: Annotated[tuple[Axis, ...], Field(min_length=1, max_length=3)]
    kind: Literal["box"] = "box"

    def __post_init__(self) -> None:
        """Take axes as mappings, too; refuse boxes that have none to refine or two of a name."""
        object.__setattr__(self, "axes", tuple(_axis(axis) for axis in self.axes))
        names = [axis.name for axis in self.axes]
        if not 1 <= len(names) <= 3:
            raise ValueError(f"axes: {len(names)} of them; a box has one to three")
        if len(set(names)) < len(names):
            raise ValueError(f"axes: {', '.join(names)}; give each axis a name of its own")
        if all(axis.held for axis in self.axes):
            raise ValueError("axes: all are held; a box has at least one axis that is refined")

    @property
    def dimension(self) -> int:
        """How many axes there are."""
        return len(self.axes)


def _axis(axis: Axis | Mapping[str, Any]) -> Axis:
    return axis if isinstance(axis, Axis) else Axis(**axis)
