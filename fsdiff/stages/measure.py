"""What a model knows of its data before any training, and the models that are no more than that."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fsdiff.data import storage
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.methods import models
from fsdiff.methods.base import Method
from fsdiff.parts import build
from fsdiff.stages.files import normalised_split
from fsdiff.stages.job import Job
from fsdiff.stages.labels import describe_fields


def prepared(config: Mapping[str, Any], data: Path) -> tuple[Method, Statistics, dict[str, Any]]:
    """A method with its first weights, the statistics of a file of data, and its fields' names."""
    with storage.read(data, chunks="auto") as dataset:
        statistics = Statistics.of(dataset)
        meaning = describe_fields(dataset, build("basis", config["basis"]))
    return models.make_method(config, statistics, config["seed"]), statistics, meaning


def measure(job: Job, *, data: Path, weights: Path, sidecar: Path) -> None:
    """Write the model of a method that has nothing to train but the statistics of the data."""
    config = job["config"]
    method, statistics, meaning = prepared(config, data)
    if not method.prepared:
        method.prepare(normalised_split(data, "train"))
    about = {"data": meaning, "parameters": 0, "training_seconds": 0.0}
    description = {"config": config, **Provenance.of_job(job).attributes(), **about}
    models.save(method, statistics, description, weights=weights, sidecar=sidecar)
