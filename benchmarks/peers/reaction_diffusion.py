"""The reaction–diffusion system as PDEBench solves it (Takamoto et al. 2022, appendix D.9)."""

import math
from collections.abc import Callable, Sequence
from functools import cache

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
    compiled: bool = False,
) -> Tensor:
    """States (time, 2, n, n) from ``initial`` (2, n, n), by scipy's adaptive solvers.

    The defaults are scipy's, which the published data were made with. With ``compiled`` the
    derivative is one loop that numba compiles, when it is first called.
    """
    n = initial.shape[-1]
    derivative = (_compiled if compiled else _published)(system, n)
    start = initial.numpy().ravel()
    options = {"method": method, "rtol": relative, "atol": absolute, "max_step": longest_step}
    solution = solve_ivp(derivative, (0.0, times[-1]), start, t_eval=times, **options)
    return torch.from_numpy(solution.y.T.reshape(len(times), 2, n, n).copy())


def five_point_laplacian(n: int, width: float) -> sparse.csr_array:
    """On n × n cells of the given width, with no flux through the walls."""
    neighbours = sparse.diags_array([np.ones(n - 1), np.ones(n - 1)], offsets=[-1, 1])
    axis = (neighbours - sparse.diags_array(neighbours.sum(1))) / width**2
    return sparse.csr_array(sparse.kronsum(axis, axis))


Derivative = Callable[[float, np.ndarray], np.ndarray]


def _published(system: ReactionDiffusion, n: int) -> Derivative:
    """By a sparse matrix and NumPy."""
    laplacian = five_point_laplacian(n, system.length / n)

    def derivative(_: float, y: np.ndarray) -> np.ndarray:
        u, v = y[: n * n], y[n * n :]
        u_t = system.diffusivity_u * (laplacian @ u) + u - u**3 - system.k - v
        v_t = system.diffusivity_v * (laplacian @ v) + u - v
        return np.concatenate([u_t, v_t])

    return derivative


def _compiled(system: ReactionDiffusion, n: int) -> Derivative:
    """By one loop over cells, those at the walls with themselves as neighbours beyond."""
    loop, area = _loop(), (system.length / n) ** 2
    coefficients = (system.diffusivity_u / area, system.diffusivity_v / area, system.k)

    def derivative(_: float, y: np.ndarray) -> np.ndarray:
        out = np.empty_like(y)
        loop(y.reshape(2, n, n), out.reshape(2, n, n), *coefficients)
        return out

    return derivative


@cache
def _loop() -> Callable[..., None]:
    """The loop; needs numba."""
    import numba

    @numba.njit(fastmath=True)
    def loop(
        y: np.ndarray, out: np.ndarray, exchange_u: float, exchange_v: float, k: float
    ) -> None:
        n = y.shape[1]
        for i in range(n):
            above, below = max(i - 1, 0), min(i + 1, n - 1)
            for j in range(n):
                left, right = max(j - 1, 0), min(j + 1, n - 1)
                u, v = y[0, i, j], y[1, i, j]
                of_u = y[0, above, j] + y[0, below, j] + y[0, i, left] + y[0, i, right] - 4 * u
                of_v = y[1, above, j] + y[1, below, j] + y[1, i, left] + y[1, i, right] - 4 * v
                out[0, i, j] = exchange_u * of_u + u - u * u * u - k - v
                out[1, i, j] = exchange_v * of_v + u - v

    return loop
