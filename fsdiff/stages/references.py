"""Compare the three references, real data, Gaussian surrogate and white noise, with test data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fsdiff.data import json_files, storage
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.jobs.devices import chosen_device
from fsdiff.measures.surrogate import gaussian_fields
from fsdiff.randomness import generator, normals
from fsdiff.stages.files import halves, split
from fsdiff.stages.job import Job
from fsdiff.stages.judge import Judge
from fsdiff.streams import Stream

DIVISIONS = 4
"""How often real data are divided for the floor; oftener for fewer fields."""


def evaluate_references(
    job: Job, *, data: Path, output: Path, classifiers: Path | None = None
) -> None:
    """Real data, Gaussian surrogate and white noise against test data.

    All are as many fields as samples are (``count``), or half of the test fields if these are
    fewer, because distances between fewer fields are larger: other fields of the test split against
    one half of it, a row for each of several divisions, because the floor is a mean of deviations;
    synthetic ones against its first half, like samples.
    """
    config = job["config"]
    with storage.read(data, chunks="auto") as dataset:
        judge = Judge.of(config, dataset, chosen_device("metrics"), classifiers)
        statistics = Statistics.of(dataset)
        test, shown = judge.normalise(split(dataset, "test")), judge.shown(dataset)
    target, _ = halves(test)
    count, n = config["count"], judge.basis.resolution(target)
    surrogate = gaussian_fields(statistics.measured(judge.basis), n, range(count), seed=0)
    # It is Gaussian where models are trained, and has no values where the data have none.
    if statistics.transforms is not None or statistics.mask is not None:
        surrogate = judge.normalise(statistics.denormalise(surrogate))
    synthetic = {
        "surrogate": surrogate,
        "white_noise": node_noise(count, target.shape[1:]),
    }
    floor = _floor(judge, test, min(count, len(target)), shown)
    table: list[dict[str, Any]] = [{"row": "real", **row} for row in floor]
    for name, fields in synthetic.items():
        table.append({"row": name, **judge(fields, target)})
    json_files.write(output, {"rows": table, **Provenance.of_job(job).attributes()})


def _floor(
    judge: Judge, test: Tensor, count: int, classes: Tensor | None = None
) -> Iterator[dict[str, float]]:
    """Distances of ``count`` test fields from half of the others, division by division.

    ``classes`` are the numbers of those of all test fields, where a metric asks for them.
    """
    for division in range(DIVISIONS * (len(test) // 2) // count):
        order = torch.from_numpy(generator(0, Stream.FLOOR, division).permutation(len(test)))
        one, other = halves(test[order])
        known = None if classes is None else halves(classes[order])
        pair = (None, None) if known is None else (known[1][:count], known[0])
        yield judge(other[:count], one, pair)


def node_noise(count: int, shape: tuple[int, ...]) -> Tensor:
    """Independent N(0, 1) nodes, (count, *shape): normalised fields without any order."""
    return torch.from_numpy(normals(0, range(count), shape, Stream.WHITE_NOISE)).float()
