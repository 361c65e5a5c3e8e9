"""Time and error of the reaction–diffusion solver beside the published scheme, on one core.

The published data (PDEBench, Takamoto et al. 2022) were made by ``scipy.integrate.solve_ivp`` with
its default method (RK45) and tolerances and a sparse 5-point Laplacian. Both solvers run in turn in
this process on the same initial states; errors are relative L² against a tight DOP853 integration.
Processor time is reported, which other work on the machine disturbs less than wall time.

    python benchmarks/reaction_diffusion.py [--resolution 128] [--samples 3]
"""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from fsdiff.bases import CosineBasis
from fsdiff.initial import GaussianRandomField, WhiteNoise
from fsdiff.pde.reaction_diffusion import ReactionDiffusion

SYSTEM = ReactionDiffusion()


def published(initial: Tensor, times: Sequence[float], **options: object) -> Tensor:
    """The same cells by scipy's adaptive solver, (time, 2, n, n) from (2, n, n)."""
    n = initial.shape[-1]
    neighbours = sparse.diags([np.ones(n - 1), np.ones(n - 1)], [-1, 1])
    walls = sparse.diags(np.asarray(neighbours.sum(1)).ravel())
    axis = (neighbours - walls) * (n / SYSTEM.length) ** 2
    laplacian = sparse.csr_matrix(sparse.kronsum(axis, axis))

    def derivative(_: float, y: np.ndarray) -> np.ndarray:
        u, v = y[: n * n], y[n * n :]
        u_t = SYSTEM.diffusivity_u * (laplacian @ u) + u - u**3 - SYSTEM.k - v
        v_t = SYSTEM.diffusivity_v * (laplacian @ v) + u - v
        return np.concatenate([u_t, v_t])

    span = (0.0, times[-1])
    solution = solve_ivp(derivative, span, initial.numpy().ravel(), t_eval=times, **options)
    return torch.from_numpy(solution.y.T.reshape(len(times), 2, n, n).copy())


def fsdiff(initial: Tensor, times: Sequence[float]) -> Tensor:
    """This project's solver, (time, 2, n, n) from (2, n, n)."""
    return SYSTEM.solve(initial[None], times)[0]


def measure(
    solver: Callable[..., Tensor], states: Tensor, times: Sequence[float], exact: Tensor
) -> tuple[float, float]:
    """Processor seconds per sample and the largest relative error at the last time."""
    start = time.process_time()
    ends = torch.stack([solver(state, times)[-1] for state in states])
    seconds = (time.process_time() - start) / len(states)
    errors = (ends - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    return seconds, float(errors.max())


def main() -> None:
    """Print one line per initial law and set of output times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--samples", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    n, outputs = arguments.resolution, {"t = 2.5": [2.5], "101 to 5": np.linspace(0, 5, 101)}
    print(f"{n} x {n} cells, one core, {arguments.samples} samples, processor time")
    print("initial law             frames     published s  error    fsdiff s  error    ratio")
    for law in (WhiteNoise(), GaussianRandomField()):
        states = law.sample(CosineBasis(), n, range(arguments.samples), 0, channels=2)
        fsdiff(states[0], [5.0])  # computes the schemes' coefficients, once in a process
        tight = {"method": "DOP853", "rtol": 1e-10, "atol": 1e-10}
        exact = torch.stack([published(state, [2.5, 5.0], **tight) for state in states])
        for (name, times), end in zip(outputs.items(), exact.unbind(1), strict=True):
            theirs = measure(published, states, list(times), end)
            ours = measure(fsdiff, states, list(times), end)
            print(
                f"{law.kind:<23} {name:<10} {theirs[0]:>10.2f}  {theirs[1]:.1e} "
                f"{ours[0]:>9.4f}  {ours[1]:.1e} {theirs[0] / ours[0]:>7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
