"""How soon networks of as many parameters learn to denoise equally well.

Everything but the network is the same: data, noise, Wiener preconditioning, order of the batches,
optimiser. Each network is trained with two learning rates and is judged by the better one. Writes
``learning.md`` and ``learning.svg``. Needs the extra ``neuralop``, unless ``--only`` names others.

    python benchmarks/learning.py [--data FILE] [--epochs 8] [--only NETWORK …]
      [--folder docs/benchmarks]

Data are those of the quickstart on 32 x 32 nodes, which are made below ``runs/`` in a minute, or a
file of another hierarchy. Takes about six minutes on one core.
"""

import argparse
import math
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from matplotlib.figure import Figure
from measuring import environment
from networks import NETWORKS, PACKAGE, PUBLISHED
from page import ROOT, run
from report import number, table
from torch import Tensor

from fsdiff.data import storage
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.predictions import Wiener
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.time_sampling import Spectral
from fsdiff.jobs.atomic import atomic
from fsdiff.measures.priors.convolution import Standard
from fsdiff.methods.diffusion import Diffusion
from fsdiff.networks.fno import FNO
from fsdiff.reports.plotting.style import experiment_styles, plain_ticks, save, styled
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages.files import normalised_split
from fsdiff.training import Level, Trainer, TrainingOptions

FOURIER, COSINE = "fsdiff, Fourier modes and differences", "fsdiff, cosine modes and differences"
CONTENDERS = {
    FOURIER: partial(FNO, modes=12, basis="fourier", stencil_cells=32),
    COSINE: partial(FNO, modes=24, basis="cosine", stencil_cells=32),
    PACKAGE: NETWORKS[PACKAGE],
    PUBLISHED: NETWORKS[PUBLISHED],
}
LEARNING_RATES = (1e-3, 3e-3)
BATCH = 16
"""Fields in a step."""

PAGE = """\
# Learning with networks of as many parameters

{fields} fields of {data} on {nodes} × {nodes} nodes, {epochs} epochs in batches of {batch}, with
white noise and Wiener preconditioning; networks of width 32 with four layers and equal numbers of
parameters (up to 5 %), each with the better of the learning rates {rates}. The loss is that of
denoising {held_out} other fields, with weights averaged over the last steps. *Sooner* is the time
of a network to its least loss by that of `{first}` to the same loss.

{results}
![Loss against training time](learning.svg)

Made by `{command}` in one run on one thread: {environment}
"""


@dataclass(frozen=True)
class Task:
    """Normalised fields to learn from, others to judge by, and the statistics of the first."""

    statistics: Statistics
    train: Tensor
    validation: Tensor

    @classmethod
    def of(cls, path: Path) -> "Task":
        """Those of a data set's file."""
        with storage.read(path) as dataset:
            statistics = Statistics.of(dataset)
        train, validation = (normalised_split(path, name) for name in ("train", "validation"))
        return cls(statistics, train, validation)


def parameters(name: str) -> int:
    """Number of real parameters."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in CONTENDERS[name]().parameters())


def learn(name: str, task: Task, epochs: int, learning_rate: float) -> xr.Dataset:
    """The curves of one training."""
    torch.manual_seed(0)
    n = task.train.shape[-1]
    basis = CosineBasis()
    law = Law(
        basis=basis,
        noise=Standard(),
        process=VariancePreserving(),
        data=task.statistics.measured(basis),
    )
    method = Diffusion(Denoiser(law, CONTENDERS[name](), Wiener()), Spectral())
    level = Level(resolution=n, epochs=epochs, batch_size=BATCH, learning_rate=learning_rate)
    options = TrainingOptions(average_decay=0.99, augmentation="square")
    data, validation = task.train, {n: task.validation}
    curves = Trainer(method, level, options, data=data, validation=validation, seed=0).run()
    least = float(curves["validation_loss"].min())
    print(f"{name}, {learning_rate:g}: {least:.5f}", file=sys.stderr, flush=True)
    return curves.squeeze("resolution")


def best(name: str, task: Task, epochs: int) -> tuple[float, xr.Dataset]:
    """The better learning rate, and the curves with it."""
    trials = {rate: learn(name, task, epochs, rate) for rate in LEARNING_RATES}
    return min(trials.items(), key=lambda item: float(item[1]["validation_loss"].min()))


def seconds_to(curves: xr.Dataset, loss: float) -> float:
    """When the least loss so far has come down to ``loss``, linearly between epochs."""
    least = np.minimum.accumulate(curves["validation_loss"].values)
    if least[-1] > loss:
        return math.inf
    return float(np.interp(-loss, -least, curves["seconds"].values))


def results(found: Mapping[str, tuple[float, xr.Dataset]]) -> str:
    """The table."""
    first = found[COSINE][1]
    lines = []
    for name, (rate, curves) in found.items():
        loss = float(curves["validation_loss"].min())
        taken, ours = seconds_to(curves, loss), seconds_to(first, loss)
        sooner = "never" if math.isinf(ours) else number(taken / ours)
        setting = [name, f"{parameters(name):,}", f"{rate:g}"]
        lines.append([*setting, f"{loss:.4f}", number(taken), number(ours), sooner])
    header = (
        "network | parameters: | learning rate: | least loss: | s: | s of fsdiff to it: | sooner:"
    )
    return table(header, lines)


@styled
def draw(found: Mapping[str, tuple[float, xr.Dataset]]) -> Figure:
    """Loss against training time."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, style in experiment_styles(found).items():
        curves = found[name][1].isel(epoch=slice(1, None))
        axes.plot(curves["seconds"], curves["validation_loss"], label=name, **style)
    axes.set(xscale="log", yscale="log", xlabel="training time [s]", ylabel="denoising loss")
    plain_ticks(axes.xaxis)
    plain_ticks(axes.yaxis)
    axes.legend()
    return figure


def quickstart() -> Path:
    """The quickstart's data, which are made if they are not there."""
    directory, data = ROOT / "runs" / "quickstart", "results/data/reaction_diffusion/32.nc"
    run([ROOT / "config.yaml"], directory, 1, data)
    return directory / data


def main() -> None:
    """Train all, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a data set on one grid, .nc")
    parser.add_argument("--epochs", type=int, default=8)
    only = {"nargs": "+", "choices": [*CONTENDERS], "default": [*CONTENDERS]}
    parser.add_argument("--only", metavar="NETWORK", **only)
    default = ROOT / "docs" / "benchmarks"
    parser.add_argument("--folder", type=Path, default=default, help="where to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = arguments.data or quickstart()
    task = Task.of(data)
    names = [name for name in CONTENDERS if name in {COSINE, *arguments.only}]
    found = {name: best(name, task, arguments.epochs) for name in names}
    arguments.folder.mkdir(parents=True, exist_ok=True)
    save(draw(found), arguments.folder / "learning.svg")
    page = PAGE.format(
        command=shlex.join(["python", "benchmarks/learning.py", *sys.argv[1:]]),
        fields=len(task.train),
        data=data.parent.name.replace("_", "–"),
        nodes=task.train.shape[-1],
        epochs=arguments.epochs,
        batch=BATCH,
        rates=" and ".join(f"{rate:g}" for rate in LEARNING_RATES),
        held_out=len(task.validation),
        first=COSINE,
        results=results(found),
        environment=environment(),
    )
    with atomic(arguments.folder / "learning.md") as temporary:
        Path(temporary).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
