"""The bases of unit boxes: squares, intervals and cubes with axes of one kind.

Their levels have n nodes along every axis. Boxes with other sides, kinds that differ or axes that
are held are ``fsdiff.spaces.boxes.Box``.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fsdiff.spaces.axes import Axis, AxisKind, Nodes
from fsdiff.spaces.basis import Basis, Dimension
from fsdiff.spaces.trigonometric import TrigonometricBasis

__all__ = ["Basis", "CosineBasis", "Dimension", "FourierBasis", "Nodes", "SineBasis"]

SPACE = ("z", "y", "x")
"""Names of the axes of space, in the order of a field's axes; of planes the last two, and so on."""


@dataclass(frozen=True)
class UnitBox(TrigonometricBasis):
    """The box [0, 1]^dimension with axes of one kind."""

    axis_kind: ClassVar[AxisKind]

    dimension: Dimension = 2

    @property
    def axes(self) -> tuple[Axis, ...]:
        """z, y, x, all alike."""
        return _AXES[self.axis_kind][-self.dimension :]

    def nodes(self, n: int) -> np.ndarray:
        """Node coordinates along each of the axes, shape (n,), in [0, 1]."""
        return self.axes[0].positions(n)


@dataclass(frozen=True)
class CosineBasis(UnitBox):
    """Homogeneous Neumann conditions, cell centres x_j = (j + ½)/n.

    e_0 = 1, e_k = √2 cos(πkx) on each axis, |ω_k|² = π²|k|²; the transform is a DCT-II.
    """

    axis_kind: ClassVar[AxisKind] = "neumann"

    kind: Literal["cosine"] = "cosine"


@dataclass(frozen=True)
class SineBasis(UnitBox):
    """Homogeneous Dirichlet conditions, cell centres x_j = (j + ½)/n.

    e_k = √2 sin(πkx), k = 1 … n, on each axis, |ω_k|² = π²|k|²; the transform is a DST-II. On its
    own grid the last function, √2 (−1)^j, has mean square 2 instead of 1: like a Nyquist mode of
    the Fourier basis it counts as not resolved, and coefficients with k_i = n are zero. Constants
    are no part of the space.
    """

    axis_kind: ClassVar[AxisKind] = "dirichlet"

    kind: Literal["sine"] = "sine"


@dataclass(frozen=True)
class FourierBasis(UnitBox):
    """Periodic functions, nodes x_j = j/n; û_k = FFT(u)_k / n^d, |ω_k|² = (2π)²|k|².

    Coefficients are stored as ``rfftn`` lays them out: the last axis holds k ≥ 0 only.
    """

    axis_kind: ClassVar[AxisKind] = "periodic"

    kind: Literal["fourier"] = "fourier"


_AXES: dict[AxisKind, tuple[Axis, ...]] = {
    kind: tuple(Axis(kind=kind, name=name, nodes=1) for name in SPACE)
    for kind in ("periodic", "neumann", "dirichlet")
}
