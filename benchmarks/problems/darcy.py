"""Work and precision of solvers of Darcy's equation, and how their cost grows with the grid."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sparse
import torch
from measuring import Comparison, Point, Trial, installed, peak_megabytes, race, relative
from peers import darcy as direct
from torch import Tensor

from fsdiff.measures.permeability import LogNormal, Permeability, Threshold
from fsdiff.pde.darcy import Darcy, solve_unit
from fsdiff.spaces.bases import CosineBasis

LAWS: dict[str, Permeability] = {
    "two media 12 : 3": Threshold(),
    "log-normal": LogNormal(),
    "log-normal of large variance": LogNormal(6.0),
    "two media 1e6 : 1": Threshold(1e6, 1.0),
}
TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)
DIRECT = {"spsolve": direct.solve, "splu, symmetric": direct.solve_factorised}
OTHERS = {
    name: solve
    for name, package, solve in (
        ("pyamg, Ruge–Stüben", "pyamg", direct.solve_by_multigrid),
        ("PARDISO", "pypardiso", direct.solve_by_pardiso),
    )
    if installed(package)
}
"""Peers that are stronger on fine grids, where they are installed."""
PEERS = DIRECT | OTHERS
ROLES = {"spsolve": "peer", Darcy().tolerance: "default"}
ENOUGH = 1e-8
"""Errors of fields that are stored in single precision."""

BATCH_CELLS = 2**17
"""Of the samples that data sets are made with at a time."""


@dataclass(frozen=True)
class Growth:
    """Solvers on one grid: processor seconds per sample, and relative residuals.

    ``alone`` and ``together`` are this project's, for a single sample and in a batch of several
    as data sets are made with; ``peers`` are by name, and empty on grids too fine for them.
    """

    law: str
    n: int
    contrast: float
    iterations: int
    alone: float
    together: float
    residual: float
    peers: dict[str, tuple[float, float]]


def permeability(law: str, n: int, count: int = 1) -> Tensor:
    """Samples of a law, (count, 1, n, n)."""
    return LAWS[law].sample(CosineBasis(), n, range(count), 0)


def equations(a: Tensor) -> sparse.csc_array:
    """The matrix of one sample (1, 1, n, n)."""
    return direct.matrix(a[0, 0].numpy())


def comparisons(quick: bool) -> Iterator[Comparison]:
    """One comparison for the published law, and one for the hardest."""
    for law in ("two media 12 : 3", "two media 1e6 : 1"):
        yield compare(law, 128 if quick else 256, 1 if quick else 5)


def compare(law: str, n: int, repeats: int) -> Comparison:
    """A single sample; the matrix of the direct solvers is assembled outside the time."""
    a = permeability(law, n)
    system = equations(a)
    exact = torch.from_numpy(direct.refine(system))
    ours = {tolerance: Darcy(tolerance=tolerance).solve for tolerance in TOLERANCES}
    runs = {name: lambda _, solve=solve: solve(system) for name, solve in PEERS.items()} | ours
    points = []
    for key, trial in race(runs, [a], repeats).items():
        u = torch.as_tensor(trial.results[0]).flatten()
        seconds, error = trial.seconds, relative(u, exact)
        if key in PEERS:
            role, memory = ROLES.get(key, "other"), peak_megabytes(PEERS[key], system)
            points.append(Point(key, "", seconds, error, role, memory))
            continue
        role = ROLES.get(key, "other")
        memory = peak_megabytes(ours[key], a) if role == "default" else None
        setting = f"tolerance {key:.0e}{' (default)' * (role == 'default')}"
        points.append(Point("fsdiff", setting, seconds, error, role, memory))
    errors = "relative to a factorisation refined in extended precision"
    problem = f"{law}, {n} × {n} cells"
    return Comparison("Darcy", problem, errors, tuple(points), enough=ENOUGH)


def growth(quick: bool) -> Iterator[Growth]:
    """All laws on all grids."""
    resolutions = (64, 128) if quick else (64, 128, 256, 512, 1024)
    for law in LAWS:
        for n in resolutions:
            yield grow(law, n, 1 if quick or n > 512 else 3, direct_solvers=n <= 512)


def grow(law: str, n: int, repeats: int, *, direct_solvers: bool) -> Growth:
    """Solvers of one law on one grid."""
    a = permeability(law, n, max(1, BATCH_CELLS // n**2))
    one, system = a[:1], equations(a)
    runs = {"alone": lambda _: Darcy().solve(one), "together": lambda _: Darcy().solve(a)}
    peers = PEERS if direct_solvers else OTHERS
    runs |= {name: lambda _, solve=solve: solve(system) for name, solve in peers.items()}
    trials = race(runs, [None], repeats)
    alone, together = trials.pop("alone"), trials.pop("together")

    def residual(trial: Trial) -> float:
        return direct.residual(system, np.asarray(trial.results[0]).ravel())

    return Growth(
        law,
        n,
        contrast=float(one.max() / one.min()),
        iterations=int(solve_unit(one[0] / one.max()).iterations),
        alone=alone.seconds,
        together=together.seconds / len(a),
        residual=residual(alone),
        peers={name: (trial.seconds, residual(trial)) for name, trial in trials.items()},
    )


def batch(size: int, device: torch.device) -> partial:
    """The default solver on as many samples, for the table of batches."""
    return partial(Darcy().solve, permeability("two media 12 : 3", 256, size).to(device))
