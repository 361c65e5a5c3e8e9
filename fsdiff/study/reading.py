"""Reading configuration files: merged, validated block by block, every problem told."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from fsdiff.blocks.explain import Explainer, Location
from fsdiff.blocks.types import Block, PartBlock
from fsdiff.characters import lines
from fsdiff.errors import Error
from fsdiff.parts import kinds
from fsdiff.study import strict_yaml
from fsdiff.study.datasets import Dataset
from fsdiff.study.experiments import (
    DEFAULT_METHOD,
    Experiment,
    blocks_without,
    experiment_type,
)
from fsdiff.study.inverse import InverseProblems
from fsdiff.study.schema import AboutTheStudy, AnalysesAlone, SearchesAlone, Shape, json_schema
from fsdiff.study.searches import Search
from fsdiff.study.sizes import unaffordable_study
from fsdiff.study.slices import Configuration
from fsdiff.study.variations import Variation, Varied

BlockType = TypeVar("BlockType", bound=Block)


class ConfigurationError(Error, ValueError):
    """Everything that is wrong with a configuration, one line each in ``problems``."""

    def __init__(self, problems: Iterable[str], source: str = "the configuration") -> None:
        self.problems = tuple(dict.fromkeys(" ".join(lines(problem)) for problem in problems))
        count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        super().__init__("\n  ".join([f"{count} in {source}:", *self.problems]))


def load(*sources: str | Path | Mapping[str, Any], called: str | None = None) -> Configuration:
    """Read and check configuration files, or mappings that were read from some.

    Several are merged as Snakemake merges them: blocks entry by entry, the last one wins; null in
    place of a data set, experiment, metric, search, analysis or claim takes it away. An experiment
    that says what to ``vary`` is one for each combination; an entry with the name of one of these
    is merged into it.
    Experiments take the blocks that they do not have from the top-level block ``defaults``.
    Raises ConfigurationError with all problems, one line each: path = value: what is wrong, what
    is allowed, and what all of it is ``called``, by default the names of files.
    """
    documents = [_moderate(item) if isinstance(item, Mapping) else _read(item) for item in sources]
    names = [str(item) for item in sources if not isinstance(item, Mapping)]
    source = called or " with ".join(names) or "the configuration"
    document, variations = _with_variations(reduce(_merged, documents), source)
    document = _without_removed(document)
    kept = document["experiments"] if variations else {}
    return _check(document, source, [item for item in variations if item.name in kept])


def _read(path: str | Path) -> Any:
    """The document in a file."""
    try:
        return strict_yaml.read(path)
    except OSError as error:
        raise ConfigurationError([f"cannot be read: {error.strerror}"], str(path)) from error
    except ValueError as error:
        raise ConfigurationError([str(error)], str(path)) from error


def _moderate(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document, unless it is larger than one in a file may be."""
    if found := strict_yaml.excess(document, _parts):
        raise ConfigurationError([found[0]])
    return document


def _parts(value: Any) -> Iterable[Any]:
    """What a value of a document consists of."""
    return (
        value.values()
        if isinstance(value, Mapping)
        else value
        if isinstance(value, list | tuple)
        else ()
    )


def _merged(first: Any, last: Any) -> Any:
    """Blocks entry by entry; anything else as the last one has it."""
    if not isinstance(first, Mapping) or not isinstance(last, Mapping):
        return last
    common = {key: _merged(first[key], last[key]) for key in first.keys() & last.keys()}
    return {**first, **last, **common}


NAMED = (
    "datasets",
    "experiments",
    "observations",
    "references",
    "posteriors",
    "searches",
    "claims",
    "analyses",
)
"""Blocks of entries of which a configuration may take away those of another."""

MEASURES = ("metrics", "posterior_metrics")
"""Such blocks below ``evaluation``."""


def _with_variations(raw: Any, source: str) -> tuple[Any, list[Variation]]:
    """The document with the experiments that entries stand for in their place, and these."""
    entries = raw.get("experiments") if isinstance(raw, Mapping) else None
    if not isinstance(entries, Mapping):
        return raw, []
    reader, variations, experiments = _Reader(raw), list[Variation](), dict[str, Any]()
    if "vary" in reader.entries("defaults"):
        reader.problems.append("defaults.vary: say it in each experiment that stands for several")
    for name, entry in entries.items():
        if not isinstance(entry, Mapping) or "vary" not in entry:
            experiments[name] = _merged(experiments[name], entry) if name in experiments else entry
            continue
        about = {key: entry[key] for key in ("vary", "title") if key in entry}
        varied = reader.valid(Varied, about, _below("experiments", name))
        for variation in varied.experiments(name, entry) if varied else ():
            if variation.name in experiments:
                problem = f"there is a {variation.name} already"
                reader.problems.append(f"experiments.{name}: {problem}")
            experiments[variation.name] = variation.block
            variations.append(variation)
    if reader.problems:
        raise ConfigurationError(reader.problems, source)
    return {**raw, "experiments": experiments}, variations


def _without_removed(raw: Any) -> Any:
    """The document without the entries that are null, which stand for none of that name."""
    if not isinstance(raw, Mapping):
        return raw
    kept = _with_entries(raw, NAMED)
    evaluation = raw.get("evaluation")
    if isinstance(evaluation, Mapping):
        kept["evaluation"] = _with_entries(evaluation, MEASURES)
    return kept


def _with_entries(block: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """A block in which those of these keys have no entries that are null."""
    kept = {
        key: {name: entry for name, entry in block[key].items() if entry is not None}
        for key in keys
        if isinstance(block.get(key), Mapping)
    }
    return {**block, **kept}


def _check(raw: Any, source: str, variations: Sequence[Variation] = ()) -> Configuration:
    """The configuration that a document describes."""
    try:
        strict_yaml.check_mapping(raw)
    except ValueError as error:
        raise ConfigurationError([str(error)], source) from error
    reader = _Reader(raw)
    others = Shape.model_fields.keys() - AnalysesAlone.model_fields.keys()
    alone = "analyses" in raw and not raw.keys() & others
    shape = reader.valid(AnalysesAlone if alone else Shape, raw, lambda location: location)
    metrics = shape.evaluation.metrics if isinstance(shape, Shape) else {}
    datasets = reader.datasets({"metrics": metrics})
    names = list(reader.entries("datasets"))
    processes = shape.parallel.processes if isinstance(shape, Shape) else 1
    context = {"datasets": datasets, "names": names, "metrics": metrics, "processes": processes}
    experiments = reader.experiments(context)
    reader.problems += _taken(reader)
    if len(experiments) == len(reader.entries("experiments")):  # what is faulty might be told
        reader.problems += _untold(metrics, experiments)
    if reader.problems:
        raise ConfigurationError(reader.problems, source)
    independent = ("evaluation", "analyses", "dask", "device", "device_of", "parallel")
    checked = {name: getattr(shape, name) for name in independent if name in raw}
    study = Configuration.model_construct(datasets=datasets, experiments=experiments, **checked)
    study = study.with_variations(variations)
    study = _with_inverse_problems(study, reader)
    if raw.get("searches") is not None and not reader.problems:
        study = _with_searches(study, reader, context)
    if reader.problems:
        raise ConfigurationError(reader.problems, source)
    return _with_what_is_about_it(study, reader, source)


TAKEN = {
    "datasets": ("analyses", "searches", "posteriors"),
    "experiments": ("reference", "posteriors"),
}
"""Names that folders of results have beside those of data sets and experiments."""


def _taken(reader: "_Reader") -> Iterator[str]:
    """Names under which files of two things would be one."""
    for key, names in TAKEN.items():
        for name in reader.entries(key).keys() & names:
            yield f"{key}.{name}: a folder of other results has this name; choose another one"
    for name in reader.entries("searches").keys() & reader.entries("experiments").keys():
        yield f"searches.{name}: an experiment has this name; choose another one"


def _untold(
    metrics: Mapping[str, PartBlock], experiments: Mapping[str, Experiment]
) -> Iterator[str]:
    """Metrics of samples with classes, if no experiment has such."""
    conditions = [item.condition for item in experiments.values() if item.condition is not None]
    if not experiments or any(condition.part.of_classes for condition in conditions):
        return
    for name, metric in metrics.items():
        if metric.part.labelled:
            yield (
                f"evaluation.metrics.{name}: it is about samples with classes, and no experiment "
                "is told any; give one condition: {kind: label}, or leave the metric out"
            )


def _with_inverse_problems(study: Configuration, reader: "_Reader") -> Configuration:
    """The study with what is observed and the posteriors given that."""
    keys = InverseProblems.model_fields.keys() & reader.raw.keys()
    block = {key: reader.raw[key] for key in keys if reader.raw[key] is not None}
    read = reader.valid(InverseProblems, block, lambda location: location, {"study": study})
    return (
        study
        if read is None
        else study.model_copy(update={key: getattr(read, key) for key in keys})
    )


def _with_searches(
    study: Configuration, reader: "_Reader", context: Mapping[str, Any]
) -> Configuration:
    """The study with its searches, which vary experiments, and what they consist of."""
    block = {"searches": reader.raw["searches"]}
    known = {"experiments": list(study.experiments), "study": study}
    read = reader.valid(SearchesAlone, block, lambda location: location, known)
    if read is None:
        return study
    candidates = reader.candidates(read.searches, context)
    return study.model_copy(update={"searches": read.searches}).with_candidates(candidates)


def _with_what_is_about_it(study: Configuration, reader: "_Reader", source: str) -> Configuration:
    """The study with the claims and the page about it, which can only be checked now."""
    block = {"claims": reader.raw.get("claims", {}), "page": reader.raw.get("page")}
    about = reader.valid(AboutTheStudy, block, lambda location: location, {"study": study})
    if about is None:
        raise ConfigurationError(reader.problems, source)
    study = study.model_copy(update={"claims": about.claims, "page": about.page})
    if problems := [*unaffordable_study(study)]:
        raise ConfigurationError(problems, source)
    return study


class _Reader:
    """Validates a document block by block and collects the problems."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.problems: list[str] = []

    def entries(self, key: str) -> Mapping[str, Any]:
        """The entries of a top-level block, none where it is absent or not a block."""
        block = self.raw.get(key)
        return block if isinstance(block, Mapping) else {}

    def datasets(self, context: dict[str, Any]) -> dict[str, Dataset]:
        """The data sets that are valid."""
        found = {
            name: self.valid(Dataset, block, _below("datasets", name), context)
            for name, block in self.entries("datasets").items()
        }
        return {name: dataset for name, dataset in found.items() if dataset}

    def experiments(self, context: dict[str, Any]) -> dict[str, Experiment]:
        """The experiments that are valid, with what they take from the defaults."""
        defaults = self.entries("defaults")
        self.valid(Experiment, defaults, _below("defaults"), context, partial=True)
        found = {}
        for name, block in self.entries("experiments").items():
            method: str | None = DEFAULT_METHOD
            if isinstance(block, Mapping):
                method = _method_of({**defaults, **block})
                inherited = defaults.keys() - block.keys() - blocks_without(method)
                place = _below_or_default(name, inherited)
                block = {**{key: defaults[key] for key in defaults if key in inherited}, **block}
            else:
                place = _below("experiments", name)
            found[name] = self.valid(experiment_type(method), block, place, context)
        return {name: experiment for name, experiment in found.items() if experiment}

    def candidates(
        self, searches: Mapping[str, Search], context: Mapping[str, Any]
    ) -> dict[str, Experiment]:
        """The experiments that searches consist of, if they are valid."""
        defaults = self.entries("defaults")
        found: dict[str, Experiment] = {}
        for name, search in searches.items():
            own = self.entries("experiments")[search.experiment]
            unused = blocks_without(_method_of({**defaults, **own})) - own.keys()
            base = {key: value for key, value in {**defaults, **own}.items() if key not in unused}
            for candidate, block in search.candidates(name, base):
                reader = _Reader({"experiments": {candidate: block}})
                place = _below("experiments", candidate)
                kind = experiment_type(_method_of(block))
                if experiment := reader.valid(kind, block, place, context):
                    found[candidate] = experiment
                self.problems += reader.problems
        return found

    def valid(
        self,
        model: type[BlockType],
        block: Any,
        place: Callable[[Location], Location],
        context: Mapping[str, Any] | None = None,
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


def _method_of(block: Mapping[str, Any]) -> str | None:
    """The method that an experiment names, the usual one if none; None where there is no such."""
    method = block.get("method", {"kind": DEFAULT_METHOD})
    kind = method.get("kind") if isinstance(method, Mapping) else None
    return kind if isinstance(kind, str) and kind in kinds("method") else None


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
