"""Draw functions given what is observed of them, case by case."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fsdiff.data import json_files, storage
from fsdiff.data.storage import Provenance
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.inverse.observations.base import Observation
from fsdiff.jobs.devices import CPU, chosen_device, named_device
from fsdiff.methods import models
from fsdiff.methods.guided import Guided
from fsdiff.parts import build
from fsdiff.spaces.axes import shape_text
from fsdiff.stages.files import state_path
from fsdiff.stages.job import Job
from fsdiff.stages.observed import Observed, labelled
from fsdiff.stages.sample import (
    Drawn,
    draw_batches,
    left_over,
    present,
    sampler_of,
    shards_of,
)

MOST_DRAWS = 10**6
"""Indices of the draws of a case: those of other cases are different ones."""

Draw = Callable[[Sequence[int]], Samples]
"""Physical draws of some indices, given the data of a case."""


def infer(
    job: Job,
    *,
    weights: Path,
    observation: Path,
    shards: Sequence[Path] = (),
    training: Path | None = None,
    output: Path,
    cost: Path,
    states: Path,
) -> None:
    """Draw from the posterior of each case of an observation.

    ``output`` has ``draws`` (case, draw, channel, *axes), their ``residuals`` (G(u) − y)/σ (case,
    draw, datum), and what the sampler tells of each, (case, draw); ``cost`` the network evaluations
    and seconds that they took. Where there are ``shards``, in order, they are put together instead,
    for which no accelerator is needed. Samplers that start from training fields are given those of
    the data set ``training``. An interrupted run leaves finished draws in the folder ``states`` and
    is continued from there.
    """
    config = job["config"]
    model = models.load(weights, CPU if shards else chosen_device())
    basis = model.method.basis
    observed = Observed.read(observation, basis)
    n, draws, cases = config["resolution"], config["draws"], len(observed.samples)
    read = [weights, observation, *present(training)]
    state = state_path(job, read, states, f"infer-{n}")
    if shards:
        drawn = joined_by_case(shards_of(shards, model, n, cases * draws), cases)
    else:
        drawn = draw(range(draws), model, observed, config, state, training)
    fields = drawn.samples.fields.unflatten(0, (cases, draws))
    operator: Observation = build("operator", config["operator"])
    mask = model.statistics.mask
    residuals = [
        observed.residuals(u, case, operator, basis, mask) for case, u in enumerate(fields)
    ]
    dataset = labelled(fields, torch.stack(residuals), observed, basis)
    dataset = dataset.assign(_told(drawn.samples, cases))
    dataset = dataset.assign_attrs(fsdiff_device=named_device().type)
    made = Provenance.of_job(job)
    title = f"draws given data on {shape_text(fields.shape[3:])} nodes"
    storage.write(dataset, output, title=title, provenance=made)
    json_files.write(cost, {**drawn.cost(basis), **made.attributes()})
    state.unlink(missing_ok=True)


def _told(samples: Samples, cases: int) -> dict[str, Any]:
    """What the sampler tells of draws, by name, as variables of a file."""
    names = samples.diagnostics[0] if samples.diagnostics else ()
    return {
        name: (
            ("case", "draw"),
            np.reshape([told[name] for told in samples.diagnostics], (cases, -1)),
            {"units": "1"},
        )
        for name in names
    }


def infer_shard(
    job: Job,
    numbers: range,
    *,
    weights: Path,
    observation: Path,
    training: Path | None = None,
    output: Path,
    states: Path,
) -> None:
    """Draw those of the draws of each case that have these numbers, for ``infer`` to gather."""
    config = job["config"]
    model = models.load(weights, chosen_device())
    observed = Observed.read(observation, model.method.basis)
    name = f"infer-{config['resolution']}-{numbers.start}-{numbers[-1]}"
    state = state_path(job, [weights, observation, *present(training)], states, name)
    drawn = draw(numbers, model, observed, config, state, training)
    drawn.save(output, Provenance.of_job(job))
    state.unlink(missing_ok=True)


def draw(
    numbers: range,
    model: models.Model,
    observed: Observed,
    config: Mapping[str, Any],
    state: Path,
    training: Path | None = None,
) -> Drawn:
    """The draws of these numbers of each case, case by case, saving what is finished to ``state``.

    What an interrupted attempt has left there is not drawn again.
    """
    n, cases, draws = config["resolution"], len(observed.samples), len(numbers)
    drawn = left_over(state, model, n, cases * draws)
    batches = [*within_cases(drawn.count, cases, draws, config["batch_size"])]
    conditional = lru_cache(maxsize=1)(drawing(model, observed, config, training))

    def sampled(batch: range) -> Samples:
        case, first = divmod(batch.start, draws)
        first += numbers.start + case * MOST_DRAWS
        return conditional(case)(range(first, first + len(batch)))

    draw_batches(drawn, batches, sampled, state, f"draw posteriors at {n}", model.statistics.mask)
    return drawn


def joined_by_case(shards: Sequence[Drawn], cases: int) -> Drawn:
    """All draws of one case after another, of shards that have some draws of every case each."""
    seconds = sum(shard.seconds for shard in shards)
    pieces = [_pieces(shard.samples, cases) for shard in shards]
    return Drawn([*chain.from_iterable(zip(*pieces, strict=True))], seconds)


def _pieces(samples: Samples, count: int) -> list[Samples]:
    """Samples in consecutive pieces of one size."""
    size = len(samples.fields) // count
    return [samples.at(range(start, start + size)) for start in range(0, count * size, size)]


def within_cases(start: int, cases: int, draws: int, size: int) -> Iterator[range]:
    """Batches of at most ``size`` draws from number ``start`` on, each of one case only."""
    while start < cases * draws:
        end = min(start + size, (start // draws + 1) * draws)
        yield range(start, end)
        start = end


def drawing(
    model: models.Model,
    observed: Observed,
    config: Mapping[str, Any],
    training: Path | None = None,
) -> Callable[[int], Draw]:
    """What draws fields given the data of a case, by its number: guided, or as it has learned."""
    operator = build("operator", config["operator"])
    sampler = sampler_of(config, training, model)
    if "guidance" not in config:
        return _learned(model, observed, operator, sampler, config)
    assert sampler is not None  # as the configuration was checked
    return _guided(model, observed, operator, sampler, config)


def _guided(
    model: models.Model,
    observed: Observed,
    operator: Observation,
    sampler: Sampler,
    config: Mapping[str, Any],
) -> Callable[[int], Draw]:
    """Draws of a model that knows nothing of data, or has been told them as well, led by them."""
    n, seed = config["resolution"], config["seed"]
    guidance = build("guidance", config["guidance"])
    guided = Guided.of(model, guidance, sampler, operator, config["finest"])

    def of_case(case: int) -> Draw:
        data = observed.data[case]
        told = model.condition(operator, data, n) if config.get("told") else None
        return guided.given(data, n, seed, told)

    return of_case


def _learned(
    model: models.Model,
    observed: Observed,
    operator: Observation,
    sampler: Sampler | None,
    config: Mapping[str, Any],
) -> Callable[[int], Draw]:
    """Draws of a model that has learned what data say."""
    n, seed = config["resolution"], config["seed"]

    def of_case(case: int) -> Draw:
        condition = model.condition(operator, observed.data[case], n)
        return lambda indices: model.sample(sampler, n, indices, seed, condition)

    return of_case
