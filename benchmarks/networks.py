"""Time and memory of this project's FNO beside published ones of as many parameters.

Networks of width 32 take turns, in one process, at steps of training (forward, backward, AdamW)
and at inference, on batches of 16 random fields; in one more process the C library keeps memory
that it otherwise gives back. Networks of packages are there where these are installed, see
``benchmarks/peers/requirements.txt``. ``--compile`` needs a C++ compiler and adds this project's
network compiled by PyTorch, about two minutes for each grid.

    python benchmarks/networks.py [--threads 1 2] [--memory returned kept] [--compile] [--quick]
      [--only NETWORK …] [--folder docs/benchmarks]
"""

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Literal, get_args

import torch
from contenders import Contender
from measuring import environment, installed, peak_megabytes, versions
from peers.networks import PackagedFNO, PhysicsNemoFNO, PlainFNO, PublishedFNO
from report import number, table
from torch import nn

from fsdiff.data.storage import atomic
from fsdiff.networks.fno import FNO
from fsdiff.networks.uno import UNO

OURS, COSINE, U_SHAPED = "fsdiff, Fourier", "fsdiff, cosine", "fsdiff, U-NO"
PACKAGE, PHYSICSNEMO, PLAIN_FNO, PUBLISHED = "neuralop", "physicsnemo", "plain", "published"
COMPILED = "fsdiff, Fourier, compiled"


def compiled_fno() -> nn.Module:
    """Compiled when it is first used, for training and for inference."""
    network = FNO(modes=12, basis="fourier")
    network.compile()
    return network


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    OURS: partial(FNO, modes=12, basis="fourier"),
    COMPILED: compiled_fno,
    COSINE: partial(FNO, modes=24, basis="cosine"),
    U_SHAPED: partial(UNO, basis="fourier"),
    PLAIN_FNO: PlainFNO,
    PHYSICSNEMO: PhysicsNemoFNO,
    PACKAGE: PackagedFNO,
    PUBLISHED: PublishedFNO,
}
PLAIN = [name for name in NETWORKS if name != COMPILED]
PACKAGES = {PACKAGE: "neuraloperator", PHYSICSNEMO: "nvidia-physicsnemo"}

Memory = Literal["returned", "kept"]
KEEPING = {"MALLOC_MMAP_THRESHOLD_": str(2**34), "MALLOC_TRIM_THRESHOLD_": str(2**34)}
"""Environment in which the C library of GNU gives no memory back."""

METHOD = """\
Made by `{command}` in one run: {environment} Packages: {packages}.

Batches of 16 fields of one channel, FNOs of width 32 with four layers and a projection through 128
features. Numbers of real parameters are equal up to {spread:.0f} %: 12 Fourier modes, or 24 cosine
modes, which are real. Networks take turns and times are medians: processor time on one thread, wall
time on two. A step of training is forward, backward and AdamW, fused where all parameters are real.
*Times faster* is the network's time by that of the first. Memory is the peak of two steps of
training in a fresh process, beyond what it uses before the network is made.

* *fsdiff*: `fsdiff.networks.fno.FNO`, with its defaults but for the modes; [layers.md](layers.md)
  says what its steps spend time on. *Compiled* is what `training: {{compile: true}}` does; what
  compiling takes is not in it (see [compiling.md](compiling.md)), nor is its memory measured.
* *U-NO*: `fsdiff.networks.uno.UNO` with its defaults, a U-shaped operator: 12, 6 and 3 Fourier
  modes down and up again, and two blocks at the nodes of the fields.
* *plain*: the published network as one who knows PyTorch writes it in forty lines: features last,
  products of matrices in batches.
* *physicsnemo*: `physicsnemo.models.fno.FNO`, with its defaults but for the sizes.
* *neuralop*: `neuralop.models.FNO`, with its defaults but for the sizes.
* *published*: the FNO of published score models on function spaces, as `benchmarks/peers` has it.

*System* is the part of a training step's processor time that the operating system spends, most of
it on giving the process memory anew: the C library returns arrays above 32 MB as soon as they are
freed. Where memory is *kept* it is told not to, by `MALLOC_MMAP_THRESHOLD_` and
`MALLOC_TRIM_THRESHOLD_`, for all networks.
"""


@dataclass
class Times:
    """Seconds of each training step and inference, and the system's part of those of training."""

    training: list[float] = field(default_factory=list)
    inference: list[float] = field(default_factory=list)
    system: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """Medians of one network's times, and its peak memory."""

    nodes: int
    threads: int
    memory: Memory
    network: str
    training: float
    inference: float
    system: float
    megabytes: float | None


def parameters(name: str) -> int:
    """Number of real parameters."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in NETWORKS[name]().parameters())


def race(names: Sequence[str], n: int, threads: int, rounds: int) -> dict[str, Times]:
    """Times of the networks, which take turns; the first round is not counted."""
    torch.set_num_threads(threads)
    torch.compiler.reset()  # or it would compile for grids of any size from the second one on
    clock = time.process_time if threads == 1 else time.perf_counter
    contenders = {name: Contender(NETWORKS[name], n) for name in names}
    times = {name: Times() for name in names}
    for count in range(rounds + 1):
        for name, contender in contenders.items():
            before = resource.getrusage(resource.RUSAGE_SELF)
            start = clock()
            contender.train()
            trained = clock()
            after = resource.getrusage(resource.RUSAGE_SELF)
            contender.infer()
            if count:
                times[name].inference.append(clock() - trained)
                times[name].training.append(trained - start)
                times[name].system.append(_system_part(before, after))
    return times


def _system_part(before: resource.struct_rusage, after: resource.struct_rusage) -> float:
    system = after.ru_stime - before.ru_stime
    return system / (system + after.ru_utime - before.ru_utime)


def train_twice(name: str, n: int) -> None:
    """What peak memory is measured of."""
    contender = Contender(NETWORKS[name], n)
    contender.train()
    contender.train()


def measure(
    names: Sequence[str],
    resolutions: Sequence[int],
    threads: Sequence[int],
    rounds: int,
    memory_is: Memory,
) -> Iterator[Row]:
    """All rows of this process, printed when they are there."""
    for n in resolutions:
        # The compiler would be what takes most.
        plain = [name for name in names if name != COMPILED]
        memory = {name: peak_megabytes(partial(train_twice, name), n) for name in plain}
        for count in threads:
            few = min(rounds, 3) if n > 128 else rounds
            for name, times in race(names, n, count, few).items():
                values = [median(v) for v in (times.training, times.inference, times.system)]
                row = Row(
                    n, count, memory_is, name, *values, memory.get(name) if count == 1 else None
                )
                print(row, file=sys.stderr, flush=True)
                yield row


def spread(counts: Sequence[int]) -> float:
    """By how many per cent the largest is above the least."""
    return 100 * (max(counts) / min(counts) - 1)


def results(rows: Sequence[Row]) -> str:
    """The table."""
    header = (
        "grid | threads: | memory | network | training step, ms: | times faster: | inference, ms: "
        "| times faster: | system, %: | peak MB:"
    )
    first = {_setting(row): row for row in rows if row.network == OURS}
    lines = []
    for row in rows:
        ours = first[_setting(row)]
        lines.append(
            [
                *(f"{row.nodes}²", str(row.threads), row.memory, row.network),
                *(number(1e3 * row.training), number(row.training / ours.training)),
                *(number(1e3 * row.inference), number(row.inference / ours.inference)),
                f"{100 * row.system:.0f}",
                "" if row.megabytes is None else f"{row.megabytes:.0f}",
            ]
        )
    return table(header, lines)


def _setting(row: Row) -> tuple[int, int, Memory]:
    return row.nodes, row.threads, row.memory


def in_another_process(memory_is: Memory, arguments: Sequence[str]) -> list[Row]:
    """The rows of a process whose C library keeps memory, or gives it back as it does."""
    command = [sys.executable, __file__, *arguments, "--rows", memory_is]
    environment = os.environ | (KEEPING if memory_is == "kept" else {})
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return [Row(**row) for row in json.loads(done.stdout)]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="32 x 32 nodes, few rounds")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--compile", action="store_true", help="a compiled network, too")
    parser.add_argument("--only", nargs="+", choices=PLAIN, default=PLAIN, metavar="NETWORK")
    parser.add_argument("--memory", nargs="+", choices=get_args(Memory), default=["returned"])
    parser.add_argument("--folder", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--rows", choices=get_args(Memory), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    resolutions, rounds = ((32,), 3) if arguments.quick else ((32, 64, 128, 256), 9)
    chosen = {OURS, *arguments.only} | ({COMPILED} if arguments.compile else set())
    there = [name for name in NETWORKS if name not in PACKAGES or installed(PACKAGES[name])]
    names = [name for name in there if name in chosen]
    if arguments.rows:
        found = measure(names, resolutions, arguments.threads, rounds, arguments.rows)
        print(json.dumps([asdict(row) for row in found]))
        return
    rows = [row for kind in arguments.memory for row in in_another_process(kind, sys.argv[1:])]
    counts = {name: parameters(name) for name in names if name != COMPILED}
    page = [
        "# Score networks beside published ones\n",
        METHOD.format(
            command=shlex.join(["python", "benchmarks/networks.py", *sys.argv[1:]]),
            environment=environment(),
            packages=versions(*PACKAGES.values()),
            spread=spread(list(counts.values())),
        ),
        results(rows),
        table("network | parameters:", ([name, f"{count:,}"] for name, count in counts.items())),
    ]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with atomic(arguments.folder / "networks.md") as temporary:
        Path(temporary).write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
