"""Convergence of the solvers in time and space: errors, and the orders fitted to them.

In time, the abscissa is the number of steps that were tried, and errors are relative to a run with
a tolerance near rounding on the same grid. In space, the error on a grid is its relative distance
from the solution on the next finer one. Writes ``convergence.md`` and ``convergence.svg``.

    python benchmarks/convergence.py [--quick] [--folder docs/benchmarks]
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measuring import environment, relative
from report import table
from torch import Tensor

from fsdiff.data.storage import atomic
from fsdiff.measures.initial import GaussianRandomField, PowerLawField, WhiteNoise
from fsdiff.measures.permeability import LogNormal, Permeability, Threshold
from fsdiff.pde import integrators, stepping
from fsdiff.pde.burgers import Burgers
from fsdiff.pde.darcy import Darcy
from fsdiff.pde.navier_stokes import NavierStokes
from fsdiff.pde.reaction_diffusion import ReactionDiffusion
from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, save, styled
from fsdiff.spaces.bases import Basis, CosineBasis, FourierBasis

System = ReactionDiffusion | NavierStokes | Burgers
STEPS, CELLS = "steps", "nodes or cells per axis"


@dataclass(frozen=True)
class Sizes:
    """Tolerances in time, also of what counts as exact; nodes or cells per axis in space."""

    exact: float = 1e-12
    tolerances: Sequence[float] = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
    waves: Sequence[int] = (32, 64, 128, 256)
    flow: Sequence[int] = (16, 24, 32, 48, 64)
    media: Sequence[int] = (12, 36, 108, 324, 972)


QUICK = Sizes(1e-8, (1e-3, 1e-4, 1e-5), (8, 16, 32, 64), (8, 12, 16, 24), (4, 12, 36, 108))
"""So small that orders mean nothing."""


@dataclass(frozen=True)
class Curve:
    """Errors against a number of steps or of cells per axis, and the order that theory gives."""

    panel: str
    name: str
    abscissa: str
    sizes: Sequence[int]
    errors: Sequence[float]
    theory: str

    @property
    def order(self) -> float:
        """−d log error / d log size, fitted to the finest three points."""
        sizes, errors = np.log(self.sizes[-3:]), np.log(self.errors[-3:])
        return -float(np.polyfit(sizes, errors, 1)[0])


def curves(sizes: Sizes) -> Iterator[Curve]:
    """All of them; a panel for each system in time and in space, and one for invariants."""
    waves = ReactionDiffusion()
    for name, law in (("white noise", WhiteNoise()), ("smooth", GaussianRandomField())):
        initial = law.sample(CosineBasis(), 64, [0], 0, channels=2)
        yield in_time("Reaction–diffusion in time", name, waves, initial, 2.0, sizes)
    for viscosity in (1e-3, 0.0):
        flow = NavierStokes(viscosity=viscosity)
        yield in_time(
            "Navier–Stokes in time", f"ν = {viscosity:g}", flow, vorticity(48), 5.0, sizes
        )
    law = PowerLawField(scale=625.0, shift=25.0, power=2.0)
    wave = law.sample(FourierBasis(1), 1024, [0], 0, channels=1)
    for viscosity in (0.1, 0.01):
        yield in_time("Burgers in time", f"ν = {viscosity:g}", Burgers(viscosity), wave, 1.0, sizes)
    yield from invariants(sizes)
    smooth = GaussianRandomField(correlation_length=0.3, smoothness=3.0)
    fields = {n: smooth.sample(CosineBasis(), n, [0], 0, channels=2) for n in sizes.waves}
    solutions = {n: waves.solve(field, [2.0])[0, 0] for n, field in fields.items()}
    yield in_space("Reaction–diffusion in space", "smooth", CosineBasis(), solutions, "2")
    flow = NavierStokes(viscosity=5e-3, tolerance=1e-9)
    solutions = {n: flow.solve(vorticity(n), [5.0])[0, 0] for n in sizes.flow}
    yield in_space("Navier–Stokes in space", "ν = 5e-3", FourierBasis(), solutions, "any power")
    yield darcy("smooth medium", LogNormal(1.0, 0.3, 3.0), sizes.media, "2")
    yield darcy("two media", Threshold(), sizes.media, "about 1")


def vorticity(n: int) -> Tensor:
    """An initial state with the published spectrum and amplitude, (1, 1, n, n)."""
    return PowerLawField(scale=2 * 7**3).sample(FourierBasis(), n, [0], 0, channels=1)


def in_time(
    panel: str,
    name: str,
    system: System,
    initial: Tensor,
    end: float,
    sizes: Sizes,
) -> Curve:
    """Errors at ``end`` against steps, by tolerance."""
    exact = replace(system, tolerance=sizes.exact).solve(initial, [end])
    runs = [counted(system, initial, end, tolerance) for tolerance in sizes.tolerances]
    errors = [relative(solution, exact) for _, solution in runs]
    return Curve(panel, name, STEPS, [steps for steps, _ in runs], errors, "4")


def counted(system: System, initial: Tensor, end: float, tolerance: float) -> tuple[int, Tensor]:
    """The number of steps that were tried, and the solution."""
    module, name = step_function(system)
    with mock.patch.object(module, name, wraps=getattr(module, name)) as tried:
        solution = replace(system, tolerance=tolerance).solve(initial, [end])
    return tried.call_count, solution


def step_function(system: System) -> tuple[ModuleType, str]:
    """What a solver calls once in every step."""
    if isinstance(system, (NavierStokes, Burgers)):
        return stepping, "advance"
    return integrators, "scheme"


def invariants(sizes: Sizes) -> Iterator[Curve]:
    """Relative change of energy and enstrophy in an inviscid flow without forcing."""
    system, basis = NavierStokes(viscosity=0.0, forcing="none"), FourierBasis()
    start = basis.prolong(basis.restrict(vorticity(48), 31), 48)  # the modes that are carried
    runs = [counted(system, start, 5.0, tolerance) for tolerance in sizes.tolerances]
    squared = basis.omega_squared(48)
    weights = {
        "energy": torch.where(squared > 0, 1 / squared.clamp_min(1.0), 0.0),
        "enstrophy": torch.ones_like(squared),
    }
    for name, weight in weights.items():
        before, *after = (
            float((weight * basis.energy(field)).sum()) for field in (start, *(f for _, f in runs))
        )
        changes = [abs(value / before - 1) for value in after]
        steps = [count for count, _ in runs]
        yield Curve("Navier–Stokes: inviscid invariants", name, STEPS, steps, changes, "4 or more")


def in_space(
    panel: str, name: str, basis: Basis, solutions: dict[int, Tensor], theory: str
) -> Curve:
    """Distances between the solutions on grids that follow each other, in the coarser's modes."""
    errors = [
        relative(basis.restrict(solutions[n], n), basis.restrict(solutions[m], n))
        for n, m in pairwise(solutions)
    ]
    return Curve(panel, name, CELLS, list(solutions)[:-1], errors, theory)


def darcy(name: str, law: Permeability, cells: Sequence[int], theory: str) -> Curve:
    """Each grid has the centres of every third cell of the next finer one."""
    pressures = {n: Darcy().solve(law.sample(CosineBasis(), n, [0], 0)) for n in cells}
    errors = [relative(pressures[n], pressures[3 * n][..., 1::3, 1::3]) for n in cells[:-1]]
    return Curve("Darcy in space", name, CELLS, cells[:-1], errors, theory)


@styled
def draw(results: Sequence[Curve]) -> Figure:
    """A panel for each system and direction, with the slopes that theory gives."""
    names = list(dict.fromkeys(curve.panel for curve in results))
    figure = Figure(figsize=(15, 6.6), layout="constrained")
    layout = [names[:4], [*names[4:], *["."] * (8 - len(names))]]
    for name, axes in figure.subplot_mosaic(layout).items():
        _draw_panel(axes, name, [curve for curve in results if curve.panel == name])
    return figure


def _draw_panel(axes: Axes, name: str, results: Sequence[Curve]) -> None:
    styles = experiment_styles(curve.name for curve in results)
    for curve in results:
        label = f"{curve.name}: order {curve.order:.1f}"
        axes.plot(curve.sizes, curve.errors, label=label, **styles[curve.name])
        if curve.theory.isdecimal():
            slope = curve.errors[-1] * (curve.sizes[-1] / np.array(curve.sizes)) ** int(
                curve.theory
            )
            axes.plot(curve.sizes, slope, color="#767676", linestyle=":", zorder=1.5)
    axes.set(xscale="log", yscale="log", title=name, xlabel=results[0].abscissa)
    axes.set_ylabel("relative error")
    plain_ticks(axes.xaxis)
    axes.legend()


def page(results: Sequence[Curve]) -> str:
    """The numbers in Markdown."""
    rows = [
        [
            curve.panel,
            curve.name,
            ", ".join(map(str, curve.sizes)),
            ", ".join(f"{error:.1e}" for error in curve.errors),
            f"{curve.order:.2f}",
            curve.theory,
        ]
        for curve in results
    ]
    return (
        "# Convergence of the solvers\n\n"
        f"Made by `python benchmarks/convergence.py`: {environment()}\n\n"
        f"{__doc__.split('    python')[0].partition('.')[2].partition('Writes')[0].strip()}\n"
        "Orders are fitted to the finest three points; dotted lines have the order of theory.\n\n"
        "![Errors against steps and cells](convergence.svg)\n\n"
        + table("problem | case | steps, or cells per axis | errors | order: | theory:", rows)
    )


def main() -> None:
    """Compute, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).parents[1] / "docs" / "benchmarks"
    parser.add_argument("--folder", type=Path, default=default, help="where to write")
    parser.add_argument("--quick", action="store_true", help="on the smallest grids")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results, folder = list(curves(QUICK if options.quick else Sizes())), options.folder
    folder.mkdir(parents=True, exist_ok=True)
    save(draw(results), folder / "convergence.svg")
    with atomic(folder / "convergence.md") as temporary:
        Path(temporary).write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
