"""The patterns of reaction and diffusion of Multilevel Diffusion, trained at their published size.

Data, network, noise, optimiser, epochs and sampler are those of ``patterns_bessel`` in
``configs/multilevel_diffusion.yaml``: 650 solutions on 128², 20,000 steps of Adam on 32², 150
samples by 200 steps of Euler–Maruyama. Samples on each grid are compared with as many test data as
there are, beside real against real. Data are solved on processors, all of them. Training ends
when ``--seconds`` are over, and the number of steps is told. Writes ``model.json``.

    python benchmarks/gpu/model.py --folder FOLDER [--device cuda] [--seconds 150] [--smallest]
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import atomic
from fsdiff.jobs.interruption import Interrupted, watched
from fsdiff.methods import models
from fsdiff.parts import build
from fsdiff.stages.judge import Judge
from fsdiff.study import load
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.trainer import Trainer

CONFIGURATION = Path(__file__).parents[2] / "configs" / "multilevel_diffusion.yaml"
EXPERIMENT = "patterns_bessel"
SMALLEST = {
    "source": {"resolution": 32, "time": 0.1},
    "split": {"train": 8, "validation": 4, "test": 20},
    "level": {"epochs": 1, "batch_size": 4},
    "sampler": {"steps": 2},
    "samples": {"count": 10, "batch_size": 10, "resolutions": [32]},
}
"""What is smaller where the script itself is tried."""


def settings(smallest: bool) -> dict[str, Any]:
    """The blocks of the experiment, as jobs of the workflow are given them."""
    study = load(CONFIGURATION)
    item = study.runs[EXPERIMENT]
    found: dict[str, Any] = {
        "model": study.train_slice(EXPERIMENT, item.levels[-1].resolution, 0),
        "source": study.datasets[item.dataset].source.plain(),
        "downsampling": study.datasets[item.dataset].downsampling.plain(),
        "split": study.datasets[item.dataset].split.plain(),
        "sampler": study.sample_slice(EXPERIMENT, 32, 0)["sampler"],
        "samples": {
            "count": item.samples.count,
            "batch_size": item.samples.batch_size,
            "resolutions": study.evaluated(EXPERIMENT),
        },
        "metrics": study.evaluate_slice(EXPERIMENT, 32, 0)["metrics"],
    }
    found["level"] = found["model"].pop("level")
    if smallest:
        found |= {name: {**found[name], **block} for name, block in SMALLEST.items()}
        found["metrics"] = {"spectrum": found["metrics"]["spectrum"]}
    return found


def solved(source: Mapping[str, Any], indices: range) -> Tensor:
    """Samples of the data set, (sample, channel, *grid)."""
    torch.set_num_threads(1)
    return torch.from_numpy(build("source", source).generate(indices, 0)["field"].values)


def dataset(source: Mapping[str, Any], count: int) -> Tensor:
    """All samples, on as many processes as there are processors."""
    processes = len(os.sched_getaffinity(0))
    if count < 100 or processes == 1:
        return solved(source, range(count))
    edges = [count * i // processes for i in range(processes + 1)]
    parts = [range(*pair) for pair in pairwise(edges)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return torch.cat(list(pool.map(partial(solved, source), parts)))


def trained(
    config: Mapping[str, Any], data: Tensor, validation: Tensor, device: torch.device, end: float
) -> tuple[models.Model, dict[str, Any]]:
    """The model, and what its training was."""
    basis, level = build("basis", config["model"]["basis"]), Level(**config["level"])
    statistics = Statistics.measure(data, basis)
    method = models.make_method(config["model"], statistics, 0)
    trainer = Trainer(
        method,
        level,
        TrainingOptions(**config["model"]["training"]),
        data=statistics.normalise(data).float(),
        validation={level.resolution: statistics.normalise(validation).float()},
        seed=0,
        device=device,
    )
    try:
        with watched(lambda: "the time is over" if time.monotonic() > end else None):
            trainer.run()
    except Interrupted:
        trainer.state.set_weights(trainer.state.average)
    progress = trainer.progress
    about = {
        "steps": progress.step,
        "published_steps": trainer.steps,
        "seconds": progress.seconds,
        "validation_loss": [row["validation_loss"][0] for row in progress.rows][-1],
        "parameters": sum(p.numel() for p in method.network.parameters()),
    }
    return models.Model(method, statistics, {}, device), about


def judged(
    config: Mapping[str, Any], model: models.Model, test: Tensor, n: int, device: torch.device
) -> dict[str, Any]:
    """Samples on one grid, and real data, beside as many other real data."""
    basis, samples = model.method.basis, config["samples"]
    downsampling = build("downsampling", config["downsampling"])
    real = downsampling(test.double(), n, basis)
    statistics = Statistics.measure(real, basis)
    metrics = {name: build("metrics", block) for name, block in config["metrics"].items()}
    judge = Judge(metrics, basis, statistics, {}, device)
    half = len(real) // 2
    target, others = judge.normalise(real[:half]), judge.normalise(real[half : 2 * half])
    sampler = build("sampler", config["sampler"])
    start, drawn = time.perf_counter(), []
    for first in range(0, samples["count"], samples["batch_size"]):
        indices = range(first, min(first + samples["batch_size"], samples["count"]))
        drawn.append(model.sample(sampler, n, indices, 0).fields)
    seconds = time.perf_counter() - start
    return {
        "nodes": n,
        "samples": samples["count"],
        "seconds_per_sample": seconds / samples["count"],
        "model": judge(judge.normalise(torch.cat(drawn)), target),
        "real": judge(others, target),
    }


def main() -> None:
    """Make data, train, draw, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=150, help="for data, training and samples")
    parser.add_argument("--smallest", action="store_true")
    options = parser.parse_args()
    start = time.monotonic()
    config = settings(options.smallest)
    split = config["split"]
    fields = dataset(config["source"], sum(split.values()))
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(options.device)
        if options.device.type == "cuda"
        else "processor",
        "experiment": EXPERIMENT,
        "fields": len(fields),
        "data_seconds": time.monotonic() - start,
    }
    train, validation, test = fields.split([split[k] for k in ("train", "validation", "test")])
    n, basis = config["level"]["resolution"], build("basis", config["model"]["basis"])
    downsampling = build("downsampling", config["downsampling"])
    coarse = [downsampling(part.double(), n, basis).float() for part in (train, validation)]
    # A quarter of the time is left for samples and what they are compared by.
    end = start + 0.75 * options.seconds
    model, found["training"] = trained(config, *coarse, options.device, end)
    found["judged"] = []
    for level in config["samples"]["resolutions"]:
        found["judged"].append(judged(config, model, test, level, options.device))
        print(found["judged"][-1], flush=True)
        options.folder.mkdir(parents=True, exist_ok=True)
        with atomic(options.folder / "model.json") as temporary:
            Path(temporary).write_text(json.dumps(found, indent=1), encoding="utf-8")
        if time.monotonic() - start > options.seconds:
            break


if __name__ == "__main__":
    main()
