"""What a model knows of its data before any training, and the models that are no more than that."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from fsdiff.data import storage
from fsdiff.data.labels import Labels, of_split
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.methods import models
from fsdiff.methods.base import Method
from fsdiff.parts import build, described
from fsdiff.stages.files import normalised_split
from fsdiff.stages.job import Job
from fsdiff.stages.labels import describe_fields


class Prepared(NamedTuple):
    """A method with its first weights, the statistics of its data, and what is said of both.

    ``description`` has the blocks of the method, with the classes of the data where it is told
    them, as ``config``, and the names of the fields as ``data``.
    """

    method: Method
    statistics: Statistics
    description: dict[str, Any]


def prepared(config: Mapping[str, Any], data: Path) -> Prepared:
    """The method of a job's configuration, for a file of data."""
    with storage.read(data, chunks="auto") as dataset:
        statistics = Statistics.of(dataset)
        meaning = describe_fields(dataset, build("basis", config["basis"]))
        config = _with_classes(config, dataset)
    method = models.make_method(config, statistics, config["seed"])
    return Prepared(method, statistics, {"config": config, "data": meaning})


def _with_classes(config: Mapping[str, Any], dataset: xr.Dataset) -> dict[str, Any]:
    """The blocks of a configuration with the classes of the data, where a model is told them."""
    condition = build("condition", config["condition"]) if "condition" in config else None
    if condition is None or not condition.of_classes:
        return {**config}
    known = condition.of(condition.label, of_split(dataset, condition.label, "train"))
    labels = Labels(known.label, known.classes, known.shares)
    labels.numbers(dataset[known.label].values)  # now, and not when the loss of test data is wanted
    return {**config, "condition": described(known)}


def measure(job: Job, *, data: Path, weights: Path, sidecar: Path) -> None:
    """Write the model of a method that has nothing to train but the statistics of the data."""
    config = job["config"]
    method, statistics, about = prepared(config, data)
    if not method.prepared:
        method.prepare(normalised_split(data, "train", method.labels))
    known = {"parameters": 0, "training_seconds": 0.0}
    description = {**about, **Provenance.of_job(job).attributes(), **known}
    models.save(method, statistics, description, weights=weights, sidecar=sidecar)
