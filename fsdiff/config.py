"""The whole configuration as types: checked at once, explained in words, cut into slices.

Blocks of YAML are constructor calls of parts; their fields, defaults and bounds are read from the
parts' own signatures. Only the workflow and people load this module: jobs receive slices of it.

    python -m fsdiff.config check config.yaml
    python -m fsdiff.config --schema workflow/schemas/config.schema.json
"""

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, reduce
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, Strict, ValidationError, ValidationInfo, field_validator

from fsdiff.atomic import atomic
from fsdiff.blocks import Block, PartBlock, block_type, part_type
from fsdiff.claims import Claim, unknown_rows
from fsdiff.explain import Explainer, Location, Problem, refuse, shown, suggest
from fsdiff.storage import canonical_json
from fsdiff.strict_yaml import parse
from fsdiff.training import Level, TrainingOptions

SCHEMA = "https://json-schema.org/draft/2020-12/schema"


class ConfigurationError(ValueError):
    """Everything that is wrong with a configuration, one line each in ``problems``."""

    def __init__(self, problems: Iterable[str], source: str = "the configuration") -> None:
        self.problems = tuple(dict.fromkeys(problems))
        count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        super().__init__("\n  ".join([f"{count} in {source}:", *self.problems]))


# The configuration.


def _increasing(resolutions: tuple[int, ...]) -> tuple[int, ...]:
    if any(a >= b for a, b in pairwise(resolutions)):
        raise ValueError("resolutions must be strictly increasing")
    return resolutions


def _distinct(values: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(values)) < len(values):
        raise ValueError("name each one once")
    return values


def _levels_increase(levels: tuple[PartBlock, ...]) -> tuple[PartBlock, ...]:
    resolutions = [level.resolution for level in levels]
    refuse(
        ((i, "resolution"), f"levels go coarse to fine, but the one before has {before}")
        for i, (before, after) in enumerate(pairwise(resolutions), 1)
        if before >= after
    )
    return levels


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Seed = Annotated[int, Strict(), Field(ge=0)]
Count = Annotated[int, Strict(), Field(gt=0)]
EvenCount = Annotated[int, Strict(), Field(gt=0, multiple_of=2)]


class Split(Block):
    """How many samples are for training, validation and test, in this order of sample index."""

    train: Count
    """Samples that models are trained on and statistics are measured on."""
    validation: Count
    """Samples that choose the best weights of a training run."""
    test: Annotated[int, Strict(), Field(ge=2)]
    """Samples to judge by: half are the reference, half show how far real data are from it."""

    @property
    def total(self) -> int:
        """Number of samples."""
        return self.train + self.validation + self.test


class Dataset(Block):
    """A data set and its hierarchy of resolutions."""

    source: part_type("source")
    """The law that samples are drawn from, or the files that they are read from."""
    seed: Seed = 0
    """Sample i depends on this seed and i only."""
    split: Split
    shards: Count = 1
    """In how many jobs the samples are made; changes nothing in them."""
    downsampling: part_type("downsampling") = Field({"kind": "spectral"})
    """How fields are taken to coarser grids."""
    resolutions: Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(_increasing)]
    """Nodes per axis of the hierarchy, increasing, up to the resolution of the source."""

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: PartBlock) -> PartBlock:
        source.part.check()
        return source

    @field_validator("split")
    @classmethod
    def _check_split(cls, split: Split, info: ValidationInfo) -> Split:
        source = info.data.get("source")
        available = source.part.available if source else None
        if available is not None and split.total > available:
            raise ValueError(
                f"{split.total} samples in all, but the source holds {available}; use "
                f"train + validation + test <= {available}"
            )
        return split

    @field_validator("shards")
    @classmethod
    def _check_shards(cls, shards: int, info: ValidationInfo) -> int:
        split = info.data.get("split")
        if split and shards > split.total:
            raise ValueError(f"there are only {split.total} samples; use shards <= {split.total}")
        return shards

    @field_validator("resolutions")
    @classmethod
    def _check_resolutions(
        cls, resolutions: tuple[int, ...], info: ValidationInfo
    ) -> tuple[int, ...]:
        source, downsampling = info.data.get("source"), info.data.get("downsampling")
        if source:
            refuse(_unreachable(resolutions, source.part, downsampling))
        return resolutions

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.split.total

    @property
    def basis(self) -> dict[str, Any]:
        """The block of the data's basis."""
        return dataclasses.asdict(self.source.part.basis)

    def shard_ranges(self) -> tuple[tuple[int, int], ...]:
        """First and last (inclusive) sample of each shard, as the shards' file names have them."""
        edges = [self.samples * i // self.shards for i in range(self.shards + 1)]
        return tuple((first, after - 1) for first, after in pairwise(edges))


class Samples(Block):
    """The samples that are drawn from each trained model."""

    count: Count
    """How many, at most half the test samples of the data set."""
    resolutions: Annotated[tuple[EvenCount, ...], Field(min_length=1), AfterValidator(_distinct)]
    """Nodes per axis, even numbers."""
    batch_size: Count = 16
    """How many are drawn at a time: a matter of memory."""


class Experiment(Block):
    """One model of one data set, trained coarse to fine, and the samples drawn from it."""

    title: Annotated[str, Field(min_length=1)] | None = None
    """What figures and tables call it; its name if absent."""
    dataset: Name
    """A name under ``datasets``."""
    prior: part_type("prior")
    """The Gaussian measure that noise is drawn from."""
    process: part_type("process")
    """How data turn into noise."""
    prediction: part_type("prediction")
    """What the network's output means."""
    network: part_type("network")
    """The neural operator."""
    time_sampling: part_type("time_sampling") = Field({"kind": "spectral"})
    """Which times the network is trained at."""
    training: block_type(TrainingOptions) = Field({})
    """Options of training that all levels share."""
    levels: Annotated[
        tuple[block_type(Level), ...], Field(min_length=1), AfterValidator(_levels_increase)
    ]
    """Levels of training, coarse to fine, each started from the one before."""
    sampler: part_type("sampler")
    """How noise is turned into data."""
    samples: Samples
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_distinct)] = (0,)
    """One model is trained for each seed."""

    @field_validator("dataset")
    @classmethod
    def _check_dataset(cls, name: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("names", [name])
        if name not in known:
            raise ValueError(f"no such data set; known: {suggest(known, name)}")
        return name

    @field_validator("prior")
    @classmethod
    def _check_prior(cls, prior: PartBlock, info: ValidationInfo) -> PartBlock:
        dataset = _dataset_of(info)
        if dataset:
            prior.part.check(dataset.basis["dimension"])
        return prior

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
            refuse(_unsuitable_network(network, dataset))
            coarsest = dataset.resolutions[0]
            refuse(_unresolved_modes(network, dataset, coarsest, "the coarsest data", ("modes",)))
        return network

    @field_validator("levels")
    @classmethod
    def _check_levels(
        cls, levels: tuple[PartBlock, ...], info: ValidationInfo
    ) -> tuple[PartBlock, ...]:
        dataset = _dataset_of(info)
        if dataset:
            name, known = info.data["dataset"], ", ".join(map(str, dataset.resolutions))
            refuse(
                ((i, "resolution"), f"not a resolution of datasets.{name}, which has {known}")
                for i, level in enumerate(levels)
                if level.resolution not in dataset.resolutions
            )
        return levels

    @field_validator("sampler")
    @classmethod
    def _check_sampler(cls, sampler: PartBlock, info: ValidationInfo) -> PartBlock:
        dataset, network = _dataset_of(info), info.data.get("network")
        coarsest = getattr(sampler, "coarsest", None)
        if dataset and network and coarsest:
            what, at = "the coarsest grid of the sampler", ("coarsest",)
            refuse(_unresolved_modes(network, dataset, coarsest, what, at))
        return sampler

    @field_validator("samples")
    @classmethod
    def _check_samples(cls, samples: Samples, info: ValidationInfo) -> Samples:
        dataset, network = _dataset_of(info), info.data.get("network")
        problems: list[Problem] = []
        if dataset and samples.count > dataset.split.test // 2:
            split = f"datasets.{info.data['dataset']}.split.test"
            message = (
                f"half of the {dataset.split.test} test samples are the reference; use count <= "
                f"{dataset.split.test // 2} or {split} >= {2 * samples.count}"
            )
            problems.append((("count",), message))
        if dataset and network:
            for i, n in enumerate(samples.resolutions):
                at = ("resolutions", i)
                problems += _unresolved_modes(network, dataset, n, "this resolution", at)
        problems += _useless_steps(info, samples)
        refuse(problems)
        return samples


class Evaluation(Block):
    """The metrics that compare samples with test data."""

    metrics: Annotated[dict[Name, part_type("metrics")], Field(min_length=1)]
    """Each metric under a name of one's choice."""


def _reachable_address(address: str) -> str:
    if not re.fullmatch(r"(tcp|tls|ws|wss|ucx)://[^\s/]+:\d+", address):
        raise ValueError("expected protocol://host:port, such as tcp://node12:8786")
    if find_spec("distributed") is None:
        raise ValueError("needs the package distributed: pip install 'fsdiff[cluster]'")
    return address


class Dask(Block):
    """Where data sets are merged, measured and restricted; it changes nothing in them."""

    scheduler: Annotated[str, AfterValidator(_reachable_address)] | None = None
    """Address of a dask scheduler, such as tcp://node12:8786; without one, threads of the job."""


Device = Literal["cpu", "cuda"]


def _figures_of_one_kind(analyses: dict[str, PartBlock]) -> dict[str, PartBlock]:
    kinds: dict[str, str] = {}
    refuse(
        ((name,), f"its figure '{figure}' shows {kinds[figure]}; figures show analyses of one kind")
        for name, item in analyses.items()
        if kinds.setdefault(figure := item.figure or name, item.kind) != item.kind
    )
    return analyses


Analyses = Annotated[
    dict[Name, part_type("analysis")], Field(min_length=1), AfterValidator(_figures_of_one_kind)
]


def _about_the_study(claims: dict[str, PartBlock], info: ValidationInfo) -> dict[str, PartBlock]:
    """Refuse claims about results that the study will not have."""
    evaluated = (info.context or {}).get("evaluated")
    if evaluated is not None:
        unknown = unknown_rows({name: claim.part for name, claim in claims.items()}, evaluated)
        refuse(
            (
                (name,),
                f"no results of {experiment} at {resolution}; {_known(evaluated, experiment)}",
            )
            for name, experiment, resolution in unknown
        )
    return claims


def _known(evaluated: Mapping[str, Sequence[int]], experiment: str) -> str:
    """Which results there are instead."""
    if experiment in evaluated:
        return f"it is compared with data at {', '.join(map(str, evaluated[experiment]))}"
    return f"known experiments: {suggest(evaluated, experiment)}"


Claims = Annotated[dict[Name, block_type(Claim)], AfterValidator(_about_the_study)]


class Configuration(Block):
    """A study: data sets, experiments on them and their evaluation; or analyses; or both.

    Slices are what a rule's code reads, in canonical JSON-able form with defaults filled in; what a
    rule reads from its input files is in the slices of the rules that made these. Parts in slices
    are blocks with ``kind``, ready for ``fsdiff.parts.build`` and ``fsdiff.parts.modules``.
    """

    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)] = Field({})
    """Data sets by name."""
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)] = Field({})
    """Experiments by name; blocks that one does not have are taken from ``defaults``."""
    evaluation: Evaluation = Field(default_factory=lambda: Evaluation.model_construct(metrics={}))
    analyses: Analyses = Field({})
    """Exact experiments by name: they need no data sets and may stand alone."""
    claims: Claims = Field({})
    """What a publication says of such experiments, by name: each is checked, and told in a page."""
    dask: Dask = Dask()
    """No job depends on it: results are the same wherever they are computed."""
    device: Device = "cpu"
    """Where networks are trained and sampled; results that were made elsewhere are kept."""

    def simulate_slice(self, dataset: str) -> dict[str, Any]:
        """{"source": block, "seed": int}: what decides sample i.

        With "content", a digest of the files, where samples are read from files.
        """
        item = self.datasets[dataset]
        content = item.source.part.content
        read = {} if content is None else {"content": content}
        return {"source": item.source.plain(), "seed": item.seed, **read}

    def dataset_slice(self, dataset: str) -> dict[str, Any]:
        """{"simulate": simulate_slice, "split": {"train", "validation", "test"}}.

        The simulation is part of it because shards are temporary files.
        """
        split = self.datasets[dataset].split.plain()
        return {"simulate": self.simulate_slice(dataset), "split": split}

    def hierarchy_slice(self, dataset: str, resolution: int) -> dict[str, Any]:
        """{"basis": block, "downsampling": block, "resolution": int}."""
        item = self.datasets[dataset]
        downsampling = item.downsampling.plain()
        return {"basis": item.basis, "downsampling": downsampling, "resolution": resolution}

    def data_pages_slice(self, dataset: str) -> dict[str, Any]:
        """simulate_slice, for the states that solutions start from, and {"basis": block}."""
        return {**self.simulate_slice(dataset), "basis": self.datasets[dataset].basis}

    def balances_slice(self, dataset: str) -> dict[str, Any]:
        """simulate_slice and {"diagnostics": block}, of the same kind as the source."""
        simulate = self.simulate_slice(dataset)
        return {**simulate, "diagnostics": {"kind": simulate["source"]["kind"]}}

    def train_slice(self, experiment: str, resolution: int, seed: int) -> dict[str, Any]:
        """What decides the weights of one level, given its data and the level before.

        {"basis", "prior", "process", "prediction", "network", "time_sampling", "training",
        "level": blocks, "seed": int}
        """
        item = self.experiments[experiment]
        level = next(level for level in item.levels if level.resolution == resolution)
        return {
            **self._model(experiment),
            "time_sampling": item.time_sampling.plain(),
            "training": item.training.plain(),
            "level": level.plain(),
            "seed": seed,
        }

    def trained_as(self, experiment: str, resolution: int) -> str:
        """The first experiment whose training up to this level is the same, often this one.

        Experiments that differ in what comes after training, such as the sampler, or in further
        levels, share weights by that name.
        """
        return self._owners[experiment, resolution]

    def sample_slice(self, experiment: str, resolution: int, seed: int) -> dict[str, Any]:
        """What decides the samples at one resolution, given the weights.

        {"basis", "prior", "process", "prediction", "network", "sampler": blocks, "samples":
        {"count", "batch_size"}, "resolution": int, "seed": int}
        """
        item = self.experiments[experiment]
        return {
            **self._model(experiment),
            "sampler": item.sampler.plain(),
            "samples": {"count": item.samples.count, "batch_size": item.samples.batch_size},
            "resolution": resolution,
            "seed": seed,
        }

    def evaluate_slice(self, experiment: str, resolution: int, seed: int) -> dict[str, Any]:
        """{"basis": block, "metrics": {name: block}, "resolution": int}; the same for all seeds."""
        return self.reference_slice(self.experiments[experiment].dataset, resolution)

    def reference_slice(self, dataset: str, resolution: int) -> dict[str, Any]:
        """{"basis": block, "metrics": {name: block}, "resolution": int}."""
        metrics = {name: block.plain() for name, block in self.evaluation.metrics.items()}
        basis = self.datasets[dataset].basis
        return {"basis": basis, "metrics": metrics, "resolution": resolution}

    def summary_slice(self) -> dict[str, Any]:
        """{"experiments": {name: {"title": str, "dataset": str}}}."""
        return {
            "experiments": {
                name: {"title": item.title or name, "dataset": item.dataset}
                for name, item in self.experiments.items()
            }
        }

    def reproduction_slice(self) -> dict[str, Any]:
        """{"claims": [block with "name"], "experiments": [what the page says of each]}."""
        claims = [{"name": name, **claim.plain()} for name, claim in self.claims.items()]
        experiments = [
            {
                "name": name,
                "title": item.title or name,
                "dataset": item.dataset,
                "train": self.datasets[item.dataset].split.train,
                "levels": [level.plain() for level in item.levels],
                "sampler": item.sampler.plain(),
                "count": item.samples.count,
                "seeds": list(item.seeds),
            }
            for name, item in self.experiments.items()
        ]
        return {"claims": claims, "experiments": experiments}

    def evaluated(self, experiment: str) -> list[int]:
        """The resolutions of an experiment's samples for which there are data to compare with."""
        item = self.experiments[experiment]
        known = self.datasets[item.dataset].resolutions
        return [n for n in item.samples.resolutions if n in known]

    def analyse_slice(self, analysis: str) -> dict[str, Any]:
        """{"analysis": block}, without what figures call it."""
        block = self.analyses[analysis].plain()
        return {"analysis": {key: block[key] for key in block.keys() - {"title", "figure"}}}

    def drawn_analyses(self) -> dict[str, list[str]]:
        """The analyses in each figure, in the order of the configuration."""
        figures: dict[str, list[str]] = {}
        for name, item in self.analyses.items():
            figures.setdefault(item.figure or name, []).append(name)
        return figures

    @cached_property
    def _owners(self) -> dict[tuple[str, int], str]:
        """For each level of each experiment: the first experiment that trains it so."""
        first: dict[str, str] = {}
        return {
            (name, level.resolution): first.setdefault(
                canonical_json(self._training(name, level.resolution)), name
            )
            for name, item in self.experiments.items()
            for level in item.levels
        }

    def _training(self, experiment: str, finest: int) -> list[Any]:
        """All that decides the weights of a level, but the seed: data set and levels up to it."""
        item = self.experiments[experiment]
        levels = [level.resolution for level in item.levels if level.resolution <= finest]
        return [item.dataset, *(self.train_slice(experiment, n, seed=0) for n in levels)]

    def _model(self, experiment: str) -> dict[str, Any]:
        """The parts that a trained model consists of."""
        item = self.experiments[experiment]
        names = ("prior", "process", "prediction", "network")
        blocks = {name: getattr(item, name).plain() for name in names}
        return {"basis": self.datasets[item.dataset].basis, **blocks}


# Checks between blocks.


def _dataset_of(info: ValidationInfo) -> Dataset | None:
    """The data set of an experiment that is being validated, if it is known and valid."""
    datasets = (info.context or {}).get("datasets", {})
    return datasets.get(info.data.get("dataset"))


def _unreachable(
    resolutions: tuple[int, ...], source: Any, downsampling: PartBlock | None
) -> Iterator[Problem]:
    finest = source.resolution
    for i, resolution in enumerate(resolutions):
        if resolution > finest:
            remedy = f"use resolutions <= {finest}"
            chosen = "resolution" in {item.name for item in dataclasses.fields(source)}
            remedy += " or raise source.resolution" if chosen else ""
            yield (i,), f"finer than the data; {remedy}"
        elif downsampling:
            try:
                downsampling.part.check(finest, resolution)
            except ValueError as error:
                yield (i,), str(error)


def _useless_steps(info: ValidationInfo, samples: Samples) -> Iterator[Problem]:
    """Resolutions on which the sampler's steps would not do what they should."""
    dataset = _dataset_of(info)
    if not dataset or not info.data.keys() >= {"process", "sampler"}:
        return
    process, sampler = info.data["process"].part, info.data["sampler"].part
    for i, n in enumerate(samples.resolutions):
        try:
            sampler.check_grid(process, dataset.source.part.basis, n)
        except ValueError as error:
            yield ("resolutions", i), str(error)


def _unsuitable_network(network: PartBlock, dataset: Dataset) -> Iterator[Problem]:
    """Networks are for fields of one dimension, and one kind comes from a package of its own."""
    dimension = dataset.basis["dimension"]
    if getattr(network, "dimension", dimension) != dimension:
        yield ("dimension",), f"the data's dimension is {dimension}; use dimension: {dimension}"
    if network.kind == "neuralop" and find_spec("neuralop") is None:
        yield ("kind",), "needs the package neuraloperator: pip install 'fsdiff[neuralop]'"


def _unresolved_modes(
    network: PartBlock, dataset: Dataset, n: int, what: str, at: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Networks with a number of modes need grids that resolve these."""
    modes = getattr(network, "modes", 0)
    basis = getattr(network, "basis", dataset.basis["kind"])
    resolved = (n + 1) // 2 if basis == "fourier" else n
    if isinstance(modes, int) and modes > resolved:
        message = (
            f"{what}, {n} nodes, resolves {resolved} {basis} modes and the network has {modes}; "
            f"use modes <= {resolved} or higher resolutions"
        )
        yield at, message


# Reading.


def load(*sources: str | Path | Mapping[str, Any]) -> Configuration:
    """Read and check configuration files, or mappings that were read from some.

    Several are merged as Snakemake merges them: blocks entry by entry, the last one wins.
    Experiments take the blocks that they do not have from the top-level block ``defaults``.
    Raises ConfigurationError with all problems, one line each: path = value: what is wrong, what
    is allowed.
    """
    documents = [item if isinstance(item, Mapping) else _read(item) for item in sources]
    names = [str(item) for item in sources if not isinstance(item, Mapping)]
    return _check(reduce(_merged, documents), " with ".join(names) or "the configuration")


def _read(path: str | Path) -> Any:
    """The document in a file."""
    try:
        return parse(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"cannot be read: {error.strerror}"], str(path)) from error
    except ValueError as error:
        raise ConfigurationError([str(error)], str(path)) from error


def _merged(first: Any, last: Any) -> Any:
    """Blocks entry by entry; anything else as the last one has it."""
    if not isinstance(first, Mapping) or not isinstance(last, Mapping):
        return last
    common = {key: _merged(first[key], last[key]) for key in first.keys() & last.keys()}
    return {**first, **last, **common}


def _check(raw: Any, source: str) -> Configuration:
    """The configuration that a document describes."""
    keys = "datasets, experiments, evaluation; or analyses"
    if not raw:
        raise ConfigurationError([f"empty; expected {keys}"], source)
    if not isinstance(raw, Mapping):
        raise ConfigurationError([f"{shown(raw)}: expected a block with keys {keys}"], source)
    reader = _Reader(raw)
    alone = "analyses" in raw and not raw.keys() & _Shape.model_fields.keys() - {"analyses"}
    shape = reader.valid(_AnalysesAlone if alone else _Shape, raw, lambda location: location)
    datasets = reader.datasets()
    context = {"datasets": datasets, "names": list(reader.entries("datasets"))}
    experiments = reader.experiments(context)
    if reader.problems:
        raise ConfigurationError(reader.problems, source)
    independent = ("evaluation", "analyses", "dask", "device")
    checked = {name: getattr(shape, name) for name in independent if name in raw}
    study = Configuration.model_construct(datasets=datasets, experiments=experiments, **checked)
    return _with_claims(study, reader, source)


def _with_claims(study: Configuration, reader: "_Reader", source: str) -> Configuration:
    """The study with the claims about it, which can only be checked now."""
    evaluated = {name: study.evaluated(name) for name in study.experiments}
    block = {"claims": reader.raw.get("claims", {})}
    claims = reader.valid(_Claims, block, lambda location: location, {"evaluated": evaluated})
    if reader.problems:
        raise ConfigurationError(reader.problems, source)
    return study.model_copy(update={"claims": claims.claims})


class _Shape(Block):
    """The top level alone, so that one bad data set or experiment hides no problem elsewhere."""

    datasets: Annotated[dict[Name, Any], Field(min_length=1)]
    defaults: dict[str, Any] = Field({})
    experiments: Annotated[dict[Name, Any], Field(min_length=1)]
    evaluation: Evaluation
    analyses: Analyses = Field({}, validate_default=False)
    claims: Any = None
    dask: Dask = Dask()
    device: Device = "cpu"


class _Claims(Block):
    """The claims, which are read last: they are about what the rest describes."""

    claims: Claims


class _AnalysesAlone(Block):
    """The top level of a configuration of analyses."""

    analyses: Analyses


BlockType = TypeVar("BlockType", bound=Block)


class _Reader:
    """Validates a document block by block and collects the problems."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.problems: list[str] = []

    def entries(self, key: str) -> Mapping[str, Any]:
        """The entries of a top-level block, none where it is absent or not a block."""
        block = self.raw.get(key)
        return block if isinstance(block, Mapping) else {}

    def datasets(self) -> dict[str, Dataset]:
        """The data sets that are valid."""
        found = {
            name: self.valid(Dataset, block, _below("datasets", name))
            for name, block in self.entries("datasets").items()
        }
        return {name: dataset for name, dataset in found.items() if dataset}

    def experiments(self, context: dict[str, Any]) -> dict[str, Experiment]:
        """The experiments that are valid, with what they take from the defaults."""
        defaults = self.entries("defaults")
        self.valid(Experiment, defaults, _below("defaults"), context, partial=True)
        found = {}
        for name, block in self.entries("experiments").items():
            if isinstance(block, Mapping):
                place = _below_or_default(name, defaults.keys() - block.keys())
                block = {**defaults, **block}
            else:
                place = _below("experiments", name)
            found[name] = self.valid(Experiment, block, place, context)
        return {name: experiment for name, experiment in found.items() if experiment}

    def valid(
        self,
        model: type[BlockType],
        block: Any,
        place: Callable[[Location], Location],
        context: dict[str, Any] | None = None,
        *,
        partial: bool = False,
    ) -> BlockType | None:
        """The validated block, or None when there are problems; ``partial`` blocks lack keys."""
        try:
            return model.model_validate(block, context=context)
        except ValidationError as error:
            explainer = Explainer(json_schema(), self.raw)
            self.problems += explainer.lines(error, place, partial=partial)
            return None


def _below(*start: str) -> Callable[[Location], Location]:
    """Places locations below the given keys."""
    return lambda location: (*start, *location)


def _below_or_default(name: str, inherited: Iterable[str]) -> Callable[[Location], Location]:
    """Places what an experiment takes from the defaults there, and the rest in the experiment."""
    inherited = frozenset(inherited)

    def place(location: Location) -> Location:
        if location[:1] and location[0] in inherited:
            return ("defaults", *location)
        return ("experiments", name, *location)

    return place


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file, for editors."""
    schema = Configuration.model_json_schema()
    experiment = schema["$defs"]["Experiment"]
    experiment.pop("required")  # what is not there may come from the defaults
    defaults = "Blocks for the experiments that do not have them; taken whole, never mixed."
    schema["properties"]["defaults"] = {"$ref": "#/$defs/Experiment", "description": defaults}
    together = [name for name, field in _Shape.model_fields.items() if field.is_required()]
    schema["dependentRequired"] = {name: [n for n in together if n != name] for name in together}
    schema["minProperties"] = 1
    return {"$schema": SCHEMA, "title": "fsdiff configuration"} | schema


def main(arguments: Sequence[str] | None = None) -> int:
    """Check configuration files, merged, or write the schema; 1 where there are problems."""
    parser = argparse.ArgumentParser(prog="python -m fsdiff.config", description=main.__doc__)
    parser.add_argument("--schema", metavar="FILE", help="write the JSON Schema to this file")
    parser.add_argument("command", nargs="?", choices=["check"])
    parser.add_argument("files", nargs="*", help="the configuration to check; the last one wins")
    options = parser.parse_args(arguments)
    if options.schema is None and not options.files:
        parser.error("give 'check FILE' or '--schema FILE'")
    if options.schema is not None:
        with atomic(options.schema) as temporary:
            text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")
    if options.files:
        try:
            load(*options.files)
        except ConfigurationError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
