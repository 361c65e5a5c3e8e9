"""Where a training step of this project's FNO spends its time, part by part.

Operations of a step are timed one by one as they run, and count to the part of the network whose
code has called them, forward and backward together.

    python benchmarks/layers.py [--quick] [--folder docs/benchmarks]
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import FrameType

import torch
from contenders import BATCH, CPU, Contender
from measuring import environment, race
from networks import NETWORKS, OURS
from report import table
from roofline import Ceilings, Work, ceilings, counted, rate_of_copies, rate_of_products

from fsdiff.data.storage import atomic

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")
NODES, ACTIVATION, SUMS = "matrices at nodes", "GELU", "sums and copies at nodes"
OPTIMISER, REST = "AdamW", "lifting, noise level and loss"
CALLERS = {
    "Transform.analyse": "transforms to modes and back",
    "Transform.synthesise": "transforms to modes and back",
    "_ComplexMixing.forward": "matrices of modes",
    "_ComplexMixing.backward": "matrices of modes",
    "_ResidualBlock.forward": NODES,
    "_ResidualBlock.backward": NODES,
    "_Perceptron.forward": "projection",
    "_Perceptron.backward": "projection",
}
"""Functions of the network, and the part that they are of."""

METHOD = """\
Made by `{command}` in one run: {environment}

Batches of {batch} fields of one channel, the FNO *fsdiff, Fourier* of [networks.md](networks.md),
on one thread; processor time, medians of {rounds} steps of training (forward, backward, AdamW).
Operations are timed one by one, and count to the part of the network whose code has called them.
What is left is Python and differentiation between operations.

This processor multiplies matrices of 1024² numbers in single precision at {best:.0f} gigaflops,
and the features at 64² nodes by the matrix of a layer, 4096 by 32 and 32 by 32 numbers, at
{narrow:.0f}. It copies arrays of 1 MB, which stay in its cache, at {cached:.0f} GB/s and those of
128 MB at {memory:.0f}. *Of the best* is a part's arithmetic in units of the first of these rates.
Bytes are those that operations read and write, wherever they lie: a batch goes through an operation
in parts of about 1 MB. A GELU is an error function of every number, whose arithmetic is not
counted; backward it is computed again instead of being kept.
"""


def part_of(name: str) -> str:
    """The part of the network that runs an operation: that of the nearest caller known."""
    if name == "_fused_adamw":
        return OPTIMISER
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_qualname not in CALLERS:
        frame = frame.f_back
    part = REST if frame is None else CALLERS[frame.f_code.co_qualname]
    if name.startswith("gelu"):
        return ACTIVATION
    return SUMS if part == NODES and name not in PRODUCTS else part


@dataclass(frozen=True)
class Step:
    """A step of training on n² nodes: its work, and the seconds of its parts and of the whole."""

    n: int
    work: Work
    taken: dict[str, float]
    whole: float

    @classmethod
    def measured(cls, n: int, limits: Ceilings, rounds: int) -> "Step":
        """Medians of some steps, as they are and with each operation timed."""
        contender = Contender(NETWORKS[OURS], n)
        contender.train()
        whole = race({OURS: lambda step: contender.train()}, [None], rounds)[OURS].seconds
        steps = [counted(contender.train, limits, part_of) for _ in range(rounds)]
        taken = {part: median(step.taken[part] for step in steps) for part in steps[0].calls}
        return cls(n, steps[0], taken, whole)

    def rows(self, best: float) -> Iterator[list[str]]:
        """Its parts, the longest first, and the whole of it."""
        for part, seconds in sorted(self.taken.items(), key=lambda item: -item[1]):
            yield self._row(part, (part,), seconds, best)
        between = max(self.whole - sum(self.taken.values()), 0.0)
        yield self._row("between operations", (), between, best)
        yield self._row("**a step**", tuple(self.taken), self.whole, best)

    def _row(self, name: str, parts: Sequence[str], seconds: float, best: float) -> list[str]:
        """Arithmetic and bytes of parts, and the rates that they reach in so many seconds."""
        done, moved = (
            sum(kind[part] for part in parts) for kind in (self.work.arithmetic, self.work.bytes)
        )
        return [
            f"{self.n}²",
            name,
            f"{done / 1e9:.2f}" if done else "",
            f"{moved / 1e9:.2f}" if moved else "",
            f"{1e3 * seconds:.1f}",
            share(seconds / self.whole),
            share(done / seconds / best) if done else "",
            f"{moved / seconds / 1e9:.0f}" if moved else "",
        ]

    def reading(self, best: float) -> str:
        """What could be won by products of matrices alone."""
        multiplying = [part for part, done in self.work.arithmetic.items() if done and part != REST]
        seconds = sum(self.taken[part] for part in multiplying)
        at_best = sum(self.work.arithmetic[part] for part in multiplying) / best
        gain = self.whole / (self.whole - seconds + at_best)
        return (
            f"{self.n}²: parts with products of matrices take {share(seconds / self.whole)} % of a "
            f"step and reach {share(at_best / seconds)} % of the best; at the best a step would be "
            f"{gain:.1f} times faster."
        )


def share(part: float) -> str:
    """In per cent."""
    return f"{100 * part:.0f}"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="32 x 32 nodes, few steps")
    parser.add_argument("--folder", type=Path, default=Path("docs/benchmarks"))
    arguments = parser.parse_args()
    resolutions, rounds = ((32,), 2) if arguments.quick else ((32, 64, 128, 256), 9)
    torch.set_num_threads(1)
    limits = ceilings(CPU, quick=arguments.quick)
    best = limits.arithmetic["float32"]
    steps = [Step.measured(n, limits, rounds) for n in resolutions]
    page = [
        "# Where a training step goes\n",
        METHOD.format(
            command=shlex.join(["python", "benchmarks/layers.py", *sys.argv[1:]]),
            environment=environment(),
            batch=BATCH,
            rounds=rounds,
            best=best / 1e9,
            narrow=rate_of_products((64**2, 32, 32), CPU) / 1e9,
            cached=rate_of_copies(2**18, CPU) / 1e9,
            memory=limits.bandwidth / 1e9,
        ),
        table(
            "grid | part | gigaflop: | GB: | ms: | of the step, %: | of the best, %: | GB/s:",
            [line for step in steps for line in step.rows(best)],
        ),
        "\n".join(f"* {step.reading(best)}" for step in steps) + "\n",
    ]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with atomic(arguments.folder / "layers.md") as temporary:
        Path(temporary).write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
