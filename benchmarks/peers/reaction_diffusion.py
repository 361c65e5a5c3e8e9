"""The reaction–diffusion system as PDEBench solves it (Takamoto et al. 2022, appendix D.9)."""

import math
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from fsdiff.pde.reaction_diffusion import ReactionDiffusion


def solve(
    system: ReactionDiffusion,
    initial: Tensor,
    times: Sequence[float],
    *,
    relative: float = 1e-3,
    absolute: float = 1e-6,
    method: str = "RK45",
    longest_step: float = math.inf,
) -> Tensor:
    """States (time, 2, n, n) from ``initial`` (2, n, n), by scipy's adaptive solvers.

    The defaults are scipy's, which the published data were made with.
    """
    n = initial.shape[-1]
    laplacian = five_point_laplacian(n, system.length / n)

    def derivative(_: float, y: np.ndarray) -> np.ndarray:
        u, v = y[: n * n], y[n * n :]
        u_t = system.diffusivity_u * (laplacian @ u) + u - u**3 - system.k - v
        v_t = system.diffusivity_v * (laplacian @ v) + u - v
        return np.concatenate([u_t, v_t])

    start = initial.numpy().ravel()
    options = {"method": method, "rtol": relative, "atol": absolute, "max_step": longest_step}
    solution = solve_ivp(derivative, (0.0, times[-1]), start, t_eval=times, **options)
    return torch.from_numpy(solution.y.T.reshape(len(times), 2, n, n).copy())


def five_point_laplacian(n: int, width: float) -> sparse.csr_array:
    """On n × n cells of the given width, with no flux through the walls."""
    neighbours = sparse.diags_array([np.ones(n - 1), np.ones(n - 1)], offsets=[-1, 1])
    axis = (neighbours - sparse.diags_array(neighbours.sum(1))) / width**2
    return sparse.csr_array(sparse.kronsum(axis, axis))
