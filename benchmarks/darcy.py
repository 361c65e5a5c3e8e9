"""Time, residual and error of the Darcy solver beside scipy's sparse factorisations, on one core.

The factorisations are ``scipy.sparse.linalg.spsolve`` as it comes, and ``splu`` with the options
that suit a symmetric positive definite matrix. All solve the same equations in this process, and
the matrix is assembled for them outside the time. "Batch" is this project's solver on as many
samples at once as data sets are made with. Residuals are relative, errors relative to ``spsolve``.
Processor time per sample is reported, the least of several runs: other work disturbs that less than
wall time.

    python benchmarks/darcy.py [--resolutions 64 128 256 512 1024] [--direct 512]
"""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu, spsolve

from fsdiff.bases import CosineBasis
from fsdiff.pde.darcy import Darcy, solve_unit
from fsdiff.permeability import LogNormal, Threshold

LAWS = {
    "threshold": Threshold(),
    "log-normal": LogNormal(),
    "1e6 smooth": LogNormal(6.0, 0.2, 1.5),
    "1e6 media": Threshold(1e6, 1.0),
}
BATCH_CELLS = 2**17


def matrix(a: np.ndarray) -> sparse.csc_array:
    """The equations of one field (n, n), times the cells' area."""
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


def spd_factorisation(equations: sparse.csc_array, f: np.ndarray) -> np.ndarray:
    """``splu`` without pivoting, with an ordering of the symmetric pattern."""
    options = {"SymmetricMode": True}
    factors = splu(equations, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    return factors.solve(f)


def seconds(solve: Callable[[], object], repeats: int) -> tuple[float, object]:
    """Least processor time of several runs, and the last result."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        result = solve()
        best = min(best, time.process_time() - start)
    return best, result


def residual(equations: sparse.csc_array, u: np.ndarray, f: np.ndarray) -> float:
    """Relative residual."""
    return float(np.linalg.norm(f - equations @ u) / np.linalg.norm(f))


def compare(name: str, n: int, direct: bool) -> float:
    """Print one line; returns this project's time for a single sample."""
    batch = max(1, BATCH_CELLS // n**2)
    a = LAWS[name].sample(CosineBasis(), n, range(batch), 0)
    repeats = 5 if n <= 256 else 2
    ours, solution = seconds(lambda: Darcy().solve(a[:1]), repeats)
    together = seconds(lambda: Darcy().solve(a), repeats)[0] / batch
    iterations = int(solve_unit(a[0]).iterations)
    u = solution.numpy().ravel()
    f = np.full(n * n, n**-2.0)
    equations = matrix(a[0, 0].numpy())
    line = (
        f"{name:<11}{n:>5}{iterations:>4}{ours:>9.4f}{residual(equations, u, f):>9.1e}"
        f"{together:>9.4f}{n * n / together / 1e6:>7.2f}"
    )
    if direct:
        plain, exact = seconds(lambda: spsolve(equations, f), repeats)
        tuned = seconds(lambda: spd_factorisation(equations, f), repeats)[0]
        error = np.linalg.norm(u - exact) / np.linalg.norm(exact)
        line += (
            f"{plain:>9.4f}{residual(equations, exact, f):>9.1e}{tuned:>9.4f}{error:>9.1e}"
            f"{plain / ours:>7.1f}{plain / together:>7.1f}{tuned / together:>7.1f}"
        )
    print(line, flush=True)
    return ours


def main() -> None:
    """Print one line per law and resolution, and how time grows with the number of cells."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolutions", type=int, nargs="+", default=[64, 128, 256, 512, 1024])
    parser.add_argument("--direct", type=int, default=512, help="largest grid that is factorised")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    Darcy().solve(torch.ones(1, 1, 32, 32))  # loads what the first solution needs
    print(
        f"{'law':<11}{'n':>5}{'it':>4}{'alone s':>9}{'residual':>9}{'batch s':>9}{'Mc/s':>7}"
        f"{'spsolve':>9}{'residual':>9}{'splu':>9}{'error':>9}{'ratio':>7}{'batch':>7}{'splu':>7}"
    )
    for name in LAWS:
        times = [compare(name, n, n <= arguments.direct) for n in arguments.resolutions]
        growth = [
            f"{np.log(t / s) / (2 * np.log(m / n)):.2f}"
            for (n, m), (s, t) in zip(pairwise(arguments.resolutions), pairwise(times), strict=True)
        ]
        print(f"  time alone ∝ cells^p, p = {', '.join(growth)}", flush=True)


if __name__ == "__main__":
    main()
