"""Train classifiers of a data set, in whose features samples are compared with data."""

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fsdiff.data import storage
from fsdiff.data.labels import of_split
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.jobs.devices import chosen_device
from fsdiff.metrics.classifiers import BLOCK, Classifiers, masks
from fsdiff.networks.classifier import Classifier
from fsdiff.spaces.basis import Basis
from fsdiff.stages.files import split
from fsdiff.stages.job import Job
from fsdiff.stages.judge import Judge
from fsdiff.training.classifier import ClassifierOptions, train_classifier

logger = logging.getLogger(__name__)


def classify(job: Job, *, data: Path, output: Path) -> None:
    """Train classifiers on the training split, as metrics see it, and try them on the test split.

    Classes are the values that the coordinate ``label`` of the data has in the training split.
    ValueError where these are fewer than two.
    """
    config, device = job["config"], chosen_device("metrics")
    options = ClassifierOptions(**config["classifier"])
    with storage.read(data, chunks="auto") as dataset:
        judge = Judge.of({**config, "metrics": {}}, dataset, device)
        below = threshold(judge.statistics, options)
        fields, tried = (
            masks(judge.normalise(split(dataset, name)).to(device), below)
            for name in ("train", "test")
        )
        known, shown = (of_split(dataset, config["label"], name) for name in ("train", "test"))
    classes, labels = np.unique(known, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"all training samples have {config['label']} {classes[0]}: no classes")
    networks = _trained(fields, torch.from_numpy(labels), judge.basis, options)
    right = [network_accuracy(network, tried, classes, shown) for network in networks]
    logger.info("accuracy on test data: %s", ", ".join(f"{share:.2%}" for share in right))
    classifiers = Classifiers(networks, tuple(fields.shape[1:]), float(np.mean(right)), below)
    classifiers.write(output, Provenance.of_job(job).attributes())


def threshold(statistics: Statistics, options: ClassifierOptions) -> tuple[float, ...] | None:
    """The value below which masks are one, as normalised fields have it in each channel."""
    if options.mask_below is None:
        return None
    return tuple(((options.mask_below - statistics.mean) / statistics.scale).tolist())


def _trained(
    fields: Tensor, labels: Tensor, basis: Basis, options: ClassifierOptions
) -> list[Classifier]:
    axes = [axis.kind for axis in basis.axes]
    return [
        train_classifier(fields, labels, axes, options, number) for number in range(options.count)
    ]


@torch.no_grad()
def network_accuracy(
    network: Classifier, fields: Tensor, classes: np.ndarray, labels: np.ndarray
) -> float:
    """The share of fields whose most probable class, of those in training, is their label."""
    found = torch.cat([network(block).argmax(1) for block in fields.split(BLOCK)])
    return float((classes[found.cpu().numpy()] == labels).mean())
