"""Compare samples of a model with test data."""

from collections.abc import Sequence
from pathlib import Path

from fsdiff.data import json_files, storage
from fsdiff.data.storage import Provenance
from fsdiff.jobs.devices import chosen_device
from fsdiff.methods import models
from fsdiff.stages.files import frames_as_channels, normalised_split
from fsdiff.stages.job import Job
from fsdiff.stages.judge import Judge


def evaluate_samples(
    job: Job,
    *,
    samples: Path,
    data: Path,
    weights: Path,
    histories: Sequence[Path],
    cost: Path,
    output: Path,
    classifiers: Path | None = None,
) -> None:
    """Samples against the first half of the test split; losses on all of it and in validation.

    ``histories`` are the loss curves of all levels that the model was trained on, ``classifiers``
    those of the data where a metric needs them. A model that is
    not trained has no losses, and no columns of them.
    """
    config = job["config"]
    device = chosen_device("metrics")
    model = models.load(weights, device)
    with storage.read(data, chunks="auto") as dataset:
        judge = Judge.of(config, dataset, device, classifiers)
        target, shown = judge.target(dataset)
    with storage.read(samples) as file:
        drawn, told = frames_as_channels(file["field"]), judge.told(file)
    row = judge(judge.normalise(drawn), target, (told, shown))
    description, spent = model.description, json_files.read(cost)
    if model.method.trains():
        for name, part in (("loss", "test"), ("validation_loss", "validation")):
            if len(fields := normalised_split(data, part, model.method.labels)):
                row[name] = model.test_loss(fields)
        row |= training_of(histories, config["resolution"])
    row |= {
        "training_seconds": description["training_seconds"],
        "parameters": description["parameters"],
        "network_evaluations": spent["network_evaluations"],
        "fine_evaluations": spent["fine_evaluations"],
        "seconds_per_sample": spent["seconds"] / spent["count"],
    }
    made = Provenance.of_job(job)
    json_files.write(output, {"rows": [{"row": "model", **row}], **made.attributes()})


def training_of(histories: Sequence[Path], resolution: int) -> dict[str, float]:
    """Losses on validation data at a resolution, and the seconds of training at each level.

    They are those of weights before the first step and after the last. A level has them at its own
    resolution and where it was asked for them.
    """
    curves = [storage.read_results(path) for path in histories]
    row = {
        f"training_seconds_at_{item.attrs['level']}": float(item["seconds"][-1]) for item in curves
    }
    for name, item, place in (("final", curves[-1], -1), ("initial", curves[0], 0)):
        if resolution in item["resolution"]:
            losses = item["validation_loss"].sel(resolution=resolution)
            row[f"validation_loss_{name}"] = float(losses[place])
    return row
