"""A local operator that is the same on every grid: differences over a fixed distance.

Spectral layers with few modes see no detail and pointwise layers no neighbours; fronts need both.
The stencil's arms have a fixed length on the domain, not in grid spacings, so refining the grid
does not change the operator (Liu-Schiaffini et al., arXiv 2402.16845, treat such kernels).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stencil:
    """D u = Σ_i u(x + δ e_i) + u(x − δ e_i) − 2 u(x), i = 1 … d, for channels-last fields.

    On a grid D = S − ``centre``·I with the sum S over the ends of the ``arms``. Beyond the boundary
    fields are continued periodically or evenly; between nodes they are interpolated linearly. S is
    symmetric, hence its own adjoint.
    """

    arms: tuple[tuple[int, float], ...]
    """Lengths in grid spacings, 1 or more, and weights."""
    dimension: int
    periodic: bool

    @classmethod
    def of(cls, n: int, cells: int, dimension: int, periodic: bool) -> "Stencil":
        """With arms of length δ = 1/``cells``, on n nodes per axis."""
        near, part = divmod(n / cells, 1)
        arms = ((int(near), 1 - part), (int(near) + 1, part))
        return cls(tuple(arm for arm in arms if all(arm)), dimension, periodic)

    @property
    def centre(self) -> float:
        """The weight of the node itself."""
        return 2 * self.dimension * sum(weight for _, weight in self.arms)

    def ends(self, u: Tensor) -> Tensor:
        """S u for fields (batch, *grid, channels)."""
        (shift, weight), *further = self.arms
        total = self._ends(u, shift)
        if weight != 1:
            total.mul_(weight)
        for shift, weight in further:
            total.add_(self._ends(u, shift), alpha=weight)
        return total

    def _ends(self, u: Tensor, shift: int) -> Tensor:
        """The sum over the ends of arms of whole length."""
        total = torch.empty_like(u)
        for axis in range(1, 1 + self.dimension):
            kept = u.shape[axis] - shift
            first, last = u.narrow(axis, 0, shift), u.narrow(axis, kept, shift)
            if self.periodic:
                before, after = last, first
            else:
                before, after = first.flip(axis), last.flip(axis)
            update = Tensor.copy_ if axis == 1 else Tensor.add_
            update(total.narrow(axis, 0, shift), before)
            update(total.narrow(axis, shift, kept), u.narrow(axis, 0, kept))
            total.narrow(axis, 0, kept).add_(u.narrow(axis, shift, kept))
            total.narrow(axis, kept, shift).add_(after)
        return total
