"""Train one level of a model, warm-started from the level below."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from fsdiff.data import storage
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.diffusion import models
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.jobs.devices import chosen_device
from fsdiff.measures.roughness import compare_prior
from fsdiff.parts import build
from fsdiff.spaces.bases import Basis
from fsdiff.stages.files import Job, StoredSplit, normalised_split, state_path
from fsdiff.training.fields import training_fields
from fsdiff.training.kept import KeptWeights
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.processes import joined
from fsdiff.training.trainer import Trainer


def describe_fields(dataset: xr.Dataset, basis: Basis) -> dict[str, Any]:
    """Names, units and extent of a data set's fields, for the samples that will resemble them."""
    nodes = dataset["x"].values
    length = float(nodes[1] - nodes[0]) * len(nodes)
    first = float(basis.nodes(len(nodes))[0]) * length
    time = {"times": dataset["time"].values.tolist()} if "time" in dataset.coords else {}
    named = [name for name in ("field", "time", "x", "y") if name in dataset.variables]
    return {
        "channels": dataset["channel"].values.tolist(),
        "length": length,
        "origin": {axis: float(dataset[axis][0]) - first for axis in ("y", "x")},
        **time,
        **{name: dict(dataset[name].attrs) for name in named},
    }


def warn_of_smooth_noise(denoiser: Denoiser, statistics: Statistics) -> None:
    """Log a warning where the prior's noise is smoother than the data that are to be trained on."""
    n = statistics.resolution
    comparison = compare_prior(statistics.spectrum, denoiser.prior, denoiser.basis, n)
    if not comparison.rough_enough:
        kind = denoiser.prior.kind
        logging.getLogger(__name__).warning("%s prior: %s", kind, comparison.verdict())


def train(
    job: Job,
    *,
    data: Mapping[int, Path],
    warm_start: Path | None,
    weights: Path,
    sidecar: Path,
    history: Path,
    states: Path,
    keep: tuple[int, Path] | None = None,
) -> None:
    """Train on the files of a hierarchy, {resolution: path}; ``warm_start`` is a coarser model.

    ``keep`` says after every how many epochs to keep the weights, and in which file. An interrupted
    run leaves its state in the folder ``states`` and is continued from there. Where torchrun has
    started several processes, they train together, and the first of them writes all files.
    """
    config = job["config"]
    level, options = Level(**config["level"]), TrainingOptions(**config["training"])
    with storage.read(data[level.resolution], chunks="auto") as dataset:
        statistics = Statistics.of(dataset)
        meaning = describe_fields(dataset, build("basis", config["basis"]))
    denoiser = models.make_denoiser(config, statistics, config["seed"])
    warn_of_smooth_noise(denoiser, statistics)
    spent, inputs = 0.0, list(data.values())
    if warm_start is not None:
        models.warm_start(denoiser.network, warm_start)
        spent = models.describe(warm_start)["training_seconds"]
        inputs.append(warm_start)
    every = f"-every{keep[0]}" if keep else ""
    state = state_path(job, inputs, states, f"train-{level.resolution}{every}")
    kept = KeptWeights(state, keep[0]) if keep else None
    device = chosen_device()
    with joined(device) as processes:
        trainer = Trainer(
            denoiser,
            level,
            options,
            data=training_fields(StoredSplit(data[level.resolution], "train"), options.memory_mb),
            validation={n: normalised_split(path, "validation") for n, path in data.items()},
            seed=config["seed"],
            state_file=state,
            kept=kept,
            device=device,
            processes=processes,
        )
        curves = trainer.run()
    if not processes.first:
        return
    made = Provenance.of_job(job)
    storage.write(curves, history, title="loss curves", provenance=made)
    description = {
        "config": config,
        **made.attributes(),
        "data": meaning,
        "parameters": curves.attrs["parameters"],
        "training_seconds": spent + float(curves["seconds"][-1]),
        "validation_loss": curves.attrs["best_loss"],
    }
    models.save(denoiser, statistics, description, weights=weights, sidecar=sidecar)
    if kept:
        kept.gather(int(curves["epoch"][-1]), keep[1], made.attributes())
        kept.remove()
    state.unlink(missing_ok=True)
