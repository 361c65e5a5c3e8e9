"""Values for nodes without any: the harmonic continuation of the others.

Sparse matrices are imported where there are such nodes: all laws know this module.
"""

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask

if TYPE_CHECKING:
    from scipy import sparse
    from scipy.sparse.linalg import SuperLU


class HarmonicFilling:
    """Solves Δu = 0 at the nodes of a level that a mask lacks, with u given at all others.

    The Laplacian is the second-order stencil with the spacings of the box, periodic or with the
    walls of each axis: no flux through neumann walls, zero on dirichlet ones. Of all continuations
    it is the one with the least gradient; it has no values beyond those around it (where no wall
    holds it at zero), so that positive fields stay positive. It is linear in the field, and each
    field is filled by itself. Gradients of what is done with filled fields go through it.
    """

    def __init__(self, mask: Mask, n: int) -> None:
        basis, present = mask.basis, mask.at(n)
        self.basis, self.present = basis, present
        bases = basis.by_channel(len(present))
        self._of_channel = [
            None if own.all() else _Dirichlet(own.numpy(), on, n)
            for own, on in zip(present, bases, strict=True)
        ]

    def __call__(self, fields: Tensor) -> Tensor:
        """Fields (..., channel, *grid) with values at all nodes; those that are there stay."""
        filled: Tensor = _Filled.apply(fields, self)
        return filled

    def filled(self, fields: Tensor) -> Tensor:
        """The same, not recorded for gradients."""
        return self._changed(fields, _Dirichlet.fill)

    def transposed(self, fields: Tensor) -> Tensor:
        """The transposed map of nodal values: what lies in gaps, given to the nodes around them."""
        return self._changed(fields, _Dirichlet.collect)

    def _changed(
        self, fields: Tensor, change: "Callable[[_Dirichlet, np.ndarray], None]"
    ) -> Tensor:
        """Fields of which each channel with gaps was changed in place, one by one."""
        values = fields.detach().cpu().numpy()
        values = values.reshape(-1, *self.present.shape).copy()
        for channel, problem in enumerate(self._of_channel):
            if problem is not None:
                for field in values[:, channel]:
                    change(problem, field)
        return torch.from_numpy(values).reshape(fields.shape).to(fields.device)


class _Filled(torch.autograd.Function):
    """One node of torch's graph for a linear map that is solved outside of it."""

    @staticmethod
    def forward(context: Any, fields: Tensor, filling: HarmonicFilling) -> Tensor:
        context.filling = filling
        return filling.filled(fields)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return context.filling.transposed(gradients[0]), None


class _Dirichlet:
    """The equation on the nodes that are missing in one channel, factorised once."""

    def __init__(self, present: np.ndarray, basis: Basis, n: int) -> None:
        if not present.any():
            raise ValueError("a channel has no values at any node: leave it out")
        self._missing = np.flatnonzero(~present)
        self._known = np.flatnonzero(present)
        self._laplacian = laplacian(basis, n)[self._missing]

    @cached_property
    def _factors(self) -> "SuperLU":
        from scipy import sparse
        from scipy.sparse.linalg import splu

        own = sparse.csc_array(self._laplacian[:, self._missing])
        symmetric = {"diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
        return splu(own, permc_spec="MMD_AT_PLUS_A", **symmetric)

    @cached_property
    def _coupling(self) -> "sparse.csr_array":
        return self._laplacian[:, self._known]

    def fill(self, field: np.ndarray) -> None:
        """Write values to the nodes of a field (*grid) that have none."""
        flat = field.reshape(-1)
        known = flat[self._known].astype(np.float64)
        # About their mean, so that what is constant stays so to the last digit.
        mean = known.mean() if self._constants else 0.0
        flat[self._missing] = mean - self._factors.solve(self._coupling @ (known - mean))

    def collect(self, field: np.ndarray) -> None:
        """Apply the transposed map to a field (*grid); the equation is symmetric."""
        flat = field.reshape(-1)
        missing = self._factors.solve(flat[self._missing].astype(np.float64))
        flat[self._known] -= self._coupling.T @ missing
        flat[self._missing] = 0.0

    @cached_property
    def _constants(self) -> bool:
        """Whether no wall holds fields at zero."""
        return bool(np.abs(self._laplacian.sum(1)).max() <= 1e-9 * np.abs(self._laplacian).max())


@lru_cache(maxsize=8)
def laplacian(basis: Basis, n: int) -> "sparse.csr_array":
    """The second-order stencil of −Δ on all nodes of a level, (size(n), size(n))."""
    from scipy import sparse

    grid = basis.grid(n)
    total = sparse.csr_array((basis.size(n), basis.size(n)))
    for number, (axis, nodes) in enumerate(zip(basis.axes, grid, strict=True)):
        before, after = int(np.prod(grid[:number])), int(np.prod(grid[number + 1 :]))
        along = sparse.kron(_second_difference(axis, nodes), sparse.eye_array(after))
        total = total + sparse.kron(sparse.eye_array(before), along)
    return sparse.csr_array(total)


def _second_difference(axis: Axis, nodes: int) -> "sparse.csr_array":
    """−d²/dx² on the nodes of an axis, with what is at its ends."""
    from scipy import sparse

    if nodes == 1:
        at_wall = 4.0 if axis.kind == "dirichlet" else 0.0
        return sparse.csr_array([[at_wall / axis.side**2]])
    rows = np.arange(nodes)
    diagonal = np.full(nodes, 2.0)
    matrix = sparse.lil_array((nodes, nodes))
    matrix[rows[:-1], rows[1:]] = matrix[rows[1:], rows[:-1]] = -1.0
    if axis.periodic:
        matrix[0, nodes - 1] += -1.0
        matrix[nodes - 1, 0] += -1.0
    else:
        # Beyond a wall half a step away, fields go on as even functions or as odd ones.
        diagonal[[0, -1]] += 1.0 if axis.kind == "dirichlet" else -1.0
    matrix.setdiag(diagonal)
    return sparse.csr_array(matrix) * (nodes / axis.side) ** 2
