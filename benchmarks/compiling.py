"""A network's training step compiled by PyTorch against the same as it stands, on one thread.

Both take the same steps in turn; times are processor times, medians of ``--steps`` of them. What
compiling takes is the first step's time, with that of the C++ compiler and without anything kept
from an earlier run.

    python benchmarks/compiling.py [--steps 60] [--backend inductor] [--folder docs/benchmarks]
"""

import argparse
import copy
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from measuring import environment
from report import number, table
from torch import Tensor, nn

from fsdiff.jobs.atomic import atomic
from fsdiff.networks.fno import FNO

BATCH, NODES = 16, 32
BACKEND = "inductor"
"""PyTorch's own compiler."""

PAGE = """\
# Compiled training steps

Made by `python benchmarks/compiling.py --steps {steps}{chosen}`: {environment}

{about}

An FNO of width 32 with five layers and local differences, batches of {batch} on {nodes} × {nodes} \
nodes:

{results}
Compiling took {compiling:.0f} s, as much as it saves in {needed:,.0f} steps. The gradients agree \
to {difference:.0e} of the largest one of each weight.
"""


def step(network: nn.Module, x: Tensor, t: Tensor) -> None:
    """The forward and the backward pass."""
    network.zero_grad()
    network(x, t).square().mean().backward()


def seconds(run: Callable[[], None]) -> float:
    """Processor time of a run, that of processes which it waits for included."""
    before = os.times()[:4]
    run()
    return sum(os.times()[:4]) - sum(before)


def difference(network: nn.Module, other: nn.Module) -> float:
    """The largest relative difference of two networks' gradients."""
    pairs = zip(network.parameters(), other.parameters(), strict=True)
    return max(float((p.grad - q.grad).abs().max() / q.grad.abs().max()) for p, q in pairs)


def measure(steps: int, backend: str) -> str:
    """The page."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    eager = FNO(width=32, modes=12, layers=5, projection=32, basis="cosine", stencil_cells=32)
    compiled = copy.deepcopy(eager)
    compiled.compile(backend=backend)
    x, t = torch.randn(BATCH, 1, NODES, NODES), torch.zeros(BATCH)
    step(eager, x, t)
    compiling = seconds(lambda: step(compiled, x, t))
    taken = [
        (seconds(lambda: step(eager, x, t)), seconds(lambda: step(compiled, x, t)))
        for _ in range(steps)
    ]
    plain, fast = (median(times) for times in zip(*taken, strict=True))
    ratio = median(b / a for a, b in taken)
    rows = [["as it stands", number(1e3 * plain), "1"]]
    rows += [["compiled", number(1e3 * fast), f"{ratio:.2f}"]]
    return PAGE.format(
        steps=steps,
        chosen="" if backend == BACKEND else f" --backend {backend}",
        environment=environment(),
        about=__doc__.split("    python")[0].partition("\n\n")[2].strip(),
        batch=BATCH,
        nodes=NODES,
        results=table("network | ms per step: | ratio:", rows),
        compiling=compiling,
        needed=compiling / (plain - fast) if fast < plain else float("inf"),
        difference=difference(compiled, eager),
    )


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--backend", default=BACKEND, help="of torch.compile")
    parser.add_argument("--folder", type=Path, default=Path("docs/benchmarks"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        # In this process, where its time is seen.
        os.environ.update(TORCHINDUCTOR_CACHE_DIR=cache, TORCHINDUCTOR_COMPILE_THREADS="1")
        text = measure(options.steps, options.backend)
    print(text)
    with atomic(options.folder / "compiling.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
