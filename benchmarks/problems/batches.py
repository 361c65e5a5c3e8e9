"""This project's solvers on batches of samples on a device, by wall time."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from problems import burgers, darcy, navier_stokes, reaction_diffusion

PROBLEMS = {
    "reaction–diffusion, Gaussian random field, 128 × 128, to t = 5": reaction_diffusion.batch,
    "Navier–Stokes, 64 × 64, ν = 1e-3, to t = 50": navier_stokes.batch,
    f"Burgers, {burgers.NODES} nodes, ν = 0.1, to t = 1": burgers.batch,
    "Darcy, two media 12 : 3, 256 × 256": darcy.batch,
}


@dataclass(frozen=True)
class Batch:
    """Wall seconds for a batch of ``size`` samples."""

    problem: str
    size: int
    seconds: float


def batches(device: torch.device, sizes: tuple[int, ...]) -> Iterator[Batch]:
    """All problems in all sizes; the first run of a problem, which loads kernels, is not timed."""
    for problem, prepare in PROBLEMS.items():
        prepare(1, device)()
        for size in sizes:
            run = prepare(size, device)
            start = _now(device)
            run()
            yield Batch(problem, size, _now(device) - start)


def _now(device: torch.device) -> float:
    """The time when the device has finished what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
