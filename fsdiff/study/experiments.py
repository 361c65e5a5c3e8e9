"""Blocks of experiments, and whether the parts of one suit each other and their data."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
)

from fsdiff.blocks.explain import Location, Problem, refuse, suggest
from fsdiff.blocks.types import Block, BlockOf, PartBlock, PartOf
from fsdiff.characters import Line
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.ends import check_start_of_classes, check_start_of_observed
from fsdiff.parts import find, kinds
from fsdiff.study.datasets import Dataset
from fsdiff.study.evaluation import takes_all, too_few, unfit
from fsdiff.study.fields import (
    Count,
    Name,
    Nodes,
    Seed,
    consecutive,
    distinct,
    too_many_shards,
)
from fsdiff.study.ranges import too_many_priors, unusable_prior, unusable_process
from fsdiff.study.sizes import (
    MEMORY,
    field_bytes,
    shown_bytes,
    unaffordable_batch,
    unaffordable_network,
)
from fsdiff.training.augmentation import check_augmentation
from fsdiff.training.options import Level, TrainingOptions, out_of_order


def _levels_increase(levels: tuple[PartBlock, ...]) -> tuple[PartBlock, ...]:
    found = out_of_order([level.resolution for level in levels])
    refuse(((number, "resolution"), problem) for number, problem in found)
    return levels


Resolutions = Annotated[tuple[Nodes, ...], Field(min_length=1), AfterValidator(distinct)]


class Samples(Block):
    """The samples that are drawn from each trained model."""

    count: Count
    """How many, at most half the test samples of the data set.

    More if a metric trains on samples, such as train_on_synthetic; all others look at so many.
    """
    resolutions: Resolutions
    """Nodes per axis."""
    batch_size: Count = 16
    """How many are drawn at a time: a matter of memory. On processors a multiple of 16 is best."""
    shards: Count = 1
    """In how many jobs those of one grid are drawn; changes nothing in them."""

    def shard_ranges(self) -> tuple[tuple[int, int], ...]:
        """First and last (inclusive) sample of each shard."""
        return consecutive(self.count, self.shards)


EVALUATIONS = 10_000
"""The most evaluations during one training."""


class Trajectory(Block):
    """Samples during training, drawn with the weights after every few epochs."""

    every: Count
    """Epochs of the finest level from one evaluation to the next."""
    resolutions: Resolutions | None = None
    """Nodes per axis, of those of the samples at which there are data; all of these if absent."""
    count: Count | None = None
    """How many of the samples, the first ones; all if absent."""


DEFAULT_METHOD = "diffusion"

ABSENT: Any = Field(None, validate_default=False)
"""For blocks that some methods have not."""


class Experiment(Block):
    """One model of one data set, trained coarse to fine, and the samples drawn from it."""

    title: Annotated[Line, Field(min_length=1)] | None = None
    """What figures and tables call it; its name if absent."""
    dataset: Name
    """A name under ``datasets``."""
    method: Annotated[PartBlock, PartOf("method")] = Field(
        {"kind": DEFAULT_METHOD}, validate_default=True
    )
    """What is trained, and what samples are drawn from; some methods lack blocks below."""
    prior: Annotated[PartBlock, PartOf("prior")] = ABSENT
    """The Gaussian measure that noise is drawn from."""
    process: Annotated[PartBlock, PartOf("process")] = ABSENT
    """How data turn into noise."""
    prediction: Annotated[PartBlock, PartOf("prediction")] = ABSENT
    """What the network's output means."""
    network: Annotated[PartBlock, PartOf("network")] = ABSENT
    """The neural operator."""
    condition: Annotated[PartBlock, PartOf("condition")] = ABSENT
    """What the network is told of functions, data or their class; none if absent."""
    time_sampling: Annotated[PartBlock, PartOf("time_sampling")] = Field(
        {"kind": "spectral"}, validate_default=True
    )
    """Which times the network is trained at."""
    training: Annotated[PartBlock, BlockOf(TrainingOptions)] = Field({}, validate_default=True)
    """Options of training that all levels share."""
    levels: Annotated[
        tuple[Annotated[PartBlock, BlockOf(Level)], ...],
        Field(min_length=1),
        AfterValidator(_levels_increase),
    ] = ABSENT
    """Levels of training, coarse to fine, each started from the one before."""
    sampler: Annotated[PartBlock, PartOf("sampler")] = ABSENT
    """How noise is turned into data."""
    samples: Samples
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(distinct)] = (0,)
    """One model is trained for each seed."""
    trajectory: Trajectory | None = None
    """Evaluations during training, none if absent."""

    @property
    def trained(self) -> bool:
        """Whether its method trains anything, level by level."""
        return self.levels is not None

    def blocks(self, *names: str) -> dict[str, Any]:
        """Those of the blocks of these names that its method has, as JSON has them."""
        found = {name: getattr(self, name) for name in names}
        return {name: block.plain() for name, block in found.items() if block is not None}

    @field_validator("dataset")
    @classmethod
    def _check_dataset(cls, name: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("names", [name])
        if name not in known:
            raise ValueError(f"no such data set; known: {suggest(known, name)}")
        return name

    @field_validator("method")
    @classmethod
    def _check_method(cls, method: PartBlock, info: ValidationInfo) -> PartBlock:
        dataset = _dataset_of(info)
        if dataset and dataset.source.part.mask is not None and method.described.everywhere:
            message = f"{method.kind} is for fields that have values at all nodes; use diffusion"
            refuse([(("kind",), message)])
        return method

    @field_validator("prior")
    @classmethod
    def _check_prior(cls, prior: PartBlock, info: ValidationInfo) -> PartBlock:
        dataset = _dataset_of(info)
        if dataset:
            prior.part.check(len(dataset.source.part.basis.refined_axes))
            basis, coarsest = dataset.source.part.basis, dataset.resolutions[0]
            refuse(too_many_priors(prior.part, dataset.source.part.values))
            refuse(unusable_prior(prior.part, basis, coarsest))
        return prior

    @field_validator("process")
    @classmethod
    def _check_scales(cls, process: PartBlock, info: ValidationInfo) -> PartBlock:
        dataset = _dataset_of(info)
        if dataset:
            basis, finest = dataset.source.part.basis, dataset.resolutions[-1]
            refuse(unusable_process(process.part, basis, finest))
        return process

    @field_validator("prediction", "time_sampling", "sampler")
    @classmethod
    def _check_process(cls, block: PartBlock, info: ValidationInfo) -> PartBlock:
        process = info.data.get("process")
        if process:
            block.part.check(process.part)
        return block

    @field_validator("network")
    @classmethod
    def _check_network(cls, network: PartBlock, info: ValidationInfo) -> PartBlock:
        dataset = _dataset_of(info)
        if dataset:
            axes = dataset.source.part.basis.axis_kinds
            wrong = network.described.check(axes, **network.settings)
            refuse(((name,), problem) for name, problem in wrong)
            refuse(unaffordable_network(network, dataset.source.part.values, axes))
            coarsest = dataset.resolutions[0]
            refuse(unfit_for_network(network, dataset, coarsest, "the coarsest data", ("modes",)))
        return network

    @field_validator("condition")
    @classmethod
    def _check_condition(cls, condition: PartBlock, info: ValidationInfo) -> PartBlock:
        dataset, method = _dataset_of(info), info.data.get("method")
        if method:
            method.described.check_condition(condition.part)
        if dataset:
            if not condition.part.of_classes:
                refuse(_unobservable(condition, dataset))
            source = dataset.source.part
            if "prediction" in info.data:
                prediction = info.data["prediction"]
                condition.part.check_prediction(prediction and prediction.part)
            dataset.told(condition.part).check(
                dataset.basis,
                source.values,
                transformed=bool(dataset.transforms),
            )
        return condition

    @field_validator("training")
    @classmethod
    def _check_training(cls, training: PartBlock, info: ValidationInfo) -> PartBlock:
        for what, name in (("networks", "network"), ("methods", "method")):
            block = info.data.get(name)
            if block and not block.described.autocast and training.precision != "float32":
                message = f"{what} of kind {block.kind} need precision: float32"
                refuse([(("precision",), message)])
        dataset = _dataset_of(info)
        if dataset:
            bases = dataset.basis.by_channel(dataset.source.part.values)
            transformed = bool(dataset.transforms)
            check_augmentation(training.augmentation, bases, transformed=transformed)
            refuse(_without_data(training.validate_at, info, ("validate_at",)))
        masked = dataset and getattr(dataset.source.part, "gaps", "refuse") == "mask"
        if masked and training.augmentation != "none":
            message = "symmetries move nodes without values, which gaps: mask leaves out; use none"
            refuse([(("augmentation",), message)])
        return training

    @field_validator("levels")
    @classmethod
    def _check_levels(
        cls, levels: tuple[PartBlock, ...], info: ValidationInfo
    ) -> tuple[PartBlock, ...]:
        dataset = _dataset_of(info)
        if dataset:
            resolutions = [level.resolution for level in levels]
            refuse(_without_data(resolutions, info, (), ("resolution",)))
            for i, level in enumerate(levels):
                at, condition = (i, "resolution"), info.data.get("condition")
                refuse(unfit_for_condition(condition, dataset, level.resolution, at))
                refuse(_unfit_for_method(info.data.get("method"), dataset, level.resolution, at))
            refuse(_unaffordable_levels(levels, info.data.get("network"), dataset))
            refuse(_idle_processes(levels, dataset, info))
        return levels

    @field_validator("sampler")
    @classmethod
    def _check_sampler(cls, sampler: PartBlock, info: ValidationInfo) -> PartBlock:
        dataset, network = _dataset_of(info), info.data.get("network")
        condition, process = info.data.get("condition"), info.data.get("process")
        if dataset:
            refuse(unfit_for_sampler(sampler, network, condition, dataset))
        if process and condition and condition.part.of_classes:
            check_start_of_classes(sampler.part, process.part)
        elif process and condition:
            check_start_of_observed(process.part)
        return sampler

    @field_validator("samples")
    @classmethod
    def _check_samples(cls, samples: Samples, info: ValidationInfo) -> Samples:
        dataset, network = _dataset_of(info), info.data.get("network")
        problems: list[Problem] = [*_too_few(samples.count, info)]
        if problem := too_many_shards(samples.shards, samples.count, "samples"):
            problems.append((("shards",), problem))
        if dataset and samples.count > dataset.split.test // 2 and not takes_all(info):
            split = f"datasets.{info.data['dataset']}.split.test"
            message = (
                f"half of the {dataset.split.test} test samples are the reference; use count <= "
                f"{dataset.split.test // 2} or {split} >= {2 * samples.count}"
            )
            problems.append((("count",), message))
        if dataset:
            problems += _undrawable(samples, network, info.data.get("method"), dataset)
        refuse(problems)
        if dataset and info.data.get("process") and info.data.get("sampler"):
            process, sampler = info.data["process"].part, info.data["sampler"].part
            refuse(useless_steps(process, sampler, dataset, samples.resolutions))
        if dataset:
            refuse(_unfit_grids(info, samples, dataset))
        return samples

    @field_validator("trajectory")
    @classmethod
    def _check_trajectory(
        cls, trajectory: Trajectory | None, info: ValidationInfo
    ) -> Trajectory | None:
        dataset = _dataset_of(info)
        known = all(info.data.get(name) for name in ("levels", "samples", "training"))
        if trajectory and dataset and known:
            finest, validate_every = info.data["levels"][-1], info.data["training"].validate_every
            refuse(_too_rare(trajectory, finest.epochs, finest.patience, validate_every))
            refuse(_impossible(trajectory, info.data["samples"], dataset))
            refuse(_too_few(trajectory.count or info.data["samples"].count, info))
        return trajectory


@cache
def experiment_type(method: str | None) -> type[Experiment]:
    """Experiments of a method: what it needs is required, what it has no use for is refused."""
    if method is None:
        return Experiment
    described = find("method", method)

    def refused(_: Any) -> None:
        raise ValueError(f"experiments of method {method} have no such block; leave it out")

    unused = (Annotated[Any, BeforeValidator(refused)], ABSENT)
    fields: dict[str, Any] = {
        name: (Experiment.__annotations__[name], ...) for name in described.needs
    }
    fields |= dict.fromkeys(blocks_without(method), unused)
    return create_model("Experiment", __base__=Experiment, **fields)


def blocks_without(method: str | None) -> set[str]:
    """The blocks of experiments that some method has and this one has not."""
    if method is None:
        return set()
    methods = {kind: find("method", kind) for kind in kinds("method")}
    used = {kind: {*described.needs, *described.takes} for kind, described in methods.items()}
    return set().union(*used.values()) - used[method]


def _dataset_of(info: ValidationInfo) -> Dataset | None:
    """The data set of an experiment that is being validated, if it is known and valid."""
    datasets = (info.context or {}).get("datasets", {})
    return datasets.get(info.data.get("dataset"))


def _unobservable(condition: PartBlock, dataset: Dataset) -> Iterator[Problem]:
    """What of a condition cannot be seen of the data."""
    source = dataset.source.part
    try:
        operator = dataset.own(condition.part.operator)
        operator.check(dataset.basis, source.values)
        operator.deviations(dataset.basis, source.values)
    except ValueError as error:
        yield ("operator",), str(error)


def _without_data(
    resolutions: Sequence[int], info: ValidationInfo, before: Location, after: Location = ()
) -> Iterator[Problem]:
    """Resolutions that the data set of an experiment has not, with the places of these entries."""
    dataset = _dataset_of(info)
    for i, n in enumerate(resolutions):
        if dataset and n not in dataset.resolutions:
            known = ", ".join(map(str, dataset.resolutions))
            message = f"not a resolution of datasets.{info.data['dataset']}, which has {known}"
            yield (*before, i, *after), message


def _idle_processes(
    levels: tuple[PartBlock, ...], dataset: Dataset, info: ValidationInfo
) -> Iterator[Problem]:
    """Batches that cannot be divided among the processes that train together."""
    processes = (info.context or {}).get("processes", 1)
    for i, level in enumerate(levels):
        if (batch := min(level.batch_size, dataset.split.train)) < processes:
            message = (
                f"batches of {batch} samples cannot be divided among parallel.processes = "
                f"{processes}; use batch_size and split.train >= {processes}"
            )
            yield (i,), message


def _too_few(count: int, info: ValidationInfo) -> Iterator[Problem]:
    """Metrics that need more samples than there will be."""
    if wanted := too_few(count, info):
        metric, least = wanted
        yield ("count",), f"{metric} needs at least {least} fields; use count >= {least}"


def _unfit_grids(info: ValidationInfo, samples: Samples, dataset: Dataset) -> Iterator[Problem]:
    """Resolutions on which metrics cannot compare samples with the data that there are."""
    for i, n in enumerate(samples.resolutions):
        if n in dataset.resolutions:
            for problem in unfit(dataset.source.part, n, info):
                yield ("resolutions", i), problem


def _unaffordable_levels(
    levels: tuple[PartBlock, ...], network: PartBlock | None, dataset: Dataset
) -> Iterator[Problem]:
    """Batches of training that no memory would hold."""
    if network is None:
        return
    for i, level in enumerate(levels):
        if problem := unaffordable_batch(network, dataset, level.resolution, level.batch_size):
            yield (i, "batch_size"), problem


def _undrawable(
    samples: Samples, network: PartBlock | None, method: PartBlock | None, dataset: Dataset
) -> Iterator[Problem]:
    """Resolutions at which a model has no samples, and samples that no memory would hold."""
    missing = False
    for i, n in enumerate(samples.resolutions):
        at = ("resolutions", i)
        if problem := without_grid(dataset, n):
            missing = True
            yield at, problem
            continue
        if network:
            yield from unfit_for_network(network, dataset, n, "this resolution", at)
        if method:
            yield from _undrawn_by_method(method, dataset, n, at)
    if network and not missing:
        yield from _unaffordable_samples(samples, network, dataset)


def _undrawn_by_method(
    method: PartBlock, dataset: Dataset, n: int, at: tuple[str | int, ...]
) -> Iterator[Problem]:
    """What a method has against samples of level n."""
    try:
        method.described.check_samples(dataset.basis, n, **method.settings)
    except ValueError as error:
        yield at, str(error)


def without_grid(dataset: Dataset, n: int) -> str | None:
    """Why functions of the data have no level n, such as curves at other points; or None."""
    try:
        dataset.basis.grid(n)
    except ValueError as error:
        return str(error)
    return None


def _unaffordable_samples(
    samples: Samples, network: PartBlock, dataset: Dataset
) -> Iterator[Problem]:
    """Batches of samples, and all samples of one grid, that no memory would hold."""
    finest, size = max(samples.resolutions), min(samples.batch_size, samples.count)
    if problem := unaffordable_batch(network, dataset, finest, size):
        yield ("batch_size",), problem
    if (needed := samples.count * field_bytes(dataset, finest)) > MEMORY:
        yield ("count",), f"they take {shown_bytes(needed)} of memory on {finest} nodes; use fewer"


def useless_steps(
    process: GaussianPath, sampler: Sampler, dataset: Dataset, resolutions: Sequence[int]
) -> Iterator[Problem]:
    """Resolutions on which a sampler's steps would not do what they should."""
    for i, n in enumerate(resolutions):
        try:
            sampler.check_grid(process, dataset.source.part.basis, n)
        except ValueError as error:
            yield ("resolutions", i), str(error)


def _too_rare(
    trajectory: Trajectory, epochs: int, patience: int | None, validate_every: int
) -> Iterator[Problem]:
    """Trajectories are of epochs that there are, however soon the finest level ends."""
    if trajectory.every > epochs:
        yield ("every",), f"the finest level has {epochs} epochs; use every <= {epochs}"
    elif patience and trajectory.every > (first := patience * validate_every):
        yield ("every",), f"the finest level may end after {first} epochs; use every <= {first}"
    elif (times := epochs // trajectory.every) > EVALUATIONS:
        least = -(-epochs // EVALUATIONS)
        yield ("every",), f"{times} evaluations, each with weights of its own; use every >= {least}"


def _impossible(trajectory: Trajectory, samples: Samples, dataset: Dataset) -> Iterator[Problem]:
    """Samples on the way are among those drawn at the end, with data to compare them with."""
    if trajectory.count and trajectory.count > samples.count:
        yield ("count",), f"{samples.count} samples are drawn; use count <= {samples.count}"
    known = [n for n in samples.resolutions if n in dataset.resolutions]
    for i, n in enumerate(trajectory.resolutions or ()):
        if n not in known:
            at = ", ".join(map(str, known))
            yield ("resolutions", i), f"samples are compared with data at {at} only"


def unfit_for_sampler(
    sampler: PartBlock, network: PartBlock | None, condition: PartBlock | None, dataset: Dataset
) -> Iterator[Problem]:
    """What a model has against the coarsest grid of a sampler that begins on one."""
    coarsest, at = getattr(sampler, "coarsest", None), ("coarsest",)
    if coarsest is None:
        return
    if problem := without_grid(dataset, coarsest):
        yield at, problem
        return
    if network is not None:
        what = "the coarsest grid of the sampler"
        yield from unfit_for_network(network, dataset, coarsest, what, at)
    yield from unfit_for_condition(condition, dataset, coarsest, at)


def unfit_for_condition(
    condition: PartBlock | None, dataset: Dataset, n: int, at: tuple[str | int, ...]
) -> Iterator[Problem]:
    """What a condition has against fields of level n."""
    try:
        if condition is not None:
            condition.part.check_grid(dataset.basis, n)
    except ValueError as error:
        yield at, str(error)


def _unfit_for_method(
    method: PartBlock | None, dataset: Dataset, n: int, at: tuple[str | int, ...]
) -> Iterator[Problem]:
    """What a method has against training on n nodes."""
    basis = dataset.source.part.basis
    if method:
        for problem in method.described.check_grid(
            basis.axis_kinds, basis.grid(n), **method.settings
        ):
            yield at, problem


def unfit_for_network(
    network: PartBlock, dataset: Dataset, n: int, what: str, at: tuple[str | int, ...]
) -> Iterator[Problem]:
    """What a network has against fields on n nodes."""
    basis = dataset.source.part.basis
    for problem in network.described.check_grid(
        basis.axis_kinds, basis.grid(n), **network.settings
    ):
        yield at, f"{what}, {problem}"
