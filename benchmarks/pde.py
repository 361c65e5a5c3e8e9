"""The solvers of differential equations beside the schemes that published data were made with.

Everything runs in turn in this process, on one thread: each scheme at its own step and error, and
at others, so that errors can be compared at equal cost and costs at equal error. Writes tables
(``pde.md``) and the curves of error against time (``pde.svg``) to docs/benchmarks, or with
``--quick`` to benchmarks/results.

    python benchmarks/pde.py [--quick] [--only burgers …] [--device cuda] [--folder FOLDER]

takes about a quarter of an hour on one core, with ``--quick`` less than a minute. Run it while
nothing else computes; processor time is what is compared, medians over runs that take turns.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from measuring import Comparison, environment, versions
from problems import burgers, darcy, navier_stokes, reaction_diffusion
from problems.batches import Batch, batches
from problems.darcy import Growth
from report import batch_table, details, draw, exponents, growth_table, summary

from fsdiff.data.storage import atomic
from fsdiff.reports.plotting.style import save

METHOD = """\
Made by `{command}` in one run on one thread: {environment} Peers: {peers}.

Times are processor seconds per sample: medians of runs that take turns with those of the other
solvers. Errors are relative, in the L² norm. Every solver solves the same discrete equations: the
five-point finite volumes of the published reaction–diffusion and Darcy data, the modes below n/3
for Navier–Stokes. Memory is the peak of a fresh process beyond what it uses before it solves; some
20 MB of that are libraries.

* Reaction–diffusion: scipy's RK45 with default tolerances is what PDEBench publishes; *compiled*
  has a derivative that numba makes one loop of.
* Navier–Stokes: Crank–Nicolson with explicit Euler and a step of 1e-4 is what Li et al. publish.
  Its time is that of a step times the number of steps, alone or in a batch of 20, whichever is
  less, and its error is measured early where the end is too far. ETDRK4 (Cox and Matthews, Kassam
  and Trefethen) is compiled by jax, alone, with steps that are the same throughout; its errors are
  those at the end, and steps with which it blows up before are left out.
* Burgers: diffusion exactly and advection by explicit Euler, in turn, in Fourier space, is what Li
  et al. publish; the number of their steps is not known. fsdiff chooses its own modes.
* Darcy: `spsolve` is scipy's as it comes; *splu, symmetric* has no pivoting and an ordering of the
  symmetric pattern. *pyamg* is conjugate gradients to 1e-8 with algebraic multigrid of Ruge and
  Stüben, *PARDISO* Intel's, for symmetric matrices. Assembling their matrix is not counted.

*Strongest peer* is the fastest setting of another solver whose error is no larger than that of
fsdiff's default, or than 1e-8 for Darcy.
"""


PEERS = ("numba", "jax", "pyamg", "pypardiso")
"""Packages whose rows are there where they are installed; see benchmarks/peers/requirements.txt."""

SYSTEMS = {
    "reaction_diffusion": reaction_diffusion,
    "navier_stokes": navier_stokes,
    "burgers": burgers,
    "darcy": darcy,
}


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small grids, one run of each")
    parser.add_argument("--only", nargs="+", choices=[*SYSTEMS], default=[*SYSTEMS])
    parser.add_argument("--device", type=torch.device, help="also solve batches there, say cuda")
    parser.add_argument("--folder", type=Path, help="where to write")
    arguments = parser.parse_args()
    here = Path(__file__).parent
    published = here.parent / "docs" / "benchmarks"
    folder = arguments.folder or (here / "results" if arguments.quick else published)
    torch.set_num_threads(1)
    comparisons = list(reported(compare_all(arguments.only, arguments.quick)))
    growths = []
    if "darcy" in arguments.only:
        growths = list(reported(darcy.growth(arguments.quick)))
    on_device: list[Batch] = []
    if arguments.device is not None:
        sizes = (1, 4) if arguments.quick else (1, 16, 64)
        on_device = list(reported(batches(arguments.device, sizes)))
    folder.mkdir(parents=True, exist_ok=True)
    save(draw(comparisons, growths), folder / "pde.svg")
    command = "python benchmarks/pde.py" + " --quick" * arguments.quick
    if len(arguments.only) < len(SYSTEMS):
        command += f" --only {' '.join(arguments.only)}"
    if on_device:
        command += f" --device {arguments.device}"
    text = page(command, comparisons, growths)
    if on_device:
        text += f"\n## Batches on {device_name(arguments.device)}, wall time\n\n"
        text += batch_table(on_device)
    with atomic(folder / "pde.md") as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


def compare_all(systems: Sequence[str], quick: bool) -> Iterator[Comparison]:
    """The comparisons of some systems."""
    for name in systems:
        yield from SYSTEMS[name].comparisons(quick)


def reported(results: Iterator) -> Iterator:
    """The same, each printed when it is there."""
    for result in results:
        print(result, file=sys.stderr, flush=True)
        yield result


def page(command: str, comparisons: Sequence[Comparison], growths: Sequence[Growth]) -> str:
    """The page in Markdown, without what was run on a device."""
    parts = [
        "# Solvers of differential equations beside published schemes\n",
        METHOD.format(command=command, environment=environment(), peers=versions(*PEERS)),
        summary(comparisons),
        "![Error against processor time, a panel for each problem](pde.svg)\n",
        "Rings mark the settings of the table.\n",
        "## All settings\n",
        *map(details, comparisons),
    ]
    if growths:
        parts += [
            "## Darcy: growth with the grid\n",
            f"Exponents p of time ∝ cells^p, in a batch: {exponents(growths)}.\n",
            growth_table(growths),
        ]
    return "\n".join(parts)


def device_name(device: torch.device) -> str:
    """What a device is sold as."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "the processor"


if __name__ == "__main__":
    main()
