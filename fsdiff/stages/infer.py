"""Draw functions given what is observed of them, case by case."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from fsdiff.data import storage
from fsdiff.data.storage import Provenance
from fsdiff.diffusion.samplers.samples import Samples, concatenate
from fsdiff.inverse.guidance.problem import Problem
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.physical import Physical
from fsdiff.jobs.devices import chosen_device
from fsdiff.methods import models
from fsdiff.methods.diffusion import Diffusion
from fsdiff.parts import build
from fsdiff.spaces.axes import shape_text
from fsdiff.spaces.basis import Basis
from fsdiff.stages.files import Job, state_path
from fsdiff.stages.labels import label_draws
from fsdiff.stages.sample import draw_batches, left_over

MOST_DRAWS = 10**6
"""Indices of the draws of a case: those of other cases are different ones."""

Draw = Callable[[range], Samples]
"""Physical draws of some indices, given the data of a case."""


def infer(
    job: Job, *, weights: Path, observation: Path, output: Path, cost: Path, states: Path
) -> None:
    """Draw from the posterior of each case of an observation.

    ``output`` has ``draws`` (case, draw, channel, *axes) and their ``residuals`` (G(u) − y)/σ
    (case, draw, datum), exact data as they are; ``cost`` the network evaluations and seconds that
    they took. An interrupted run leaves finished draws in the folder ``states`` and is continued
    from there.
    """
    config = job["config"]
    model = models.load(weights, chosen_device())
    seen = storage.read_results(observation)
    n, draws, cases = config["resolution"], config["draws"], seen.sizes["case"]
    state = state_path(job, [weights, observation], states, f"infer-{n}")
    drawn = left_over(state, model, n, cases * draws)
    batches = [*within_cases(drawn.count, cases, draws, config["batch_size"])]
    conditional = lru_cache(maxsize=1)(drawing(model, seen, config))

    def sampled(batch: range) -> Samples:
        case, first = divmod(batch.start, draws)
        first += case * MOST_DRAWS
        return conditional(case)(range(first, first + len(batch)))

    draw_batches(drawn, batches, sampled, state, f"draw posteriors at {n}")
    samples = concatenate(drawn.parts)
    fields = samples.fields.unflatten(0, (cases, draws))
    operator: Observation = build("operator", config["operator"])
    dataset = label_draws(fields, model.method.basis, model.description["data"])
    dataset = dataset.assign(residuals=residuals(fields, operator, model.method.basis, seen))
    dataset = dataset.assign_attrs(fsdiff_device=model.device.type)
    made = Provenance.of_job(job)
    title = f"draws given data on {shape_text(fields.shape[3:])} nodes"
    storage.write(dataset, output, title=title, provenance=made)
    described = {"seconds": drawn.seconds, "count": drawn.count}
    storage.write_json(cost, {**samples.cost(model.method.basis), **described, **made.attributes()})
    state.unlink(missing_ok=True)


def within_cases(start: int, cases: int, draws: int, size: int) -> Iterator[range]:
    """Batches of at most ``size`` draws from number ``start`` on, each of one case only."""
    while start < cases * draws:
        end = min(start + size, (start // draws + 1) * draws)
        yield range(start, end)
        start = end


def drawing(
    model: models.Model, seen: xr.Dataset, config: Mapping[str, Any]
) -> Callable[[int], Draw]:
    """What draws fields given the data of a case, by its number."""
    operator, sampler = build("operator", config["operator"]), build("sampler", config["sampler"])
    guidance = build("guidance", config["guidance"])
    n, seed, data = config["resolution"], config["seed"], torch.from_numpy(seen["data"].values)
    assert isinstance(model.method, Diffusion)  # as the configuration was checked
    denoiser = model.method.denoiser.eval()
    physical = Physical(observation=operator, statistics=model.statistics)
    problem = Problem(denoiser.law, physical, config["finest"])

    def of_case(case: int) -> Draw:
        conditional = guidance.conditional(denoiser, problem, data[case], sampler)

        def draw(indices: range) -> Samples:
            samples = conditional(n, indices, seed, device=model.device)
            return samples._replace(fields=model.statistics.denormalise(samples.fields.cpu()))

        return draw

    return of_case


@torch.no_grad()
def residuals(
    draws: Tensor, operator: Observation, basis: Basis, seen: xr.Dataset
) -> tuple[tuple[str, ...], Any, dict[str, str]]:
    """The variable (G(u) − y)/σ of draws (case, draw, channel, *grid); exact data as σ = 1."""
    map = operator.on(basis, draws.shape[2], basis.resolution(draws))
    deviation = torch.from_numpy(seen["deviation"].values)
    deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    data = torch.from_numpy(seen["data"].values)
    misfits = torch.stack([map.forward(u.double()) - y for u, y in zip(draws, data, strict=True)])
    about = {"long_name": "data of the draw less the data, in deviations of the noise"}
    return ("case", "draw", "datum"), (misfits / deviation).numpy(), about
