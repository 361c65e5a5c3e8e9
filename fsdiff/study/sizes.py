"""How much memory, disk and how many jobs a study takes, estimated before any of it is made.

Estimates are low: what is refused here is out of reach, whatever else it needs. Bytes are those of
single precision.
"""

import json
import math
import shutil
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from fsdiff import parts
from fsdiff.blocks.explain import Problem
from fsdiff.blocks.types import PartBlock
from fsdiff.networks.shapes import shapes_alone

if TYPE_CHECKING:
    from fsdiff.study.datasets import Dataset
    from fsdiff.study.slices import Configuration

BYTES = 4
MEMORY = 4 * 10**12
"""Bytes that a job may need: more than all but a few machines have."""
DISK = 10**15
"""Bytes that the results of a study may take."""
JOBS = 200_000
"""Jobs that Snakemake can plan, in an hour or so."""
SIZE = 10_000
"""The largest width, number of layers and the like of a network."""
LENGTH = 20
"""The longest list of a network's widths."""
FEATURES = 12
"""Arrays of features that a network holds at once, about."""
LARGE_DISK, LARGE_JOBS = 10**11, 10_000
"""From which on the size of a study is told."""


def field_bytes(dataset: "Dataset", n: int) -> int:
    """Bytes of one sample at level n."""
    return BYTES * dataset.source.part.values * dataset.source.part.basis.size(n)


def unaffordable_data(dataset: "Dataset") -> Iterator[Problem]:
    """Data that no disk, or no memory of a job, would hold."""
    one = field_bytes(dataset, dataset.source.part.resolution)
    largest = max(("train", "validation", "test"), key=lambda name: getattr(dataset.split, name))
    if (size := disk_of_data(dataset)) > DISK:
        yield ("split", largest), f"the data would take {_beyond(size, DISK, 'disk')}; use fewer"
    if (size := math.ceil(dataset.samples / dataset.shards) * one) > MEMORY:
        needed = math.ceil(dataset.samples * one / MEMORY)
        yield ("shards",), f"each takes {_beyond(size, MEMORY, 'memory')}; use shards >= {needed}"
    judged = dataset.split.test * field_bytes(dataset, dataset.resolutions[-1])
    if judged > MEMORY:
        yield ("split", "test"), f"they take {_beyond(judged, MEMORY, 'memory')}; use fewer"


def memory_of_samples(
    study: "Configuration", experiment: str, n: int, count: int | None = None
) -> int:
    """Bytes of drawing samples, or of putting shards of them together, beyond what any job takes.

    All are held twice while they are written, as many as the study has if ``count`` is absent;
    features of a batch are those of the network's width. Training fields that samples start from
    are held as well.
    """
    run = study.runs[experiment]
    sampler, batch = getattr(run, "sampler", None), run.samples.batch_size
    drawn = 2 * (run.samples.count if count is None else count)
    fields = drawn * field_bytes(study.datasets[run.dataset], n)
    return fields + _memory_of_a_batch(study, experiment, n, batch, sampler)


def memory_of_draws(study: "Configuration", posterior: str, n: int) -> int:
    """The same of draws given data, of all cases."""
    item = study.posteriors[posterior]
    run = study.runs[item.experiment]
    dataset = study.datasets[run.dataset]
    fields = 2 * study.observations[item.observation].count(dataset) * item.draws
    sampler = item.sampler or getattr(run, "sampler", None)
    batch = _memory_of_a_batch(study, item.experiment, n, item.batch_size, sampler)
    return fields * field_bytes(dataset, n) + batch


def memory_of_baselines(study: "Configuration", observation: str, n: int) -> int:
    """Bytes of what needs no model, given the data of all cases, beyond what any job takes.

    Training and validation fields are held as they are read, draws of one kind in double precision,
    twice while they are judged.
    """
    item = study.observations[observation]
    dataset = study.datasets[item.dataset]
    most = max(one.draws for one in study.posteriors.values() if one.observation == observation)
    read = dataset.split.train + dataset.split.validation
    return (read + 4 * item.count(dataset) * most) * field_bytes(dataset, n)


def _memory_of_a_batch(
    study: "Configuration", experiment: str, n: int, size: int, sampler: PartBlock | None
) -> int:
    """Bytes of features of a batch, and of the training fields that its samples start from."""
    run = study.runs[experiment]
    dataset = study.datasets[run.dataset]
    width = max(1, getattr(getattr(run, "network", None), "width", 1))
    features = FEATURES * BYTES * width * size * dataset.source.part.basis.size(n)
    if sampler is None or not sampler.part.of_training:
        return features
    start = dataset.split.train * field_bytes(dataset, study.trained_at(experiment)[-1])
    return features + start


def memory_of_comparison(study: "Configuration", dataset: str, n: int, count: int) -> int:
    """Bytes of comparing so many fields with half of the test data, beyond what any job takes.

    Fields are held as they are read, normalised, together and as a measure works on them; measures
    of pairs hold three numbers in double precision for each. Training fields are held like those of
    the test data where a measure looks at them.
    """
    from fsdiff.metrics.base import OfClasses, OfTraining

    data = study.datasets[dataset]
    metrics = (block.part for block in study.evaluation.metrics.values())
    shown = any(isinstance(metric, OfTraining | OfClasses) for metric in metrics)
    one, fields = field_bytes(data, n), count + data.split.test // 2
    read = data.split.test + (data.split.train if shown else 0)
    return (2 * read + 5 * fields) * one + 3 * 2 * BYTES * fields**2


def memory_of_trajectory(study: "Configuration", experiment: str, n: int) -> int:
    """Bytes of drawing samples during training and of comparing them with data."""
    count = study.drawn_during_training(experiment)
    comparison = memory_of_comparison(study, study.runs[experiment].dataset, n, count)
    return memory_of_samples(study, experiment, n, count) + comparison


def disk_of_data(dataset: "Dataset") -> int:
    """Bytes of a data set's files: the samples, their shards until these are merged, all levels."""
    whole = 2 * field_bytes(dataset, dataset.source.part.resolution)
    return dataset.samples * (whole + sum(field_bytes(dataset, n) for n in dataset.resolutions))


def unaffordable_network(
    network: PartBlock, channels: int, axes: tuple[str, ...]
) -> Iterator[Problem]:
    """Networks whose numbers, or whose weights, are out of reach."""
    problems = [problem for item in network.settings.items() for problem in _too_large(*item)]
    yield from problems
    if problems:
        return
    if not network.described.weights_counted:
        return
    count = parameters(json.dumps(network.plain(), sort_keys=True), channels, axes)
    if count is None or 5 * BYTES * count > MEMORY:  # weights, their mean, gradient, two moments
        number = "countless" if count is None else f"{count:.2g}"
        yield (), f"{number} parameters, more than {shown_bytes(MEMORY)} of memory can train"


def _too_large(name: str, value: Any) -> Iterator[Problem]:
    """Numbers and lists that are out of reach, in a setting or the lists that it is made of."""
    if isinstance(value, int) and value > SIZE:
        yield (name,), f"out of reach; use at most {SIZE}"
    elif isinstance(value, tuple):
        for i, one in enumerate(value):
            yield from (((name, i, *at[1:]), problem) for at, problem in _too_large(name, one))
        if len(value) > LENGTH:
            yield (name,), f"{len(value)} entries; use at most {LENGTH}"


@cache
def parameters(block: str, channels: int, axes: tuple[str, ...]) -> int | None:
    """How many weights a network has, made without memory for them; None where PyTorch gives up."""
    try:
        with shapes_alone():
            network = parts.build("network", json.loads(block), channels, 0, axes)
    except RuntimeError:
        return None
    return sum(weights.numel() for weights in network.parameters())


def unaffordable_batch(network: PartBlock, dataset: "Dataset", n: int, size: int) -> str | None:
    """Why a batch of fields on n nodes is too large for one evaluation of a network; or None."""
    width = max(getattr(network, "width", 1), dataset.source.part.values)
    needed = BYTES * width * size * dataset.source.part.basis.size(n)
    if needed <= MEMORY:
        return None
    return f"its features on {n} nodes take {_beyond(needed, MEMORY, 'memory')}; use fewer"


def unaffordable_study(study: "Configuration") -> Iterator[str]:
    """Problems of the study as a whole."""
    found = jobs(study)
    if (number := sum(found.values())) > JOBS:
        most = max(found, key=found.__getitem__)
        yield f"{most}: {found[most]:,} of {number:,} jobs; Snakemake can plan {JOBS:,}, use fewer"
    if (size := disk(study)) > DISK:
        yield f"the study would take {_beyond(size, DISK, 'disk')}: cut it into several"


def jobs(study: "Configuration") -> dict[str, int]:
    """About how many jobs make a study, by what they are about."""
    data = {
        f"datasets.{name}.shards": item.shards + len(item.resolutions) + 3
        for name, item in study.datasets.items()
    }
    models = {
        f"experiments.{name}.seeds": len(item.seeds)
        * (
            sum(study.trained_as(name, n) == name for n in study.trained_at(name))
            + len(item.samples.resolutions) * item.samples.shards
            + len(study.evaluated(name))
            + len(study.evaluated_during_training(name))
        )
        for name, item in study.runs.items()
    }
    drawn = {
        f"posteriors.{name}.resolutions": len(item.resolutions)
        * (3 + (1 + item.shards) * len(study.runs[item.experiment].seeds))
        for name, item in study.posteriors.items()
    }
    referred = {
        f"references.{name}.resolutions": len(item.resolutions)
        for name, item in study.references.items()
    }
    return {**data, **models, **drawn, **referred, "analyses": 2 * len(study.analyses)}


def disk(study: "Configuration") -> int:
    """About how many bytes the files of a study take: its data, and samples of its models."""
    samples = sum(
        len(item.seeds)
        * item.samples.count
        * sum(field_bytes(study.datasets[item.dataset], n) for n in item.samples.resolutions)
        for item in study.runs.values()
    )
    drawn = [
        (item.observation, item.draws * len(study.runs[item.experiment].seeds), item.resolutions)
        for item in study.posteriors.values()
    ]
    drawn += [
        (item.observation, item.draws, item.resolutions) for item in study.references.values()
    ]
    posteriors = sum(
        study.observations[name].count(study.datasets[study.observations[name].dataset])
        * count
        * field_bytes(study.datasets[study.observations[name].dataset], n)
        for name, count, resolutions in drawn
        for n in resolutions
    )
    return samples + posteriors + sum(map(disk_of_data, study.datasets.values()))


def remarks_on_size(study: "Configuration", folder: str = ".") -> list[str]:
    """What to know before a large study begins: its size, and whether the disk has room for it."""
    size, number = disk(study), sum(jobs(study).values())
    free = shutil.disk_usage(folder).free
    lines = []
    if size > LARGE_DISK or number > LARGE_JOBS:
        lines.append(f"a large study: about {shown_bytes(size)} of disk, {number:,} jobs")
    if size > free:
        lines.append(f"about {shown_bytes(size)} of disk are needed; {shown_bytes(free)} are free")
    return lines


def remarks_on_data(study: "Configuration") -> list[str]:
    """What is remarkable about the sources of data sets, such as axes that were turned."""
    return [
        f"datasets.{name}.source: {remark}"
        for name, dataset in study.datasets.items()
        for remark in dataset.source.part.remarks
    ]


def shown_bytes(size: float) -> str:
    """Bytes in the largest unit that makes a number of them."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} PB" if size < 1e5 else f"{size:.1e} PB"


def _beyond(size: int, limit: int, place: str) -> str:
    return f"{shown_bytes(size)} of {place}, more than {shown_bytes(limit)}"
