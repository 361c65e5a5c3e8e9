"""The top level of a configuration, and its smaller blocks."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.util import find_spec
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo

from fsdiff.blocks.explain import refuse, suggest
from fsdiff.blocks.types import Block, BlockOf, PartBlock, PartOf
from fsdiff.characters import one_line
from fsdiff.metrics.results import channel_names, parsed
from fsdiff.reports.claims import Claim
from fsdiff.reports.labels import REFERENCES
from fsdiff.reports.posteriors.summary import BASELINES
from fsdiff.reports.posteriors.targets import Target
from fsdiff.study.analyses import unsuited_parts
from fsdiff.study.datasets import Dataset
from fsdiff.study.evaluation import (
    OF_SEARCHES,
    RESULTS_DURING_TRAINING,
    VALIDATION,
    Evaluation,
    of_classes,
    other_results,
    too_many_wanted,
    unknown,
    unknown_result,
    without_best,
)
from fsdiff.study.experiments import Experiment
from fsdiff.study.fields import REPETITION, Count, Name, repeats_itself
from fsdiff.study.inverse import ObservedCases, PosteriorDraws, TruePosterior
from fsdiff.study.page import Page
from fsdiff.study.searches import Search
from fsdiff.study.variations import Variation


def _reachable_address(address: str) -> str:
    found = re.fullmatch(r"(?:tcp|tls|ws|wss|ucx)://[\w.:\[\]-]+:(\d{1,5})", address, re.ASCII)
    if not found or int(found[1]) >= 2**16:
        raise ValueError("expected protocol://host:port, such as tcp://node12:8786")
    if find_spec("distributed") is None:
        raise ValueError("needs the package distributed: pip install 'fsdiff[cluster]'")
    return address


class Dask(Block):
    """Where data sets are merged, measured and restricted; it changes nothing in them."""

    scheduler: Annotated[str, AfterValidator(_reachable_address)] | None = None
    """Address of a dask scheduler, such as tcp://node12:8786; without one, threads of the job."""


Device = Literal["cpu", "cuda"]


class Devices(Block):
    """Where what is no network runs, if not on ``device``."""

    data: Device | None = None
    """Where data sets solve their equations."""
    metrics: Device | None = None
    """Where samples and posteriors are compared."""


def _command(text: str) -> str:
    try:
        shlex.split(one_line(text))
    except ValueError as error:
        raise ValueError(f"no command: {str(error)[0].lower()}{str(error)[1:]}") from error
    return text


class Parallel(Block):
    """Several processes that train one network together; it changes rounding only."""

    processes: Annotated[Count, Field(le=1024)] = 1
    """How many on each machine, each on a GPU of its own where ``device`` is cuda."""
    launcher: Annotated[str, Field(min_length=1), AfterValidator(_command)] | None = None
    """What starts them on several machines, ``srun … torchrun …``; none for one machine."""


def _figures_of_one_kind(analyses: dict[str, PartBlock]) -> dict[str, PartBlock]:
    kinds: dict[str, str] = {}
    refuse(
        ((name,), f"its figure '{figure}' shows {kinds[figure]}; figures show analyses of one kind")
        for name, item in analyses.items()
        if kinds.setdefault(figure := item.figure or name, item.kind) != item.kind
    )
    refuse(
        ((name, "figure"), REPETITION)
        for name, item in analyses.items()
        if repeats_itself(item.figure)
    )
    return analyses


def _without_training_fields(analyses: dict[str, PartBlock]) -> dict[str, PartBlock]:
    refuse(
        ((name, key), "starts from training fields, which analyses have not; use another law")
        for name, item in analyses.items()
        for key, value in item.settings.items()
        for block in (value if isinstance(value, tuple) else (value,))
        if getattr(getattr(block, "part", None), "of_training", False)
    )
    return analyses


def _of_parts_that_suit(analyses: dict[str, PartBlock]) -> dict[str, PartBlock]:
    refuse(unsuited_parts(analyses))
    return analyses


Analyses = Annotated[
    dict[Name, Annotated[PartBlock, PartOf("analysis")]],
    Field(min_length=1),
    AfterValidator(_figures_of_one_kind),
    AfterValidator(_without_training_fields),
    AfterValidator(_of_parts_that_suit),
]


def _about_the_study(claims: dict[str, PartBlock], info: ValidationInfo) -> dict[str, PartBlock]:
    """Refuse claims about results that the study will not have."""
    study = (info.context or {}).get("study")
    if study is not None:
        refuse(
            ((name,), problem)
            for name, claim in claims.items()
            if (problem := study.missing_rows(claim.part))
        )
        refuse(
            ((name,), problem)
            for name, claim in claims.items()
            for problem in study.missing_numbers(claim.part)
        )
        refuse(
            ((name, key), problem)
            for name, claim in claims.items()
            for key, problem in study.missing_results(claim.part)
        )
    return claims


Claims = Annotated[
    dict[Name, Annotated[PartBlock, BlockOf(Claim)]], AfterValidator(_about_the_study)
]


class Study(Block):
    """A study: data sets, experiments on them and their evaluation; or analyses; or both."""

    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)] = Field({})
    """Data sets by name."""
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)] = Field({})
    """Experiments by name; blocks that one does not have are taken from ``defaults``."""
    evaluation: Evaluation = Field(
        default_factory=lambda: Evaluation.model_construct(metrics={}, posterior_metrics={})
    )
    analyses: Analyses = Field({})
    """Exact experiments by name: they need no data sets and may stand alone."""
    observations: dict[Name, ObservedCases] = Field({})
    """What is observed of functions of a data set, by name."""
    references: dict[Name, TruePosterior] = Field({})
    """The true posteriors of what is observed, by name."""
    posteriors: dict[Name, PosteriorDraws] = Field({})
    """Draws given what is observed, by name."""
    searches: dict[Name, Search] = Field({})
    """Searches for hyperparameters by name, each on a coarse grid and on a fine one."""
    claims: Claims = Field({})
    """What a publication says of such experiments, by name: each is checked, and told in a page."""
    page: Page | None = None
    """What the study asks, and the tables and figures of the page that answers it."""
    dask: Dask = Dask()
    """No job depends on it: results are the same wherever they are computed."""
    device: Device = "cpu"
    """Where networks, solvers and metrics run; results that were made elsewhere are kept."""
    device_of: Devices = Devices()
    """Where work runs for which there are more processors than GPUs."""
    parallel: Parallel = Parallel()
    """How networks are trained; results that were made otherwise are kept."""

    _candidates: dict[str, Experiment] = PrivateAttr(default_factory=dict)
    _variations: dict[str, Variation] = PrivateAttr(default_factory=dict)

    @cached_property
    def runs(self) -> dict[str, Experiment]:
        """The experiments, and after them those that searches consist of, by name."""
        return {**self.experiments, **self._candidates}

    def with_candidates(self, candidates: Mapping[str, Experiment]) -> Self:
        """The study with the experiments that its searches consist of."""
        study = self.model_copy()
        study._candidates = dict(candidates)
        study.__dict__.pop("runs", None)  # was without them
        return study

    @property
    def variations(self) -> Mapping[str, Variation]:
        """The experiments that are combinations of what an entry varies, by name."""
        return self._variations

    def with_variations(self, variations: Iterable[Variation]) -> Self:
        """The study that knows which of its experiments are combinations."""
        study = self.model_copy()
        study._variations = {variation.name: variation for variation in variations}
        return study

    @property
    def devices(self) -> dict[str, Device]:
        """Where each kind of work is done."""
        own = self.device_of
        return {
            "networks": self.device,
            "data": own.data or self.device,
            "metrics": own.metrics or self.device,
        }

    def candidates(self, search: str) -> list[str]:
        """Names of the experiments that a search consists of, in the order of its points."""
        return [name for name in self._candidates if name.partition("/")[0] == search]

    def evaluated(self, experiment: str) -> list[int]:
        """The resolutions of an experiment's samples for which there are data to compare with."""
        item = self.runs[experiment]
        known = self.datasets[item.dataset].resolutions
        return [n for n in item.samples.resolutions if n in known]

    def trained_at(self, experiment: str) -> list[int]:
        """The resolutions that an experiment is trained at, coarse to fine.

        What is not trained has its statistics from the finest data.
        """
        item = self.runs[experiment]
        if not item.trained:
            return [self.datasets[item.dataset].resolutions[-1]]
        return [level.resolution for level in item.levels]

    def validated(self, experiment: str, level: int) -> list[int]:
        """The resolutions of an experiment's validation losses when a level is trained."""
        training = self.runs[experiment].training
        return sorted({level, *training.validate_at})

    def evaluated_during_training(self, experiment: str) -> list[int]:
        """The resolutions at which samples of an experiment are evaluated during training."""
        trajectory, known = self.runs[experiment].trajectory, self.evaluated(experiment)
        return [] if trajectory is None else list(trajectory.resolutions or known)

    def drawn(self, experiment: str) -> int:
        """How many samples of an experiment are evaluated."""
        return self.runs[experiment].samples.count

    def drawn_during_training(self, experiment: str) -> int:
        """How many are evaluated again and again during training."""
        trajectory = self.runs[experiment].trajectory
        return (trajectory and trajectory.count) or self.drawn(experiment)

    def missing_rows(self, claim: Claim) -> str | None:
        """Why there will be no results that a claim is about, the first reason; or None."""
        own = self.experiments.get(claim.experiment or "")
        for name, resolution in claim.rows:
            if name in REFERENCES and own and name not in {*self.experiments, *self.searches}:
                problem = self._missing_reference(own.dataset, resolution, claim.epoch)
            else:
                problem = self._missing_row(name, resolution, claim.epoch)
            if problem:
                return problem
        return None

    def _missing_reference(
        self, dataset: str, resolution: int, epoch: int | str | None
    ) -> str | None:
        """Why references of a data set will not be compared with it there; or None."""
        if epoch is not None:
            return "references are those of the end, not of an epoch"
        if not self.compared(resolution, dataset):
            return f"no references at {resolution}, where no experiment on {dataset} is evaluated"
        return None

    def _missing_row(self, name: str, resolution: int, epoch: int | str | None) -> str | None:
        """Why an experiment or a search will have no result there, after that epoch; or None."""
        if name in self.searches:
            fine = self.searches[name].fine.resolution
            wrong = resolution != fine or epoch is not None
            return f"the result of {name} is that at {fine}, and of no epoch" if wrong else None
        if name not in self.experiments:
            return f"no results of {name}; known experiments: {suggest(self.experiments, name)}"
        known, when = self.evaluated(name), "compared with data"
        if epoch is not None:
            known, when = self.evaluated_during_training(name), "evaluated during training"
        if resolution not in known:
            at = f"at {', '.join(map(str, known))}" if known else "nowhere"
            return f"no results of {name} at {resolution}; it is {when} {at}"
        item = self.experiments[name]
        if isinstance(epoch, int) and item.trajectory is not None:
            epochs = range(0, item.levels[-1].epochs + 1, item.trajectory.every)
            if epoch not in epochs:
                return f"no results of {name} after epoch {epoch}; it is {when} every {epochs.step}"
        return None

    def missing_results(self, claim: Claim) -> Iterator[tuple[str, str]]:
        """Keys of a claim about experiments, and why there will be no such result; the first."""
        for i, (name, resolution) in enumerate(claim.rows):
            key = "against_metric" if i > 0 and claim.against_metric else "metric"
            if problem := self.missing_result(getattr(claim, key), name, resolution, claim.epoch):
                yield key, problem
                return

    def missing_result(
        self,
        result: str | None,
        name: str,
        resolution: int | None = None,
        epoch: int | str | None = None,
    ) -> str | None:
        """Why an experiment or a search will have no such result there, after that epoch; or None.

        Without a resolution it is asked for one that the experiment is trained at.
        """
        if name in self.searches and result:
            return unknown(result, OF_SEARCHES)
        if name not in self.experiments or not result:
            return None
        dataset, metrics = self.datasets[self.experiments[name].dataset], self.evaluation.metrics
        levels = self.trained_at(name)
        others = other_results(levels) if epoch is None else RESULTS_DURING_TRAINING
        channels = channel_names(dataset.source.part.names)
        if problem := unknown_result(result, metrics, channels, others):
            return problem
        condition = self.experiments[name].condition
        told = condition is not None and condition.part.of_classes
        if not told and parsed(result)[0] in of_classes(metrics):
            return f"a number of samples with classes, and {name} is told none"
        count = self.drawn(name) if epoch is None else self.drawn_during_training(name)
        at = levels[-1] if resolution is None else resolution
        about = dataset.basis, at, dataset.source.part.values
        if problem := too_many_wanted(result, metrics, count, *about):
            return f"{problem}, and {count} are drawn of {name}"
        asked = {"validation_loss_initial": levels[0]}.get(result, levels[-1])
        if result in VALIDATION and resolution not in (None, *self.validated(name, asked)):
            return f"training is not validated at {resolution}; add it to training.validate_at"
        return without_best(result, metrics) if epoch == "best" else None

    def missing_posteriors(self, target: Target) -> Iterator[tuple[str, str]]:
        """Keys of a target about posteriors, and why there will be no such number."""
        drawn = {name: list(item.resolutions) for name, item in self.posteriors.items()}
        seen = {name: self.inferred(name) for name in self.observations}
        named, known = ("posterior", drawn) if target.posterior else ("observation", seen)
        own = str(getattr(target, named))
        if own not in known:
            yield named, f"there is none; known: {suggest(known, own)}"
            return
        pairs = [("resolution", own, known, target.resolution)]
        if target.against:
            other, level = target.against, target.against_resolution or target.resolution
            if other not in (*BASELINES, *drawn):
                yield "against", f"there is none; known: {suggest([*BASELINES, *drawn], other)}"
                return
            place = self.posteriors[own].observation if target.posterior else own
            beside = (other, drawn) if other in drawn else (place, seen)
            key = "against_resolution" if target.against_resolution else "resolution"
            pairs.append((key, *beside, level))
        for key, name, levels, n in pairs:
            if n not in levels[name]:
                at = ", ".join(map(str, levels[name]))
                yield key, f"no results of {name} at {n}; it is judged at {at or 'none'}"
        place = self.posteriors[own].observation if target.posterior else own
        if problem := self._unknown_of_posteriors(target.metric, place):
            yield "metric", problem
        least = self.by_chance(target)
        if target.at_most is not None and target.at_most < least:
            yield (
                "at_most",
                f"as many draws of the true posterior would have {least:.3g}: raise it, or draws "
                "of the posterior and of its reference",
            )

    def by_chance(self, target: Target) -> float:
        """What of the number of a target is due to there being so many draws; 0 if unknown."""
        own = None if target.posterior is None else self.posteriors[target.posterior]
        observation = target.observation if own is None else own.observation
        true = [item for item in self.references.values() if item.observation == observation]
        if not true or (own is None and target.baseline != "reference"):
            return 0.0
        draws = true[0].draws
        if own is None:  # one half against the other
            return target.by_chance(draws // 2, draws - draws // 2)
        return target.by_chance(own.draws, draws)

    def posterior_metrics(self, observation: str) -> dict[str, PartBlock]:
        """Those that compare posteriors of an observation: all that have enough cases there."""
        cases = self._cases(observation)
        known = self.evaluation.posterior_metrics.items()
        return {name: block for name, block in known if block.part.at_least_cases <= cases}

    def left_out(self, observation: str) -> list[tuple[str, int, int]]:
        """All others: what they are, how many cases they need, and how many there are."""
        own, cases = self.posterior_metrics(observation), self._cases(observation)
        known = self.evaluation.posterior_metrics.items()
        return [(k, block.part.at_least_cases, cases) for k, block in known if k not in own]

    def _cases(self, observation: str) -> int:
        item = self.observations[observation]
        return item.count(self.datasets[item.dataset])

    def _unknown_of_posteriors(self, result: str, observation: str) -> str | None:
        """Why posteriors of what is observed will have no such result; or None."""
        metrics = (block.part for block in self.posterior_metrics(observation).values())
        key, channel = parsed(result)
        if problem := unknown(key, [name for metric in metrics for name in metric.results]):
            return problem
        dataset = self.datasets[self.observations[observation].dataset]
        channels = channel_names(dataset.source.part.names)
        if channel and channel not in channels:
            return f"there is no channel '{channel}'; known: {suggest(channels, channel)}"
        return None

    def inferred(self, observation: str) -> list[int]:
        """The resolutions of the draws given an observation."""
        items = (p for p in self.posteriors.values() if p.observation == observation)
        return sorted({n for item in items for n in item.resolutions})

    def missing_numbers(self, claim: Claim) -> list[str]:
        """Why analyses will not have the numbers of a claim."""
        if claim.analysis is None or claim.metric is None:
            return []
        other = claim.against_metric or claim.metric
        asked = [(claim.metric, claim.analysis), *((other, name) for name in claim.against)]
        return [problem for number, name in asked if (problem := self.missing_number(number, name))]

    def missing_number(self, number: str, name: str) -> str | None:
        """Why an analysis will have no such number; or None."""
        if name not in self.analyses:
            return f"no results of {name}; known analyses: {suggest(self.analyses, name)}"
        known = self.analyses[name].described.numbers
        return None if number in known else unknown(number, known)

    @property
    def claimed_analyses(self) -> list[str]:
        """The analyses that claims are about, by name."""
        names = (name for claim in self.claims.values() for name in claim.part.analyses)
        return list(dict.fromkeys(names))

    def compared(self, resolution: int, dataset: str | None = None) -> list[str]:
        """Names of the experiments that are compared with data at a resolution.

        Those on one data set, if it is given.
        """
        return [
            name
            for name, item in self.experiments.items()
            if resolution in self.evaluated(name) and dataset in (None, item.dataset)
        ]

    def unknown_column(
        self, column: str, resolution: int, dataset: str | None = None
    ) -> str | None:
        """Why no experiment will have such a result at a resolution, on a data set; or None."""
        there = self.compared(resolution, dataset)
        if not there:
            where = f" of {dataset}" if dataset else ""
            return f"no experiment is compared with data{where} at {resolution}"
        problems = [self.missing_result(column, name, resolution) for name in there]
        return problems[0] if all(problems) else None

    def drawn_analyses(self) -> dict[str, list[str]]:
        """The analyses in each figure, in the order of the configuration."""
        figures: dict[str, list[str]] = {}
        for name, item in self.analyses.items():
            figures.setdefault(item.figure or name, []).append(name)
        return figures
