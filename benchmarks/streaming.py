"""Training on a data set larger than memory: streamed from its file against all of it in memory.

Jobs in processes of their own take the first steps of training on the same file, in turn, streamed
and in memory. The file is put out of the system's cache before each. The time of a step includes
the waiting for its batch, and so the reading of the first fields where they are streamed, but not
the loading of all fields beforehand where they are not. Peak memory is that of the process, Python,
libraries and all that a step needs included; *beyond* is what it has grown by since it had built
the network.

    python benchmarks/streaming.py [--gigabytes 4] [--memory-mb 50] [--steps 240] [--folder …]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import dask.array
import numpy as np
import torch
import xarray as xr
from measuring import environment, memory
from report import number, table

from fsdiff.data import hierarchy, storage
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.predictions import Wiener
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.time_sampling import Spectral
from fsdiff.jobs.atomic import atomic
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.methods.diffusion import Diffusion
from fsdiff.networks.fno import FNO
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages.files import StoredSplit, normalised_split
from fsdiff.training.fields import training_fields
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.trainer import Trainer

NODES, BATCH = 64, 16
HELD_OUT = 32
"""Fields for validation, before the first step."""

EVERYTHING = 10**9
"""Megabytes: more than any of these data sets have."""

PAGE = """\
# Training that streams its data

Made by `python benchmarks/streaming.py --gigabytes {gigabytes:g} --memory-mb {memory_mb} \
--steps {steps} --rounds {rounds}`: {environment}

{about}

{count:,} fields on {nodes} × {nodes} nodes, {size:,.0f} MB; an FNO of width 32 with \
{parameters:,} parameters, batches of {batch}, {steps} steps in each of {rounds} rounds on one \
thread; streamed through {memory_mb} MB, of which one half feeds {refill:,.0f} steps while the \
other is read anew.

{results}
A streamed step takes {wall:.3f} times the wall time and {processor:.3f} times the processor time \
of one in memory (medians of the rounds' ratios).
"""


@dataclass(frozen=True)
class Taken:
    """What a job took: seconds of wall and of processor time per step, megabytes."""

    wall: float
    processor: float
    peak: float
    beyond: float


class FirstSteps(Trainer):
    """Takes no more than ``steps`` steps."""

    steps = 0


def make_data(path: Path, gigabytes: float) -> int:
    """Write a data set of smooth noise; how many training fields it has."""
    count = round(gigabytes * 1e9 / (4 * NODES**2))
    place = CosineBasis(2).nodes(NODES)
    shape = (count + HELD_OUT, 1, NODES, NODES)
    noise = dask.array.random.default_rng(0).standard_normal(
        shape, dtype=np.float32, chunks=(128, *shape[1:])
    )
    smooth = noise + np.cos(np.pi * place).astype(np.float32)
    dataset = xr.Dataset(
        {"field": (storage.FIELD_DIMENSIONS, smooth)},
        {
            "sample": np.arange(len(smooth)),
            "channel": ["u"],
            "y": place,
            "x": place,
            "split": ("sample", np.repeat(["train", "validation"], [count, HELD_OUT])),
        },
    )
    measured = hierarchy.statistics(dataset.isel(sample=slice(1000)), CosineBasis(2))
    made = storage.Provenance({}, "benchmark", 0)
    storage.write(dataset.merge(measured), path, title="noise", provenance=made)
    return count


def make_method(path: Path) -> Diffusion:
    """A network like that of the quickstart."""
    basis = CosineBasis(2)
    with storage.read(path, chunks="auto") as dataset:
        data = Statistics.of(dataset).measured(basis)
    torch.manual_seed(0)
    network = FNO(width=32, modes=12, layers=4, basis="cosine", stencil_cells=32)
    noise = Bessel(shift=8.0, power=0.55)
    law = Law(basis=basis, noise=noise, process=VariancePreserving(), data=data)
    return Diffusion(Denoiser(law, network, Wiener()), Spectral())


def job(path: Path, memory_mb: int, steps: int) -> Taken:
    """Take the first steps of training on a file."""
    torch.set_num_threads(1)
    method = make_method(path)
    before = memory("VmRSS")
    trainer = FirstSteps(
        method,
        Level(resolution=NODES, epochs=1, batch_size=BATCH),
        TrainingOptions(augmentation="square"),
        data=training_fields(StoredSplit(path, "train"), memory_mb),
        validation={NODES: normalised_split(path, "validation")},
        seed=0,
    )
    trainer.steps = steps
    started = time.process_time()
    trainer.run()
    processor = (time.process_time() - started) / steps
    peak = memory("VmHWM")
    return Taken(trainer.progress.seconds / steps, processor, peak, peak - before)


def run(path: Path, memory_mb: int, steps: int) -> Taken:
    """The same in a process of its own, with the file out of the system's cache."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    command = [sys.executable, __file__, "--job", str(path), str(memory_mb), str(steps)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Taken(**json.loads(done.stdout))


def page(
    in_memory: Sequence[Taken], streamed: Sequence[Taken], path: Path, options: argparse.Namespace
) -> str:
    """The numbers in Markdown."""
    count = StoredSplit(path, "train").shape[0]
    sample = 4 * NODES**2 / 1e6
    rows = [
        [
            name,
            number(1e3 * median(item.wall for item in runs)),
            number(1e3 * median(item.processor for item in runs)),
            f"{max(item.peak for item in runs):,.0f}",
            f"{max(item.beyond for item in runs):,.0f}",
        ]
        for name, runs in (("in memory", in_memory), ("streamed", streamed))
    ]

    def ratio(name: str) -> float:
        pairs = zip(streamed, in_memory, strict=True)
        return median(getattr(a, name) / getattr(b, name) for a, b in pairs)

    header = "fields | wall ms per step: | processor ms: | peak memory, MB: | beyond, MB:"
    return PAGE.format(
        gigabytes=options.gigabytes,
        memory_mb=options.memory_mb,
        environment=environment(),
        about=__doc__.split("    python")[0].partition("\n\n")[2].strip(),
        count=count,
        nodes=NODES,
        size=count * sample,
        parameters=sum(p.numel() for p in make_method(path).network.parameters()),
        batch=BATCH,
        steps=options.steps,
        rounds=options.rounds,
        refill=options.memory_mb / 2 / sample / BATCH,
        results=table(header, rows),
        wall=ratio("wall"),
        processor=ratio("processor"),
    )


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--memory-mb", type=int, default=50, help="for streamed fields")
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--job", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        path, memory_mb, steps = options.job
        print(json.dumps(asdict(job(Path(path), int(memory_mb), int(steps)))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{NODES}.nc"
        make_data(path, options.gigabytes)
        in_memory, streamed = [], []
        for _ in range(options.rounds):
            in_memory.append(run(path, EVERYTHING, options.steps))
            streamed.append(run(path, options.memory_mb, options.steps))
        text = page(in_memory, streamed, path, options)
    print(text)
    with atomic(options.folder / "streaming.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
