"""Darcy's equation by solvers of others: the finite volumes of ``fsdiff.pde.darcy``."""

import os

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import SuperLU, splu, spsolve


def matrix(a: np.ndarray) -> sparse.csc_array:
    """The equations of one field (n, n), times the cells' area; the right side is then n⁻²."""
    n, axes = a.shape[0], []
    for field, step in ((a, 1), (a.T, n)):
        faces = 2 / (1 / field[:, 1:] + 1 / field[:, :-1])
        links = np.concatenate([2 * field[:, :1], faces, 2 * field[:, -1:]], 1)
        diagonal, coupling = links[:, 1:] + links[:, :-1], np.pad(faces, ((0, 0), (0, 1)))
        if step == n:
            diagonal, coupling = diagonal.T, coupling.T
        flat = -coupling.ravel()[: n * n - step]
        axes.append(sparse.diags_array([diagonal.ravel(), flat, flat], offsets=[0, step, -step]))
    return sparse.csc_array(axes[0] + axes[1])


def sources(n: int) -> np.ndarray:
    """The right side for f = 1."""
    return np.full(n * n, n**-2.0)


def solve(equations: sparse.csc_array) -> np.ndarray:
    """``scipy.sparse.linalg.spsolve`` as it comes."""
    return spsolve(equations, sources(round(equations.shape[0] ** 0.5)))


def factorise(equations: sparse.csc_array) -> SuperLU:
    """``splu`` with the options that suit a symmetric positive definite matrix."""
    options = {"diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    return splu(equations, permc_spec="MMD_AT_PLUS_A", **options)


def solve_factorised(equations: sparse.csc_array) -> np.ndarray:
    """``factorise``, and solve once."""
    return factorise(equations).solve(sources(round(equations.shape[0] ** 0.5)))


def solve_by_multigrid(equations: sparse.csc_array, tolerance: float = 1e-8) -> np.ndarray:
    """Conjugate gradients with algebraic multigrid of Ruge and Stüben; needs pyamg."""
    import pyamg

    hierarchy = pyamg.ruge_stuben_solver(sparse.csr_matrix(equations))
    f = sources(round(equations.shape[0] ** 0.5))
    return hierarchy.solve(f, tol=tolerance, accel="cg")


def solve_by_pardiso(equations: sparse.csc_array) -> np.ndarray:
    """Intel's PARDISO for symmetric positive definite matrices; needs pypardiso."""
    os.environ.setdefault("MKL_NUM_THREADS", "1")
    import pypardiso

    solver = pypardiso.PyPardisoSolver(mtype=2)
    upper = sparse.csr_matrix(sparse.triu(equations))
    u = solver.solve(upper, sources(round(equations.shape[0] ** 0.5)))
    solver.free_memory(everything=True)
    return u


def refine(equations: sparse.csc_array, steps: int = 4) -> np.ndarray:
    """The solution to double precision, by iterative refinement in extended precision."""
    factors, entries = factorise(equations), equations.tocoo()
    f = sources(round(equations.shape[0] ** 0.5))
    u = factors.solve(f).astype(np.longdouble)
    for _ in range(steps):
        residual = f.astype(np.longdouble)
        np.subtract.at(residual, entries.row, entries.data * u[entries.col])
        u = u + factors.solve(residual.astype(np.float64))
    return u.astype(np.float64)


def residual(equations: sparse.csc_array, u: np.ndarray) -> float:
    """Relative residual ‖f − A u‖ / ‖f‖."""
    f = sources(round(equations.shape[0] ** 0.5))
    return float(np.linalg.norm(f - equations @ u) / np.linalg.norm(f))
