"""Compare samples, and the three reference rows, with test data."""

from collections.abc import Sequence
from pathlib import Path

import torch
import xarray as xr
from torch import Tensor

from fsdiff.data import storage
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.diffusion import models
from fsdiff.measures.priors.spectral import white_noise
from fsdiff.randomness import generator, normals
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.spectrum import resample_spectrum
from fsdiff.stages.files import Job, fields_of, normalised_split, split
from fsdiff.stages.judge import Judge

SURROGATE_STREAM, WHITE_NOISE_STREAM, FLOOR_STREAM = 21, 22, 23
"""Stream numbers of the two synthetic reference rows, and of the divisions of real data."""

DIVISIONS = 4
"""How often real data are divided for the floor, which is the mean; oftener for fewer fields."""


def evaluate_samples(
    job: Job,
    *,
    samples: Path,
    data: Path,
    weights: Path,
    histories: Sequence[Path],
    cost: Path,
    output: Path,
) -> None:
    """Samples against the first half of the test split, and the model's loss on all of it.

    ``histories`` are the loss curves of all levels that the model was trained on.
    """
    config = job["config"]
    model = models.load(weights)
    with storage.read(data, chunks="auto") as dataset:
        judge, (target, _) = Judge.of(config, dataset), test_halves(dataset)
    row = judge(judge.normalise(fields_of(samples)), judge.normalise(target))
    description, spent = model.description, storage.read_json(cost)
    row |= {
        "loss": model.test_loss(normalised_split(data, "test")),
        **training_of(histories, config["resolution"]),
        "training_seconds": description["training_seconds"],
        "parameters": description["parameters"],
        "network_evaluations": spent["network_evaluations"],
        "fine_evaluations": spent["fine_evaluations"],
        "seconds_per_sample": spent["seconds"] / spent["count"],
    }
    made = Provenance.of_job(job)
    storage.write_json(output, {"rows": [{"row": "model", **row}], **made.attributes()})


def training_of(histories: Sequence[Path], resolution: int) -> dict[str, float]:
    """Losses on validation data at a resolution, and the seconds of training at each.

    ``validation_loss`` is that of the weights that were kept; the others are those of weights
    before the first step and after the last.
    """
    curves = [storage.read_results(path) for path in histories]
    first, last = (curves[i]["validation_loss"].sel(resolution=resolution) for i in (0, -1))
    seconds = {int(item.attrs["level"]): float(item["seconds"][-1]) for item in curves}
    return {
        "validation_loss": float(last.sel(epoch=curves[-1].attrs["best_epoch"])),
        "validation_loss_final": float(last[-1]),
        "validation_loss_initial": float(first[0]),
        **{
            f"training_seconds_at_{n}": seconds.get(n, 0.0)
            for n in curves[0]["resolution"].values.tolist()
        },
    }


def evaluate_references(job: Job, *, data: Path, output: Path) -> None:
    """Real data, Gaussian surrogate and white noise against test data.

    All are as many fields as samples are (``count``), because distances between fewer fields are
    larger: other fields of the test split against one half of it, in the mean over several
    divisions; synthetic ones against its first half, like samples.
    """
    config = job["config"]
    with storage.read(data, chunks="auto") as dataset:
        judge = Judge.of(config, dataset)
        test = judge.normalise(split(dataset, "test"))
    target, _ = _halves(test)
    count, (channels, n) = config["count"], target.shape[1:3]
    synthetic = {
        "surrogate": gaussian_surrogate(judge.statistics, judge.basis, count, n),
        "white_noise": node_noise(channels, count, n),
    }
    table = [{"row": "real", **_floor(judge, test, count)}]
    for name, fields in synthetic.items():
        table.append({"row": name, **judge(fields, target)})
    storage.write_json(output, {"rows": table, **Provenance.of_job(job).attributes()})


def _floor(judge: Judge, test: Tensor, count: int) -> dict[str, float]:
    """Distances of ``count`` test fields from half of the others, the mean over divisions."""
    found = []
    for division in range(DIVISIONS * (len(test) // 2) // count):
        order = torch.from_numpy(generator(0, FLOOR_STREAM, division).permutation(len(test)))
        one, other = _halves(test[order])
        found.append(judge(other[:count], one))
    return {key: sum(row[key] for row in found) / len(found) for key in found[0]}


def test_halves(dataset: xr.Dataset) -> tuple[Tensor, Tensor]:
    """Two disjoint halves of the test split: what samples are compared with, and the rest."""
    return _halves(split(dataset, "test"))


def _halves(fields: Tensor) -> tuple[Tensor, Tensor]:
    """The first half and the second; of an odd number of fields the last one is in neither."""
    half = len(fields) // 2
    return fields[:half], fields[half : 2 * half]


def gaussian_surrogate(statistics: Statistics, basis: Basis, count: int, n: int) -> Tensor:
    """Normalised Gaussian fields with the training set's spectrum, (count, channel, n, n)."""
    channels = len(statistics.mean)
    spectrum = resample_spectrum(statistics.spectrum, basis, statistics.resolution, n)
    white = white_noise(basis, n, range(count), 0, SURROGATE_STREAM, channels=channels)
    return basis.inverse(white * spectrum.sqrt(), n).float()


def node_noise(channels: int, count: int, n: int) -> Tensor:
    """Independent N(0, 1) nodes, (count, channel, n, n): normalised fields without any order."""
    shape = (channels, n, n)
    return torch.from_numpy(normals(0, range(count), shape, WHITE_NOISE_STREAM)).float()
