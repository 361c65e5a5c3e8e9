"""Blocks of inverse problems: what is observed of a data set, and posteriors given that."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator

from fsdiff.blocks.explain import Problem, refuse, suggest
from fsdiff.blocks.types import Block, Flag, PartBlock, PartOf
from fsdiff.characters import Line
from fsdiff.inverse.guidance.base import DenoiserGuidance
from fsdiff.inverse.latent.posterior import law_of, posterior_of
from fsdiff.inverse.observations.base import Elementary, Observation
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.points import Points
from fsdiff.inverse.references.localisation import Located
from fsdiff.jobs.failures import StorageError
from fsdiff.parts import kinds
from fsdiff.study.datasets import Dataset
from fsdiff.study.evaluation import UNLABELLED
from fsdiff.study.experiments import (
    ABSENT,
    Experiment,
    Resolutions,
    unfit_for_condition,
    unfit_for_network,
    unfit_for_sampler,
    useless_steps,
)
from fsdiff.study.fields import Count, Name, Seed, consecutive, too_many_shards
from fsdiff.study.sizes import MEMORY, field_bytes, shown_bytes, unaffordable_batch

if TYPE_CHECKING:
    from fsdiff.data.measurements import Measurements
    from fsdiff.study.study import Study


Named = TypeVar("Named", bound=Block)

MOST_DRAWS = 10**6
"""Of a case; the next case has the noise of the next ones."""


class ObservedCases(Block):
    """Data of some functions of a data set, as instruments would give them."""

    title: Annotated[Line, Field(min_length=1)] | None = None
    """What figures and tables call it; its name if absent."""
    dataset: Name
    """A name under ``datasets``; its finest resolution is what is observed."""
    data: Annotated[str, Field(min_length=1)] | None = None
    """A file of measurements, NetCDF or comma-separated, in the units of the data.

    If absent, data are simulated from the test samples, whose truth is then known.
    """
    operator: Annotated[PartBlock, PartOf("operator")]
    """What is seen of a function, in the units of the data, and how noisy it is."""
    cases: Annotated[Count, Field(le=10_000)] = 1
    """How many functions are observed: the first of the test samples, one posterior for each.

    Of measurements, as many as the file has.
    """
    seed: Seed = 0
    """The noise of a case depends on this seed and its number only."""
    localisation: Annotated[PartBlock, PartOf("localisation")] = ABSENT
    """How the ensemble smoother beside posteriors tells covariances from chance.

    Without it none of them is taken for chance, and with few training fields for the data its
    members become too narrow.
    """

    def observation(self, dataset: Dataset) -> Observation:
        """What the operator stands for, in numbers of channels and places of the box."""
        operator = self.operator.part
        if self.data is not None:
            operator = _at_places(operator, self.measured(dataset).places)
        observation: Observation = dataset.own(operator)
        return observation

    def measured(self, dataset: Dataset) -> "Measurements":
        """What the file of measurements says; StorageError where it cannot be used."""
        from fsdiff.data.measurements import Measurements  # with pandas: few studies have any

        assert self.data is not None  # or data are simulated
        return Measurements.read(Path(self.data), list(dataset.source.part.node_positions))

    def count(self, dataset: Dataset) -> int:
        """How many cases there are."""
        return self.cases if self.data is None else len(self.measured(dataset).data)


def _at_places(operator: Observation, places: np.ndarray | None) -> Observation:
    """The same at the places of measurements, where the operator has none of its own."""
    if isinstance(operator, Channel):
        inner = _at_places(operator.observation, places)
        assert isinstance(inner, Elementary)  # as it was before
        return replace(operator, observation=inner)
    if not isinstance(operator, Points) or operator.points:
        if places is not None:
            raise ValueError(
                "the file of measurements has places, and so has the operator: use kind: points "
                "without points, or leave the places out of the file"
            )
        return operator
    if places is None:
        raise ValueError("points: give some, or measurements with a column for each axis")
    return replace(operator, points=tuple(map(tuple, places.tolist())), measured="data")


class TruePosterior(Block):
    """Draws from the true posterior, for data sets whose law is known: what models should draw."""

    observation: Name
    """A name under ``observations``."""
    reference: Annotated[PartBlock, PartOf("reference")]
    """How they are drawn, which says itself whether that has worked."""
    draws: Annotated[Count, Field(ge=4)] = 1000
    """How many functions are drawn for each case."""
    resolutions: Resolutions
    """Nodes per axis, of those of the data set; finer draws are compared on the finest of these."""
    seed: Seed = 0


class PosteriorDraws(Block):
    """Draws of functions given the data, by a trained model."""

    title: Annotated[Line, Field(min_length=1)] | None = None
    """What figures and tables call it; its name if absent."""
    experiment: Name
    """The experiment whose models are asked."""
    observation: Name
    """A name under ``observations``, of the experiment's data set."""
    guidance: Annotated[PartBlock, PartOf("guidance")] = ABSENT
    """How a model that knows nothing of data is led to agree with them.

    A model with a ``condition`` needs none, as it has learned what data say, and is led as if it
    had not, unless it is ``told``.
    """
    told: Flag = False
    """Whether a model with a condition is told the data and led by them besides.

    For models whose draws lie too far from the data: of one without error it makes them too narrow.
    """
    sampler: Annotated[PartBlock, PartOf("sampler")] = ABSENT
    """How noise is turned into functions; the experiment's sampler if absent."""
    draws: Annotated[Count, Field(ge=2, le=MOST_DRAWS)]
    """How many functions are drawn for each case."""
    resolutions: Resolutions
    """Nodes per axis, of those of the data set."""
    batch_size: Count = 16
    """How many are drawn at a time: a matter of memory. On processors a multiple of 16 is best."""
    shards: Count = 1
    """In how many jobs those of one grid are drawn, some of each case; changes nothing in them."""

    def shard_ranges(self) -> tuple[tuple[int, int], ...]:
        """First and last (inclusive) of the draws of each case that are those of a shard."""
        return consecutive(self.draws, self.shards)


class InverseProblems(Block):
    """What is observed, and the posteriors: blocks about data sets and experiments read before."""

    observations: dict[Name, ObservedCases] = Field({})
    references: dict[Name, TruePosterior] = Field({})
    posteriors: dict[Name, PosteriorDraws] = Field({})

    @field_validator("observations")
    @classmethod
    def _check_observations(
        cls, observations: dict[str, ObservedCases], info: ValidationInfo
    ) -> dict[str, ObservedCases]:
        study = _study(info)
        _refuse_each(observations, lambda item: _unobservable(item, study.datasets))
        return observations

    @field_validator("references")
    @classmethod
    def _check_references(
        cls, references: dict[str, TruePosterior], info: ValidationInfo
    ) -> dict[str, TruePosterior]:
        study, observations = _study(info), info.data.get("observations")
        if observations is not None:
            of_one: dict[str, str] = {}
            refuse(
                ((name, "observation"), f"{first} is its reference already")
                for name, item in references.items()
                if (first := of_one.setdefault(item.observation, name)) != name
            )
            _refuse_each(references, lambda item: _unfit_reference(item, study, observations))
        return references

    @field_validator("posteriors")
    @classmethod
    def _check_posteriors(
        cls, posteriors: dict[str, PosteriorDraws], info: ValidationInfo
    ) -> dict[str, PosteriorDraws]:
        study, observations = _study(info), info.data.get("observations")
        if observations is not None:
            _refuse_each(posteriors, lambda item: _unfit_posterior(item, study, observations))
        return posteriors


def _study(info: ValidationInfo) -> "Study":
    """The study whose data sets and experiments these blocks are about."""
    return (info.context or {})["study"]


def _refuse_each(
    blocks: Mapping[str, Named], problems: Callable[[Named], Iterator[Problem]]
) -> None:
    """Report the problems of blocks by name, if there are any."""
    refuse(
        ((name, *at), problem) for name, block in blocks.items() for at, problem in problems(block)
    )


def _unobservable(item: ObservedCases, datasets: Mapping[str, Dataset]) -> Iterator[Problem]:
    """What of an observation cannot be seen of its data set."""
    if item.dataset not in datasets:
        yield ("dataset",), f"no such data set; known: {suggest(datasets, item.dataset)}"
        return
    dataset = datasets[item.dataset]
    if item.data is not None:
        yield from _unusable_measurements(item, dataset)
        return
    if item.cases > dataset.split.test:
        split = f"datasets.{item.dataset}.split.test"
        yield ("cases",), f"there are {dataset.split.test} test samples; use fewer, or {split} more"
    try:
        _checked_size(item, dataset)
    except ValueError as error:
        yield ("operator",), str(error)
        return
    yield from _too_fine(item, dataset)
    yield from _unlocalised(item, dataset)


def _unlocalised(item: ObservedCases, dataset: Dataset) -> Iterator[Problem]:
    """Localisation by places that data, or members of ensembles, have not."""
    if item.localisation is None:
        return
    source, n, channels = dataset.source.part, max(dataset.resolutions), dataset.source.part.values
    members: Sequence[int] = (channels, *dataset.basis.grid(n))
    if source.kind in kinds("latent"):
        members = law_of(source).prior(source, n).shape
    located = Located.of(item.observation(dataset), dataset.basis, channels, n, members)
    try:
        item.localisation.part.check(located)
    except ValueError as error:
        yield ("localisation",), str(error)


def _checked_size(item: ObservedCases, dataset: Dataset) -> int:
    """How many data a case has; ValueError where there is nothing to observe like this."""
    basis, channels = dataset.basis, dataset.source.part.values
    observation = item.observation(dataset)
    observation.check(basis, channels)
    return len(observation.deviations(basis, channels))


def _unusable_measurements(item: ObservedCases, dataset: Dataset) -> Iterator[Problem]:
    """What of measurements does not fit what is observed."""
    if "cases" in item.model_fields_set:
        yield ("cases",), "measurements say themselves how many there are; leave it out"
    try:
        found = item.measured(dataset).data.shape[1]
    except StorageError as error:
        yield ("data",), str(error)
        return
    try:
        size = _checked_size(item, dataset)
    except ValueError as error:
        yield ("operator",), str(error)
        return
    if found != size:
        kind = item.operator.kind
        yield ("data",), f"{item.data} has {found} data a case, and {kind} observes {size}"
    yield from _too_fine(item, dataset)
    yield from _unlocalised(item, dataset)


def _too_fine(item: ObservedCases, dataset: Dataset) -> Iterator[Problem]:
    """Grids of observations that the data do not resolve."""
    finest = dataset.resolutions[-1]
    for n in _resolutions(item.operator):
        if n > finest:
            known = ", ".join(map(str, dataset.resolutions))
            yield ("operator",), f"resolution {n} is finer than the data, which have {known}"


def _resolutions(operator: PartBlock) -> Iterator[int]:
    """The resolutions of the grids that an operator, or what it is made of, reads data on."""
    if hasattr(operator, "resolution"):
        yield operator.resolution
    inner = getattr(operator, "observation", ())
    for part in inner if isinstance(inner, tuple) else (inner,):
        yield from _resolutions(part)


def _unfit_reference(
    item: TruePosterior, study: "Study", observations: Mapping[str, ObservedCases]
) -> Iterator[Problem]:
    """Why there can be no such reference."""
    if item.observation not in observations:
        known = suggest(observations, item.observation)
        yield ("observation",), f"no such observation; known: {known}"
        return
    observed = observations[item.observation]
    dataset, reference = study.datasets[observed.dataset], item.reference.part
    if unknown := [*_unknown_resolutions(item.resolutions, observed.dataset, dataset)]:
        yield from unknown
        return
    try:
        reference.check(item.draws)
    except ValueError as error:
        yield ("draws",), str(error)
    cases = observed.count(dataset)
    yield from _unaffordable(item.draws, cases, dataset, item.resolutions)
    for at, problem in _too_few(study, observed, observations, item.draws // 2):
        yield at, f"of half against half, {problem}"
    source, operator, n = dataset.source.part, observed.observation(dataset), item.resolutions[0]
    try:
        data = torch.zeros_like(operator.deviations(dataset.basis, source.values))
        reference.check_posterior(posterior_of(source, operator, n, data, reference.likelihood))
    except ValueError as error:
        yield ("reference",), str(error)


def _unaffordable(
    draws: int, cases: int, dataset: Dataset, resolutions: Sequence[int]
) -> Iterator[Problem]:
    """Draws that no memory would hold."""
    finest = max(resolutions)
    if (needed := draws * cases * field_bytes(dataset, finest)) > MEMORY:
        size = f"{shown_bytes(needed)} of memory on {finest} nodes"
        yield ("draws",), f"with {cases} cases they take {size}; use fewer"


def _too_few(
    study: "Study",
    observed: ObservedCases,
    observations: Mapping[str, ObservedCases],
    draws: int,
) -> Iterator[Problem]:
    """Metrics that need more draws, or more cases than any observation has.

    Of measurements no truth is known.
    """
    counts = {id(item): item.count(study.datasets[item.dataset]) for item in observations.values()}
    cases, most = counts[id(observed)], max(counts.values())
    for name, metric in study.evaluation.posterior_metrics.items():
        if observed.data is not None and "truth" in metric.part.needs:
            continue
        if cases < metric.part.at_least_cases <= most:  # it is left out of this one
            continue
        try:
            metric.part.check_counts(cases, draws)
        except ValueError as error:
            yield ("draws",), f"evaluation.posterior_metrics.{name}: {error}"


def _small_prior(
    item: PosteriorDraws, study: "Study", observations: Mapping[str, ObservedCases]
) -> Iterator[Problem]:
    """Metrics that need more training fields, which are the prior that posteriors stand beside."""
    observed = observations[item.observation]
    train = study.datasets[observed.dataset].split.train
    for _, problem in _too_few(study, observed, observations, min(train, item.draws)):
        yield (
            ("observation",),
            f"the prior beside its posteriors is {train} training fields, and {problem}; use "
            f"datasets.{observed.dataset}.split.train more, or leave the metric out",
        )


def _unlabelled(study: "Study") -> Iterator[Problem]:
    """Metrics that ask classifiers, if no data have labels; where some have, it is about these."""
    if any(dataset.source.part.label for dataset in study.datasets.values()):
        return
    for name, metric in study.evaluation.posterior_metrics.items():
        if metric.part.classified:
            yield ("observation",), f"evaluation.posterior_metrics.{name} {UNLABELLED}"


def _unknown_resolutions(
    resolutions: Sequence[int], name: str, dataset: Dataset
) -> Iterator[Problem]:
    """Resolutions at which there is no truth to compare with."""
    known = ", ".join(map(str, dataset.resolutions))
    for i, n in enumerate(resolutions):
        if n not in dataset.resolutions:
            yield ("resolutions", i), f"no data to compare with; datasets.{name} has {known}"


def _unfit_posterior(
    item: PosteriorDraws, study: "Study", observations: Mapping[str, ObservedCases]
) -> Iterator[Problem]:
    """Why there can be no such draws."""
    if item.experiment not in study.experiments:
        known = suggest(study.experiments, item.experiment)
        yield ("experiment",), f"no such experiment; known: {known}"
        return
    if item.observation not in observations:
        known = suggest(observations, item.observation)
        yield ("observation",), f"no such observation; known: {known}"
        return
    experiment, observed = study.experiments[item.experiment], observations[item.observation]
    if observed.dataset != experiment.dataset:
        yield (
            ("observation",),
            f"it is of {observed.dataset}, and experiment {item.experiment} of "
            f"{experiment.dataset}",
        )
        return
    dataset = study.datasets[experiment.dataset]
    unknown = _unknown_resolutions(item.resolutions, experiment.dataset, dataset)
    if problems := [*unknown, *_undrawable(item, experiment)]:
        yield from problems
        return
    for i, n in enumerate(item.resolutions):
        at = ("resolutions", i)
        yield from unfit_for_network(experiment.network, dataset, n, "this resolution", at)
        yield from unfit_for_condition(experiment.condition, dataset, n, at)
    yield from _unfit_sampler(item, experiment, dataset)
    if block := item.sampler or experiment.sampler:
        process = experiment.process.part
        yield from useless_steps(process, block.part, dataset, item.resolutions)
    if problem := too_many_shards(item.shards, item.draws, "draws"):
        yield ("shards",), problem
    cases = observed.count(dataset)
    yield from _unaffordable(item.draws, cases, dataset, item.resolutions)
    if problem := unaffordable_batch(
        experiment.network, dataset, max(item.resolutions), min(item.batch_size, item.draws)
    ):
        yield ("batch_size",), problem
    problems = [*_too_few(study, observed, observations, item.draws)]
    yield from problems or _small_prior(item, study, observations)
    yield from _unlabelled(study)
    yield from _unguided(item, study, observed)


def _undrawable(item: PosteriorDraws, experiment: Experiment) -> Iterator[Problem]:
    """Methods that draw nothing given data, and samplers that are none of theirs."""
    method = experiment.method.kind
    if experiment.sampler is None:
        if experiment.condition is None:
            yield ("experiment",), f"method {method} draws nothing given data without a condition"
            return
        for name in ("sampler", "guidance"):
            if getattr(item, name) is not None:
                yield (name,), f"draws of method {method} have no such block; leave it out"
    elif item.sampler is not None:
        try:
            item.sampler.part.check(experiment.process.part)
        except ValueError as error:
            yield ("sampler",), str(error)


def _unfit_sampler(
    item: PosteriorDraws, experiment: Experiment, dataset: Dataset
) -> Iterator[Problem]:
    """What a model has against the coarsest grid of a sampler of the posterior's own."""
    if item.sampler is not None:
        model = experiment.network, experiment.condition
        for at, problem in unfit_for_sampler(item.sampler, *model, dataset):
            yield ("sampler", *at), problem


def _unguided(item: PosteriorDraws, study: "Study", observed: ObservedCases) -> Iterator[Problem]:
    """Models that cannot be led by the data so."""
    experiment = study.experiments[item.experiment]
    dataset = study.datasets[experiment.dataset]
    basis, channels = dataset.basis, dataset.source.part.values
    observation = observed.observation(dataset)
    if item.told and (item.guidance is None or experiment.condition is None):
        missing = "guidance" if item.guidance is None else f"condition in {item.experiment}"
        yield ("told",), f"there is no {missing}: leave it out, or give both"
        return
    if item.told and not isinstance(item.guidance.part, DenoiserGuidance):
        yield ("told",), f"{item.guidance.kind} leads models that are told nothing: use wiener"
        return
    if experiment.condition is not None and (item.told or item.guidance is None):
        try:
            condition = dataset.told(experiment.condition.part)
            condition.check_observation(observation, basis, channels)
        except ValueError as error:
            yield ("observation",), str(error)
            return
        if item.guidance is None:
            return
    if item.guidance is None:
        yield (
            ("guidance",),
            f"experiment {item.experiment} knows nothing of data: say how it is to be led, such as "
            "kind: wiener, or give the experiment a condition",
        )
        return
    if experiment.condition is not None and not item.told:
        try:
            experiment.condition.part.check_guidance()
        except ValueError as error:
            yield ("guidance",), f"experiment {item.experiment}: {error}"
            return
    if not observation.differentiable:
        yield ("observation",), "what is observed has no derivative, and guidance follows one"
        return
    sampler, n = (item.sampler or experiment.sampler).part, item.resolutions[0]
    transformed = bool(dataset.transforms)
    try:
        item.guidance.part.check_observation(
            *(sampler, observation, basis, channels, n),
            process=experiment.process.part,
            transformed=transformed,
        )
    except ValueError as error:
        yield ("guidance",), str(error)
