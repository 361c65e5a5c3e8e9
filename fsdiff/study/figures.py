"""The figures of the report that a study draws, as files below ``results/figures``."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsdiff.blocks.explain import suggest
from fsdiff.inverse.observations.base import Observation
from fsdiff.parts import kinds
from fsdiff.reports.posteriors.seen import frames_seen

if TYPE_CHECKING:
    from fsdiff.study.study import Study

PROGRESS = ("metric_by_epoch", "metric_by_seconds")
"""Figures of those that are evaluated during training."""

COMPARISONS = (
    "prior_spectrum",
    "loss_curves",
    "metric_by_resolution",
    "trained_by_sampled",
    "cost",
    "pareto",
)
"""Figures of all experiments on a data set."""


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures of a study, and what they are about."""

    study: "Study"

    def experiments_on(self, dataset: str) -> list[str]:
        """Names of the experiments on a data set, in the order of the configuration."""
        return [name for name, item in self.study.experiments.items() if item.dataset == dataset]

    def compared(self, dataset: str) -> list[int]:
        """The resolutions at which some experiment on a data set is evaluated."""
        names = self.experiments_on(dataset)
        return sorted({n for name in names for n in self.study.evaluated(name)})

    def data_pages(self, dataset: str) -> list[str]:
        """The pages about a data set by itself; balances are those of equations that are known."""
        pages = ["fields.png", "spectra.svg", "densities.svg"]
        if self.study.datasets[dataset].source.kind in kinds("diagnostics"):
            pages += ["solutions.png", "balances.svg"]
        return pages

    @property
    def of_results(self) -> list[str]:
        """Those of data, experiments and searches."""
        found = []
        for dataset in self.study.datasets:
            found += [f"{dataset}/data/{name}" for name in self.data_pages(dataset)]
            found += [f"{dataset}/{name}" for name in self._of_experiments(dataset)]
        found += [f"searches/{name}.svg" for name in self.study.searches]
        return [*found, "summary.html"] if self.study.experiments else found

    def _of_experiments(self, dataset: str) -> Iterator[str]:
        names = self.experiments_on(dataset)
        for n in self.compared(dataset):
            yield from (f"samples-{n}.png", f"spectra-{n}.svg", f"densities-{n}.svg")
        for name in names:
            if len(self.study.experiments[name].samples.resolutions) > 1:
                yield f"resolutions/{name}.png"
        if names:
            yield from (f"{name}.svg" for name in COMPARISONS)
        if any(self.study.evaluated_during_training(name) for name in names):
            yield from (f"{name}.svg" for name in PROGRESS)

    @property
    def of_analyses(self) -> list[str]:
        """Those of exact experiments."""
        return [f"analyses/{figure}.svg" for figure in self.study.drawn_analyses()]

    @property
    def observations_judged(self) -> list[str]:
        """Names of the observations that have posteriors."""
        return [name for name in self.study.observations if self.study.inferred(name)]

    @property
    def observations_drawn(self) -> list[tuple[str, int]]:
        """(observation, resolution) of all pages of posteriors."""
        return [(name, n) for name in self.observations_judged for n in self.study.inferred(name)]

    @property
    def on_several_grids(self) -> list[str]:
        """Names of the observations whose posteriors are drawn on more than one grid."""
        return [name for name in self.observations_judged if len(self.study.inferred(name)) > 1]

    def observed_by(self, observation: str) -> Observation:
        """What an observation's operator stands for."""
        item = self.study.observations[observation]
        return item.observation(self.study.datasets[item.dataset])

    @property
    def forecasts(self) -> list[str]:
        """Names of the observations of frames whose truth is known: posteriors are forecasts."""
        return [
            name
            for name in self.observations_judged
            if self.study.observations[name].data is None and frames_seen(self.observed_by(name))
        ]

    def by_observation(self, name: str) -> list[str]:
        """Those of posteriors that have this name, with a resolution."""
        return [f"posteriors/{item}/{name.format(n)}" for item, n in self.observations_drawn]

    @property
    def of_posteriors(self) -> list[str]:
        """Those of posteriors, and the table of them."""
        names = self.observations_judged
        if not names:
            return []
        found = ["posteriors.html"]
        found += self.by_observation("fields-{}.png") + self.by_observation("calibration-{}.svg")
        found += [f"posteriors/{name}/errors.svg" for name in names]
        found += [f"posteriors/{name}/resolutions.png" for name in self.on_several_grids]
        return found + [
            f"posteriors/{name}/forecast-{n}.svg"
            for name in self.forecasts
            for n in self.study.inferred(name)
        ]

    @property
    def pictures(self) -> list[str]:
        """All that a page can show: the report's tables are none."""
        every = (*self.of_results, *self.of_posteriors, *self.of_analyses)
        return [name for name in every if not name.endswith(".html")]

    def missing(self, paths: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Which of some figures are not drawn, by their place, and which may be meant."""
        drawn = self.pictures
        for place, path in enumerate(paths):
            if path not in drawn:
                folder = posixpath.dirname(path)
                near = [item for item in drawn if posixpath.dirname(item) == folder]
                yield (
                    place,
                    f"the study draws no such figure; known: {suggest(near or drawn, path)}",
                )
