"""Draw samples of a model on one grid."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, TypeAdapter
from torch import Tensor
from tqdm import tqdm

from fsdiff.data import json_files, storage, tensors
from fsdiff.data.storage import Provenance
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.samples import Samples, concatenate
from fsdiff.errors import Error
from fsdiff.jobs.devices import CPU, chosen_device, named_device
from fsdiff.jobs.failures import DamagedError, StorageError
from fsdiff.jobs.interruption import interruptible
from fsdiff.jobs.states import saved
from fsdiff.jobs.versions import environment, warn_of_changes
from fsdiff.methods import models
from fsdiff.parts import build
from fsdiff.spaces.axes import shape_text
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.masks import Mask
from fsdiff.stages.files import normalised_split, state_path
from fsdiff.stages.job import Job
from fsdiff.stages.labels import label

logger = logging.getLogger(__name__)


class SamplingError(Error, RuntimeError):
    """Samples are unusable; the message says which and what to change."""


def sample(
    job: Job,
    *,
    weights: Path,
    shards: Sequence[Path] = (),
    training: Path | None = None,
    output: Path,
    cost: Path,
    states: Path,
) -> None:
    """Draw samples of a model; ``cost`` gets the network evaluations and seconds they took.

    Where there are ``shards``, in order, they are put together instead, for which no accelerator
    is needed. Samplers that start from training fields are given those of the data set
    ``training``. An interrupted run leaves finished samples in the folder ``states`` and is
    continued from there.
    """
    config = job["config"]
    model = model_of(config, weights, CPU if shards else chosen_device())
    n, count = config["resolution"], config["samples"]["count"]
    state = state_path(job, [weights, *present(training)], states, f"sample-{n}")
    if shards:
        drawn = joined(shards_of(shards, model, n, count))
    else:
        drawn = draw(range(count), model, config, state, training)
    fields, basis = drawn.samples.fields, model.method.basis
    title = f"samples of a model on {shape_text(fields.shape[2:])} nodes"
    dataset = label(fields, basis, model.description["data"], model.statistics.mask)
    if (labels := model.method.labels) is not None:
        dealt = labels.dealt(range(count), config["seed"])
        dataset = dataset.assign_coords(labels.coordinate(dealt))
    dataset = dataset.assign_attrs(fsdiff_device=named_device().type)
    made = Provenance.of_job(job)
    storage.write(dataset, output, title=title, provenance=made)
    json_files.write(cost, {**drawn.cost(basis), **made.attributes()})
    state.unlink(missing_ok=True)


def sample_shard(
    job: Job,
    indices: range,
    *,
    weights: Path,
    training: Path | None = None,
    output: Path,
    states: Path,
) -> None:
    """Draw those of the samples of a job that have these indices, for ``sample`` to gather."""
    config = job["config"]
    model = model_of(config, weights, chosen_device())
    name = f"sample-{config['resolution']}-{indices.start}-{indices[-1]}"
    state = state_path(job, [weights, *present(training)], states, name)
    drawn = draw(indices, model, config, state, training)
    drawn.save(output, Provenance.of_job(job))
    state.unlink(missing_ok=True)


def model_of(config: Mapping[str, Any], weights: Path, device: torch.device) -> models.Model:
    """The model of a job that draws samples, which are of classes as often as the job says."""
    model = models.load(weights, device)
    if model.method.conditions is not None:
        try:
            model.method.conditions.draw_as(build("condition", config["condition"]))
        except ValueError as error:
            raise SamplingError(f"condition: {error}") from error
    return model


@dataclass
class Drawn:
    """Finished samples, in batches, and the seconds that they took."""

    parts: list[Samples] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """How many samples there are."""
        return sum(len(part.fields) for part in self.parts)

    @property
    def samples(self) -> Samples:
        """All of them."""
        return concatenate(self.parts)

    def cost(self, basis: Basis) -> dict[str, Any]:
        """Network evaluations per sample, and the seconds that all samples took."""
        return {**self.samples.cost(basis), "seconds": self.seconds, "count": self.count}

    def save(self, path: Path, made: Provenance | None = None) -> None:
        """Write them to a file from which another process can go on, and what they were made of."""
        samples = self.samples
        about = {
            **(made.attributes() if made else {}),
            "seconds": self.seconds,
            "evaluations": [*map(dict, samples.evaluations)],
            "diagnostics": [*map(dict, samples.diagnostics)],
            "environment": _environment(),
        }
        tensors.write(path, {"fields": samples.fields}, about)

    @classmethod
    def load(cls, path: Path, count: int, shape: tuple[int, ...]) -> "Drawn":
        """Read what ``save`` has written: at most ``count`` fields (channel, *grid) of a shape.

        Raises DamagedError where it is something else.
        """
        held, about = tensors.read(path)
        try:
            seconds = _SECONDS.validate_python(about["seconds"])
            evaluations = _EVALUATIONS.validate_python(about["evaluations"])
            diagnostics = _DIAGNOSTICS.validate_python(about["diagnostics"])
            fields, made_with = held["fields"], _VERSIONS.validate_python(about["environment"])
        except (KeyError, ValueError) as error:
            raise DamagedError(f"{path} holds no samples") from error
        drawn = len(evaluations)
        told = len(diagnostics) in (0, drawn)
        if fields.shape != (drawn, *shape) or not 0 < drawn <= count or not told:
            raise DamagedError(f"{path} holds samples of another job")
        warn_of_changes(path, made_with, _environment())
        return cls([Samples(fields, evaluations, diagnostics)], seconds)


_SECONDS = TypeAdapter(NonNegativeFloat)
_EVALUATIONS = TypeAdapter(list[dict[NonNegativeInt, NonNegativeInt]])
_DIAGNOSTICS = TypeAdapter(list[dict[str, float]])
_VERSIONS = TypeAdapter(dict[str, str])


def _environment() -> dict[str, str]:
    """What the rounding of a sample depends on."""
    return environment(device=named_device().type)


def shards_of(paths: Sequence[Path], model: models.Model, n: int, count: int) -> list[Drawn]:
    """What shards hold: ``count`` samples at level n in all, or StorageError."""
    parts = [Drawn.load(path, count, _shape(model, n)) for path in paths]
    if (found := sum(part.count for part in parts)) != count:
        folder = paths[0].parent
        raise StorageError(
            f"{folder} holds {found} samples, expected {count}; delete it and run again"
        )
    return parts


def joined(parts: Sequence[Drawn]) -> Drawn:
    """The samples of several jobs as those of one, which took as long as all of them."""
    batches = [batch for part in parts for batch in part.parts]
    return Drawn(batches, sum(part.seconds for part in parts))


def left_over(state: Path, model: models.Model, n: int, count: int) -> Drawn:
    """At most ``count`` samples at level n that an interrupted attempt has left."""
    return saved(state, lambda path: Drawn.load(path, count, _shape(model, n))) or Drawn()


def _shape(model: models.Model, n: int) -> tuple[int, ...]:
    return (len(model.statistics.mean), *model.method.basis.grid(n))


def present(path: Path | None) -> list[Path]:
    """A file that a job reads, if it does."""
    return [] if path is None else [path]


def sampler_of(
    config: Mapping[str, Any], training: Path | None, model: models.Model
) -> Sampler | None:
    """The sampler of a job, if its method has one; it knows training fields if it asks for any."""
    if "sampler" not in config:
        return None
    sampler: Sampler = build("sampler", config["sampler"])
    if training is None or not sampler.of_training:
        return sampler
    return sampler.given(normalised_split(training, "train", model.method.labels))


def draw(
    indices: range,
    model: models.Model,
    config: Mapping[str, Any],
    state: Path,
    training: Path | None = None,
) -> Drawn:
    """The samples of these indices, batch by batch, saving what is finished to ``state``.

    What an interrupted attempt has left there is not drawn again.
    """
    sampler = sampler_of(config, training, model)
    n, size = config["resolution"], config["samples"]["batch_size"]
    drawn = left_over(state, model, n, len(indices))

    def sampled(batch: range) -> Samples:
        return model.sample(sampler, n, batch, config["seed"])

    missing = indices[drawn.count :]
    batches = [missing[i : i + size] for i in range(0, len(missing), size)]
    draw_batches(drawn, batches, sampled, state, f"sample at {n}", model.statistics.mask)
    return drawn


def draw_batches(
    drawn: Drawn,
    batches: Sequence[range],
    sampled: Callable[[range], Samples],
    state: Path,
    what: str,
    mask: Mask | None = None,
) -> None:
    """Add ``sampled`` of each batch to what is drawn, saving what is finished to ``state``."""
    count = drawn.count + sum(map(len, batches))
    if drawn.count:
        logger.info("resumed after %d of %d samples from %s", drawn.count, count, state)
    with interruptible(lambda: drawn.save(state)) as work:
        for batch in tqdm(batches, desc=what, unit="batch", disable=None):
            started = time.monotonic()
            samples = sampled(batch)
            check_finite(samples.fields, batch.start, mask)
            drawn.parts.append(samples)
            drawn.seconds += time.monotonic() - started
            work.check(f"sample {drawn.count} of {count}")


def check_finite(fields: Tensor, first: int, mask: Mask | None = None) -> None:
    """Refuse samples that are not finite at a node that has values, naming them."""
    wrong = ~fields.isfinite()
    if mask is not None:
        wrong &= mask.at(mask.basis.resolution(fields))
    bad = wrong.flatten(1).any(1).nonzero().flatten()
    if len(bad):
        names = ", ".join(str(first + int(i)) for i in bad[:10])
        raise SamplingError(
            f"samples {names} are not finite on {shape_text(fields.shape[2:])} nodes: use more "
            "sampler steps, another spacing of times, or train the model further"
        )
