"""Work and precision of reaction–diffusion solvers, from white noise and from smooth fields."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import numpy as np
import torch
from measuring import Comparison, Point, installed, peak_megabytes, race, relative
from peers import reaction_diffusion as published
from torch import Tensor

from fsdiff.measures.initial import FieldLaw, GaussianRandomField, WhiteNoise
from fsdiff.pde import reaction_diffusion
from fsdiff.pde.reaction_diffusion import ReactionDiffusion
from fsdiff.spaces.bases import CosineBasis

SYSTEM = ReactionDiffusion()
TIMES = np.linspace(0, 5, 101).tolist()
LAWS = {"white noise": WhiteNoise(), "Gaussian random field": GaussianRandomField()}
TIGHTER = (1e-4, 1e-5, 1e-6, 1e-7)
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
ROLES = {
    ("RK45", 1e-3): ("peer", " (published)"),
    ("fsdiff", SYSTEM.tolerance): ("default", " (default)"),
}
ERRORS = "the largest over the frames, relative to DOP853 with tolerances of 1e-10"


def comparisons(quick: bool) -> Iterator[Comparison]:
    """One comparison for each initial law."""
    for name, law in LAWS.items():
        yield compare(name, law, 64 if quick else 128, 1 if quick else 3)


def compare(name: str, law: FieldLaw, n: int, repeats: int) -> Comparison:
    """Every repeat starts from another sample; errors are the largest of these."""
    states = list(law.sample(CosineBasis(), n, range(repeats), 0, channels=2))
    peers = {1e-3: partial(published.solve, SYSTEM, times=TIMES)} | {
        tolerance: partial(
            published.solve, SYSTEM, times=TIMES, relative=tolerance, absolute=1e-3 * tolerance
        )
        for tolerance in TIGHTER
    }
    compiled = {}
    if installed("numba"):
        compiled = {t: partial(run, compiled=True) for t, run in peers.items()}
        compiled[1e-3](states[0])  # compiles
    ours = {tolerance: partial(solve, tolerance) for tolerance in TOLERANCES}
    for run in ours.values():
        run(states[0])  # computes the coefficients of the schemes, once in a process
    runs = {("RK45", t): run for t, run in peers.items()}
    runs |= {("RK45, compiled", t): run for t, run in compiled.items()}
    runs |= {("fsdiff", t): run for t, run in ours.items()}
    if installed("numba"):
        default = SYSTEM.tolerance
        runs["fsdiff, without numba", default] = partial(solve_without_loops, default)
    # Short steps, because between steps DOP853 interpolates.
    tight = {"relative": 1e-10, "absolute": 1e-10, "method": "DOP853", "longest_step": 0.02}
    exact = [published.solve(SYSTEM, state, TIMES, **tight) for state in states]
    trials = race(runs, states, repeats, lambda frames, i: largest_error(frames, exact[i]))
    points = []
    for key, trial in trials.items():
        role, remark = ROLES.get(key, ("other", ""))
        memory = peak_megabytes(runs[key], states[0]) if remark else None
        setting = f"tolerance {key[1]:.0e}{remark}"
        points.append(Point(key[0], setting, trial.seconds, max(trial.results), role, memory))
    problem = f"{name}, {n} × {n} cells, 101 frames to t = 5"
    return Comparison("Reaction–diffusion", problem, ERRORS, tuple(points))


def solve(tolerance: float, state: Tensor) -> Tensor:
    """This project's solution, (time, 2, n, n) from (2, n, n)."""
    return replace(SYSTEM, tolerance=tolerance).solve(state[None], TIMES)[0]


def solve_without_loops(tolerance: float, state: Tensor) -> Tensor:
    """The same where numba is not installed."""
    with patch.object(reaction_diffusion, "_loops", lambda *about: None):
        return solve(tolerance, state)


def largest_error(frames: Tensor, exact: Tensor) -> float:
    """The largest relative error of a frame."""
    return max(map(relative, frames, exact))


def batch(size: int, device: torch.device) -> partial:
    """The default solver on as many samples, from smooth fields to t = 5, for ``batches``."""
    law = LAWS["Gaussian random field"]
    states = law.sample(CosineBasis(), 128, range(size), 0, channels=2).to(device)
    return partial(SYSTEM.solve, states, [5.0])
