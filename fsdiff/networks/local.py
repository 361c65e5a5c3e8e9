"""A local operator that is the same on every grid: differences over a fixed distance.

Spectral layers with few modes see no detail and pointwise layers no neighbours; fronts need both.
The stencil's arms have a fixed length on the domain, not in grid spacings, so refining the grid
does not change the operator (Liu-Schiaffini et al., arXiv 2402.16845, treat such kernels).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Arm:
    """Neighbours at a distance of ``length`` grid spacings, 1 or more, along some axes."""

    length: int
    weight: float
    axes: tuple[int, ...]


@dataclass(frozen=True)
class DifferenceStencil:
    """D u = Σ_i u(x + δ_i e_i) + u(x − δ_i e_i) − 2 u(x), for channels-last fields.

    On a grid D = S − ``centre``·I with the sum S over the ends of the ``arms``. Beyond the boundary
    fields are continued periodically or, along the other axes, evenly; between nodes they are
    interpolated linearly. S is symmetric, hence its own adjoint.
    """

    arms: tuple[Arm, ...]
    periodic: tuple[bool, ...]

    @classmethod
    def of(
        cls, grid: Sequence[int], cells: Sequence[int], periodic: Sequence[bool]
    ) -> "DifferenceStencil":
        """With arms of length δ_i = 1/``cells``_i of each side, none where that is 0, on a grid."""
        arms: dict[tuple[int, float], list[int]] = {}
        for axis, (nodes, count) in enumerate(zip(grid, cells, strict=True)):
            near, part = divmod(nodes / count, 1) if count else (0, 0)
            for length, weight in ((int(near), 1 - part), (int(near) + 1, part)):
                if length and weight:
                    arms.setdefault((length, weight), []).append(axis)
        return cls(tuple(Arm(*arm, tuple(axes)) for arm, axes in arms.items()), tuple(periodic))

    @property
    def centre(self) -> float:
        """The weight of the node itself."""
        return sum(2 * len(arm.axes) * arm.weight for arm in self.arms)

    def ends(self, u: Tensor) -> Tensor:
        """S u for fields (batch, *grid, channels)."""
        arm, *further = self.arms
        total = self._ends(u, arm)
        if arm.weight != 1:
            total.mul_(arm.weight)
        for arm in further:
            total.add_(self._ends(u, arm), alpha=arm.weight)
        return total

    def _ends(self, u: Tensor, arm: Arm) -> Tensor:
        """The sum over the ends of an arm, which is not weighted yet."""
        total, shift = torch.empty_like(u), arm.length
        for axis in arm.axes:
            along = 1 + axis
            kept = u.shape[along] - shift
            first, last = u.narrow(along, 0, shift), u.narrow(along, kept, shift)
            if self.periodic[axis]:
                before, after = last, first
            else:
                before, after = first.flip(along), last.flip(along)
            update = Tensor.copy_ if axis == arm.axes[0] else Tensor.add_
            update(total.narrow(along, 0, shift), before)
            update(total.narrow(along, shift, kept), u.narrow(along, 0, kept))
            total.narrow(along, 0, kept).add_(u.narrow(along, shift, kept))
            total.narrow(along, kept, shift).add_(after)
        return total
