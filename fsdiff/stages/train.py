"""Train one level of a model, warm-started from the level below."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from fsdiff import models, storage
from fsdiff.bases import Basis
from fsdiff.models import Statistics
from fsdiff.parts import build
from fsdiff.stages.files import Job, normalised_split, provenance, state_path
from fsdiff.training import Level, Trainer, TrainingOptions


def describe_fields(dataset: xr.Dataset, basis: Basis) -> dict[str, Any]:
    """Names, units and extent of a data set's fields, for the samples that will resemble them."""
    nodes = dataset["x"].values
    length = float(nodes[1] - nodes[0]) * len(nodes)
    return {
        "channels": dataset["channel"].values.tolist(),
        "length": length,
        "origin": float(nodes[0]) - float(basis.nodes(len(nodes))[0]) * length,
        **{name: dict(dataset[name].attrs) for name in ("field", "x", "y")},
    }


def train(
    job: Job,
    *,
    data: Mapping[int, Path],
    warm_start: Path | None,
    weights: Path,
    sidecar: Path,
    history: Path,
    states: Path,
) -> None:
    """Train on the files of a hierarchy, {resolution: path}; ``warm_start`` is a coarser model.

    An interrupted run leaves its state in the folder ``states`` and is continued from there.
    """
    config = job["config"]
    level = Level(**config["level"])
    with storage.read(data[level.resolution]) as dataset:
        statistics, meaning = (
            Statistics.of(dataset),
            describe_fields(dataset, build("basis", config["basis"])),
        )
    denoiser = models.make_denoiser(config, statistics, config["seed"])
    spent = 0.0
    if warm_start is not None:
        models.warm_start(denoiser.network, warm_start)
        spent = models.describe(warm_start)["training_seconds"]
    state = state_path(job, states, f"train-{level.resolution}")
    state.parent.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        denoiser,
        level,
        TrainingOptions(**config["training"]),
        data=normalised_split(data[level.resolution], "train"),
        validation={n: normalised_split(path, "validation") for n, path in data.items()},
        seed=config["seed"],
        state=state,
    )
    curves = trainer.run()
    storage.write(curves, history, title="loss curves", provenance=provenance(job, config["seed"]))
    description = {
        "config": config,
        "code": job["code"],
        "data": meaning,
        "parameters": curves.attrs["parameters"],
        "training_seconds": spent + float(curves["seconds"][-1]),
        "validation_loss": curves.attrs["best_loss"],
    }
    models.save(denoiser, statistics, description, weights=weights, sidecar=sidecar)
    state.unlink(missing_ok=True)
