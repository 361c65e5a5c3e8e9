"""Linear systems of elliptic equations: conjugate gradients with multigrid, then factorisation."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fsdiff.pde.multigrid import Multigrid, Stencil, total

_ITERATIONS = 50
"""Limit for conjugate gradients, which cost about a sparse factorisation by then."""

_COARSE = 1e-4
"""Relative residual that is too large even if rounding explains it."""


@dataclass(frozen=True)
class Solution:
    """The solution of A u = f, flat as in ``fsdiff.pde.multigrid``, and its quality by sample.

    ``residual`` is ‖f − A u‖ / ‖f‖ as computed from ``u``; ``converged`` tells where it is below
    the tolerance, or below 1e-4 and four times what rounding ``u`` and the products A u can cause.
    """

    u: Tensor
    residual: Tensor
    converged: Tensor
    iterations: Tensor


def solve(
    operator: Stencil, f: Tensor, *, tolerance: float, preconditioner: Multigrid | None = None
) -> Solution:
    """Solve A u = f for a symmetric, positive definite stencil; f is flat, (batch, (n + 2)²).

    ``preconditioner`` is that of the operator, where it has been made for another f.

    Samples for which conjugate gradients do not converge, as can be where coefficients form a
    maze too fine for coarse grids, are factorised on the host; that costs about as much again.
    """
    preconditioner = preconditioner or Multigrid(operator)
    # Half of the tolerance, because the residual that is updated departs from the true one.
    goal = (tolerance / 2) ** 2 * total(f * f)
    u, iterations = conjugate_gradients(operator, preconditioner, f, goal)
    solution = _judge(operator, f, u, iterations, tolerance)
    if solution.converged.all():
        return solution
    for position in (~solution.converged).nonzero().flatten().tolist():
        u[position] = _factorise(operator, f, position)
    return _judge(operator, f, u, iterations, tolerance)


def conjugate_gradients(
    operator: Stencil, preconditioner: Multigrid, f: Tensor, goal: Tensor
) -> tuple[Tensor, Tensor]:
    """u with ‖f − A u‖² ≤ goal, shape (batch,), and iterations; at most ``_ITERATIONS``.

    Samples that have reached the goal, or broken down, stay as they are while others go on.
    """
    u, r = torch.zeros_like(f), f.clone()
    iterations = torch.zeros_like(goal, dtype=torch.int64)
    active = total(r * r) > goal
    direction, before = torch.zeros_like(f), torch.ones_like(goal)
    while active.any() and int(iterations.max()) < _ITERATIONS:
        z = preconditioner.apply(r)
        product = total(r * z)
        ratio = torch.where(active, product / before, 0.0)[:, None]
        direction, before = torch.addcmul(z, ratio, direction), product
        image = operator.apply(direction)
        step = torch.where(active, product / total(direction * image), 0.0)[:, None]
        u.addcmul_(step, direction)
        r.addcmul_(step, image, value=-1)
        iterations += active
        active = active & (total(r * r) > goal)
    return u, iterations


def _judge(
    operator: Stencil, f: Tensor, u: Tensor, iterations: Tensor, tolerance: float
) -> Solution:
    r, magnitude = f - operator.apply(u), operator.absolute().apply(u.abs())
    norm_r, norm_f, norm_magnitude = (total(v * v).sqrt() for v in (r, f, magnitude))
    rounding = torch.minimum(4 * torch.finfo(u.dtype).eps * norm_magnitude, _COARSE * norm_f)
    converged = norm_r <= torch.maximum(tolerance * norm_f, rounding)
    residual = torch.where(norm_f > 0, norm_r / norm_f, norm_r)
    return Solution(u, residual, converged, iterations)


def _factorise(operator: Stencil, f: Tensor, position: int) -> Tensor:
    """The solution of one sample by sparse LU factorisation; NaN where the matrix is singular."""
    from scipy import sparse  # a quarter of a second that only those pay who need it
    from scipy.sparse.linalg import splu

    width = operator.n + 2
    cells = np.arange(width * width)
    matrix = sparse.dia_array((width**2, width**2))
    for (y, x), entries in operator.entries().items():
        values, offset = entries[position].flatten().cpu().numpy(), y * width + x
        kept = cells[max(0, -offset) : width**2 - max(0, offset)]
        matrix = matrix + sparse.diags_array(values[kept], offsets=offset, shape=matrix.shape)
    symmetric = {"diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    try:
        factors = splu(sparse.csc_array(matrix), permc_spec="MMD_AT_PLUS_A", **symmetric)
    except RuntimeError:
        return torch.full_like(f[position], torch.nan)
    return torch.from_numpy(factors.solve(f[position].cpu().numpy())).to(f)
