"""What each job of a study reads of its configuration."""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from fsdiff.data import json_files
from fsdiff.data.sources.digest import digest
from fsdiff.data.sources.source import Source
from fsdiff.parts import described, kinds
from fsdiff.study.study import Study


class Configuration(Study):
    """A study: data sets, experiments on them and their evaluation; or analyses; or both.

    Slices are what a rule's code reads, in canonical JSON-able form with defaults filled in; what a
    rule reads from its input files is in the slices of the rules that made these. Parts in slices
    are blocks with ``kind``, ready for ``fsdiff.parts.build`` and ``fsdiff.parts.modules``.
    """

    def simulate_slice(self, dataset: str) -> dict[str, Any]:
        """{"source": block, "seed": int}: what decides sample i.

        With "content", a digest of the files, where samples are read from files, and "locations",
        the keys of settings that say where these are: what they say decides nothing.
        """
        item = self.datasets[dataset]
        source = item.source.part
        return {
            "source": item.source.plain(),
            "seed": item.seed if source.seeded else 0,
            **_read(source.content, (["source", name] for name in source.locations)),
        }

    def dataset_slice(self, dataset: str) -> dict[str, Any]:
        """{"simulate": simulate_slice, "split": {"train", "validation", "test"}}.

        The simulation is part of it because shards are temporary files.
        """
        split = self.datasets[dataset].split.plain()
        return {"simulate": self.simulate_slice(dataset), "split": split}

    def hierarchy_slice(self, dataset: str, resolution: int) -> dict[str, Any]:
        """{"basis", "downsampling": blocks, "transforms": {channel: block}, "resolution": int}.

        Transforms are fitted by each of these jobs, so that others need nothing simulated again.
        """
        item = self.datasets[dataset]
        return {
            "basis": self._basis(dataset),
            "downsampling": item.downsampling.plain(),
            "transforms": {name: block.plain() for name, block in item.transforms.items()},
            "resolution": resolution,
        }

    def data_pages_slice(self, dataset: str) -> dict[str, Any]:
        """simulate_slice, for the states that solutions start from, and {"basis": block}."""
        return {**self.simulate_slice(dataset), "basis": self._basis(dataset)}

    def balances_slice(self, dataset: str) -> dict[str, Any]:
        """simulate_slice and {"diagnostics": block}, of the same kind as the source."""
        simulate = self.simulate_slice(dataset)
        return {**simulate, "diagnostics": {"kind": simulate["source"]["kind"]}}

    def train_slice(self, experiment: str, resolution: int, seed: int) -> dict[str, Any]:
        """What decides the weights of one level, given its data and the level before.

        {"basis", "method", "level", and what the method has of "prior", "process", "prediction",
        "network", "time_sampling", "training": blocks, "seed": int}
        """
        item = self.runs[experiment]
        level = next(level for level in item.levels if level.resolution == resolution)
        return {
            **self._model(experiment, drawn=False),
            **item.blocks("time_sampling", "training"),
            "level": level.plain(),
            "seed": seed,
        }

    def measure_slice(self, experiment: str, resolution: int, seed: int) -> dict[str, Any]:
        """What decides a model that is not trained, given its data: {"basis", "method", "seed"}."""
        return {**self._model(experiment, drawn=False), "seed": seed}

    def trained_as(self, experiment: str, resolution: int) -> str:
        """The first experiment whose training up to this level is the same, often this one.

        Experiments that differ in what comes after training, such as the sampler, or in further
        levels, share weights by that name.
        """
        return self._owners[experiment, resolution]

    def sample_slice(self, experiment: str, resolution: int, seed: int) -> dict[str, Any]:
        """What decides the samples at one resolution, given the weights.

        {"basis", "method", and what the method has of "prior", "process", "prediction", "network",
        "sampler": blocks, "samples": {"count", "batch_size"}, "resolution": int, "seed": int}
        """
        item = self.runs[experiment]
        return {
            **self._model(experiment),
            **item.blocks("sampler"),
            "samples": {"count": item.samples.count, "batch_size": item.samples.batch_size},
            "resolution": resolution,
            "seed": seed,
        }

    def kept_every(self, experiment: str) -> int | None:
        """After every how many epochs the weights of an experiment's levels are kept, if at all.

        Often enough for all the trajectories of the experiments that share its training.
        """
        owned = (
            item.trajectory.every
            for name, item in self.experiments.items()
            if item.trajectory and self.trained_as(name, item.levels[-1].resolution) == experiment
        )
        return math.gcd(*owned) or None

    def trajectory_slice(self, experiment: str, resolution: int, seed: int) -> dict[str, Any]:
        """sample_slice, with fewer samples; {"metrics": {name: block}, "every": int}."""
        trajectory = self.runs[experiment].trajectory
        if trajectory is None:
            raise ValueError(f"experiment '{experiment}' has no trajectory")
        sample = self.sample_slice(experiment, resolution, seed)
        evaluate = self.evaluate_slice(experiment, resolution, seed)
        sample["samples"]["count"] = self.drawn_during_training(experiment)
        return {**sample, **evaluate, "every": trajectory.every}

    def evaluate_slice(self, experiment: str, resolution: int, seed: int) -> dict[str, Any]:
        """{"basis": block, "metrics": {name: block}, "resolution": int}; the same for all seeds.

        With "label", the coordinate of classes, where a metric asks for these.
        """
        return self._judged(self.runs[experiment].dataset, resolution)

    def reference_slice(self, dataset: str, resolution: int, number: int) -> dict[str, Any]:
        """What evaluate_slice has, and {"count": int}, the number of fields."""
        return {**self._judged(dataset, resolution), "count": number}

    def classify_slice(self, dataset: str, resolution: int) -> dict[str, Any]:
        """What decides the classifiers of a data set, given its data at one resolution.

        {"basis", "classifier": blocks, "label": the coordinate of classes, "resolution": int}
        """
        training = self.evaluation.classifier.plain()
        training.pop("finest", None)  # of who sees what, which changes no classifier
        return {
            "basis": self._basis(dataset),
            "classifier": training,
            "label": self.datasets[dataset].source.part.label,
            "resolution": resolution,
        }

    def classified_at(self, dataset: str, resolution: int) -> int:
        """The resolution whose classifiers see fields of a data set at this one."""
        finest = self.evaluation.classifier.part.finest or resolution
        known = self.datasets[dataset].resolutions
        coarser = [n for n in known if n <= finest] if finest < resolution else []
        return max(coarser, default=resolution)

    @property
    def classified(self) -> bool:
        """Whether a metric looks at fields through classifiers."""
        return any(block.part.classified for block in self.evaluation.metrics.values())

    @property
    def draws_classified(self) -> bool:
        """Whether a metric of posteriors does so."""
        return any(block.part.classified for block in self.evaluation.posterior_metrics.values())

    def _judged(self, dataset: str, resolution: int) -> dict[str, Any]:
        metrics = {name: block.plain() for name, block in self.evaluation.metrics.items()}
        judged = {"basis": self._basis(dataset), "metrics": metrics, "resolution": resolution}
        if any(block.part.labelled for block in self.evaluation.metrics.values()):
            judged["label"] = self.datasets[dataset].source.part.label
        return judged

    def observe_slice(self, observation: str) -> dict[str, Any]:
        """What decides the data of some functions: {"basis", "operator": blocks, "cases", "seed"}.

        Of measurements {"measurements": path, "content", "locations"} in place of the last, as in
        simulate_slice. Channels have numbers in the operator's block, whatever names they have.
        """
        item = self.observations[observation]
        about = {"basis": self._basis(item.dataset), "operator": self._operator(observation)}
        if item.data is not None:
            read = _read(digest([Path(item.data)]), [["measurements"]])
            return {**about, "measurements": item.data, **read}
        return {**about, "cases": item.cases, "seed": item.seed}

    def infer_slice(self, posterior: str, resolution: int, seed: int) -> dict[str, Any]:
        """What decides draws of a posterior at one resolution, given the weights and the data.

        The blocks of the model, "sampler", "guidance" if there is one, "operator": blocks, "told"
        if the model is told data and led by them, "draws", "batch_size", "resolution", "finest",
        the resolution of what was observed, and "seed".
        """
        item = self.posteriors[posterior]
        blocks = {"sampler": item.sampler, "guidance": item.guidance}
        return {
            **self._model(item.experiment),
            **self.experiments[item.experiment].blocks("sampler"),
            **{name: block.plain() for name, block in blocks.items() if block is not None},
            **({"told": True} if item.told else {}),
            "operator": self._operator(item.observation),
            "draws": item.draws,
            "batch_size": item.batch_size,
            "resolution": resolution,
            "finest": self.datasets[self.experiments[item.experiment].dataset].resolutions[-1],
            "seed": seed,
        }

    def refer_slice(self, reference: str, resolution: int) -> dict[str, Any]:
        """What decides draws of a true posterior at one resolution, given the data.

        {"source", "latent", of the same kind, "operator", "reference": blocks, "draws",
        "resolution", "seed": int}
        """
        item = self.references[reference]
        dataset = self.datasets[self.observations[item.observation].dataset]
        return {
            "source": dataset.source.plain(),
            "latent": {"kind": dataset.source.kind},
            "operator": self._operator(item.observation),
            "reference": item.reference.plain(),
            "draws": item.draws,
            "resolution": resolution,
            "seed": item.seed,
        }

    def judge_posterior_slice(self, posterior: str, resolution: int, seed: int) -> dict[str, Any]:
        """What compares draws given data with a reference and the truth; the same for all seeds.

        {"basis": block, "posterior_metrics": {name: block}, "operator": block, "resolution": int}
        """
        return self._judged_draws(self.posteriors[posterior].observation, resolution)

    def judge_baselines_slice(self, observation: str, resolution: int) -> dict[str, Any]:
        """What judge_posterior_slice has, and how many draws of the baselines there are.

        {"draws", "seed": int}, {"source", "latent": blocks} where the law of the data is known, and
        {"localisation": block} where ensembles have one.
        """
        item = self.observations[observation]
        source = self.datasets[item.dataset].source
        counts = [p.draws for p in self.posteriors.values() if p.observation == observation]
        law = {"source": source.plain(), "latent": {"kind": source.kind}}
        return {
            **self._judged_draws(observation, resolution),
            "draws": max(counts),
            "seed": item.seed,
            **(law if source.kind in kinds("latent") else {}),
            **({"localisation": item.localisation.plain()} if item.localisation else {}),
        }

    def _judged_draws(self, observation: str, resolution: int) -> dict[str, Any]:
        metrics = self.posterior_metrics(observation).items()
        return {
            "basis": self._basis(self.observations[observation].dataset),
            "posterior_metrics": {name: block.plain() for name, block in metrics},
            "operator": self._operator(observation),
            "resolution": resolution,
        }

    def reference_of(self, observation: str, resolution: int) -> tuple[str, int] | None:
        """The reference for draws at a resolution, and its own, which may be coarser; or None."""
        for name, item in self.references.items():
            known = [n for n in item.resolutions if n <= resolution]
            if item.observation == observation and known:
                return name, max(known)
        return None

    def _operator(self, observation: str) -> dict[str, Any]:
        """The block of what is observed, with numbers for names of channels."""
        item = self.observations[observation]
        return described(item.observation(self.datasets[item.dataset]))

    def summary_slice(self) -> dict[str, Any]:
        """{"experiments": {name: {"title": str, "dataset": str}}}."""
        return {
            "experiments": {
                name: {"title": item.title or name, "dataset": item.dataset}
                for name, item in self.runs.items()
            }
        }

    def reproduction_slice(self) -> dict[str, Any]:
        """{"claims": [block with "name"], "experiments": [what the page says of each], "searches"}.

        Of a search: {"experiment": its name, "resolution": int}. With ``words``, and ``analyses``,
        those that claims are about: {"name", "title", "block", "shares"}.
        """
        claims = [{"name": name, **claim.plain()} for name, claim in self.claims.items()]
        experiments = [
            {
                "name": name,
                "title": item.title or name,
                "dataset": item.dataset,
                "train": self.datasets[item.dataset].split.train,
                "levels": [level.plain() for level in item.levels or ()],
                **item.blocks("sampler"),
                "count": item.samples.count,
                "seeds": list(item.seeds),
            }
            for name, item in self.experiments.items()
        ]
        searches = [
            {"experiment": name, "resolution": item.fine.resolution}
            for name, item in self.searches.items()
        ]
        found = {"claims": claims, "experiments": experiments, "searches": searches}
        analyses = [
            {**about, "shares": list(self.analyses[about["name"]].part.shares)}
            for about in self._about_analyses(self.claimed_analyses)
        ]
        return {**found, "words": self.words(), "analyses": analyses}

    def _about_analyses(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """What pages say of analyses."""
        return [
            {
                "name": name,
                "title": self.analyses[name].title or name,
                "block": self.analyse_slice(name)["analysis"],
            }
            for name in names
        ]

    def page_slice(self) -> dict[str, Any]:
        """{"page": block, "words": words, "variations": {experiment: {"family", "choices"}}}."""
        if self.page is None:
            raise ValueError("the study has no page")
        variations = {
            name: {"family": item.family, "choices": dict(item.choices)}
            for name, item in self.variations.items()
        }
        return {
            "page": self.page.plain(),
            "words": self.words(),
            "variations": variations,
            "analyses": self._about_analyses(self.page.findings),
            **(self._about_targets() if self.page.targets else {}),
        }

    def _about_targets(self) -> dict[str, Any]:
        """What posteriors' results are called, and what of each target's number chance leaves."""
        assert self.page is not None
        chance = [self.by_chance(item.part) for item in self.page.targets]
        return {"posterior_words": self.posterior_words(), "chance": chance}

    def words(self) -> list[dict[str, Any]]:
        """What the study's metrics call their results, in the order of the configuration."""
        metrics = (block.part for block in self.evaluation.metrics.values())
        return [words._asdict() for metric in metrics for words in metric.words]

    def posterior_words(self) -> list[dict[str, Any]]:
        """What the metrics of posteriors call their results, in the order of the configuration."""
        metrics = (block.part for block in self.evaluation.posterior_metrics.values())
        return [words._asdict() for metric in metrics for words in metric.words]

    def analyse_slice(self, analysis: str) -> dict[str, Any]:
        """{"analysis": block}, without what figures call it.

        With "content", a digest of files, and "locations", as in simulate_slice, where it is about
        data that are read from files.
        """
        item = self.analyses[analysis]
        block, settings = item.plain(), vars(item.part).items()
        sources = {name: part for name, part in settings if isinstance(part, Source)}
        found = [source.content for source in sources.values() if source.content]
        locations = (
            ["analysis", name, place]
            for name, source in sources.items()
            for place in source.locations
        )
        kept = {key: block[key] for key in block.keys() - {"title", "figure"}}
        return {"analysis": kept, **_read(" ".join(found) or None, locations)}

    @cached_property
    def _owners(self) -> dict[tuple[str, int], str]:
        """For each level of each experiment: the first experiment that trains it so."""
        first: dict[str, str] = {}
        return {
            (name, n): first.setdefault(json_files.canonical(self._training(name, n)), name)
            for name in self.runs
            for n in self.trained_at(name)
        }

    def _training(self, experiment: str, finest: int) -> list[Any]:
        """All that decides the weights of a level, but the seed: data set and levels up to it."""
        item = self.runs[experiment]
        if not item.trained:
            return [item.dataset, self.measure_slice(experiment, finest, seed=0)]
        levels = [n for n in self.trained_at(experiment) if n <= finest]
        return [item.dataset, *(self.train_slice(experiment, n, seed=0) for n in levels)]

    def _model(self, experiment: str, *, drawn: bool = True) -> dict[str, Any]:
        """The parts of a model that samples are ``drawn`` of, or what of them decides weights."""
        item = self.runs[experiment]
        blocks = item.blocks("method", "prior", "process", "prediction", "network")
        if item.condition is not None:
            told = self.datasets[item.dataset].told(item.condition.part)
            blocks["condition"] = described(told if drawn else told.of_weights())
        return {"basis": self._basis(item.dataset), **blocks}

    def _basis(self, dataset: str) -> dict[str, Any]:
        """The block of the basis of a data set."""
        return described(self.datasets[dataset].basis)


def _read(content: str | None, locations: Iterable[list[str]]) -> dict[str, Any]:
    """What a slice says of files: a digest of them, and the keys of settings that say where."""
    return {} if content is None else {"content": content, "locations": list(locations)}
