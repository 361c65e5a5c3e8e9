"""Compare samples, and the three reference rows, with test data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from fsdiff import models, storage
from fsdiff.bases import Basis
from fsdiff.metrics.evaluate import Metric, evaluate
from fsdiff.models import Statistics
from fsdiff.parts import build
from fsdiff.priors.spectral import white_noise
from fsdiff.randomness import normals
from fsdiff.spectrum import resample_spectrum
from fsdiff.stages.files import Job, fields_of, normalised_split, split

SURROGATE_STREAM, WHITE_NOISE_STREAM = 21, 22
"""Stream numbers of the two synthetic reference rows."""


def evaluate_samples(
    job: Job, *, samples: Path, data: Path, weights: Path, cost: Path, output: Path
) -> None:
    """Samples against the first half of the test split, and the model's loss on all of it."""
    config = job["config"]
    model = models.load(weights)
    with storage.read(data) as dataset:
        target, _ = test_halves(dataset)
    row = evaluate(_metrics(config), fields_of(samples), target, model.denoiser.basis)
    description, spent = model.description, storage.read_json(cost)
    row |= {
        "loss": model.test_loss(normalised_split(data, "test")),
        "training_seconds": description["training_seconds"],
        "parameters": description["parameters"],
        "network_evaluations": spent["network_evaluations"],
        "sampling_seconds": spent["seconds"],
    }
    storage.write_json(output, [{"row": "model", **row}])


def evaluate_references(job: Job, *, data: Path, output: Path) -> None:
    """Real data, Gaussian surrogate and white noise against the first half of the test split.

    The real data are the other half; the others are as many.
    """
    config = job["config"]
    basis, metrics = build("basis", config["basis"]), _metrics(config)
    with storage.read(data) as dataset:
        statistics = Statistics.of(dataset)
        target, real = test_halves(dataset)
    count, n = len(real), real.shape[-1]
    rows = {
        "real": real,
        "surrogate": gaussian_surrogate(statistics, basis, count, n),
        "white_noise": node_noise(statistics, count, n),
    }
    table = [
        {"row": name, **evaluate(metrics, fields, target, basis)} for name, fields in rows.items()
    ]
    storage.write_json(output, table)


def test_halves(dataset: xr.Dataset) -> tuple[Tensor, Tensor]:
    """Two disjoint halves of the test split: what is compared with, and the floor."""
    test = split(dataset, "test")
    half = len(test) // 2
    return test[:half], test[half : 2 * half]


def gaussian_surrogate(statistics: Statistics, basis: Basis, count: int, n: int) -> Tensor:
    """Gaussian random fields with the training set's mean and spectrum, (count, channel, n, n)."""
    channels = len(statistics.mean)
    spectrum = resample_spectrum(statistics.spectrum, basis, statistics.resolution, n)
    white = white_noise(basis, n, range(count), 0, SURROGATE_STREAM, channels=channels)
    return statistics.denormalise(basis.inverse(white * spectrum.sqrt(), n)).float()


def node_noise(statistics: Statistics, count: int, n: int) -> Tensor:
    """Independent Gaussian nodes with the training set's pointwise mean and variance."""
    shape = (len(statistics.mean), n, n)
    white = torch.from_numpy(normals(0, range(count), shape, WHITE_NOISE_STREAM))
    return statistics.denormalise(white).float()


def _metrics(config: Mapping[str, Any]) -> dict[str, Metric]:
    return {name: build("metrics", block) for name, block in config["metrics"].items()}
