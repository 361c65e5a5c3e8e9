"""Sets of fields compared as a study's metrics do: every channel counts, whatever its unit."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.labels import Labels, of_split, plain
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import frames
from fsdiff.jobs.devices import CPU
from fsdiff.metrics.base import Comparison, Labelled, Metric, OfClasses, OfTraining
from fsdiff.metrics.evaluate import evaluate
from fsdiff.metrics.fields import blocks
from fsdiff.metrics.results import channel_names, of_channel
from fsdiff.parts import build
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.stages.files import halves, reference_halves, split

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judge:
    """Compares sets of fields by all metrics, on all channels together and on each.

    Metrics see *normalised* fields, in units of each channel's own deviation and without its mean
    (which is zero in a basis without constants), both measured on the training split; those of
    physical fields see what these stand for. Transforms of the data change nothing of this:
    results are about physical fields whatever a model is trained on. Where the data have nodes
    without values, fields are continued harmonically from all others before they are compared: what
    samples and data have there is of no account.
    ``channels`` has the numbers of each channel by its name, and none where there is but one; see
    ``fsdiff.metrics.results`` for what their results are called. Fields are compared on ``device``.
    ``training`` are normalised training fields, where any of the metrics looks at them, and
    ``labels`` the classes of data with the number of that of each training field, ``classes``,
    where any looks at these.
    """

    metrics: Mapping[str, Metric]
    basis: Basis
    statistics: Statistics
    channels: Mapping[str, Sequence[int]]
    device: torch.device = CPU
    training: Tensor | None = None
    labels: Labels | None = None
    classes: Tensor | None = None

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any],
        dataset: xr.Dataset,
        device: torch.device = CPU,
        classifiers: Path | None = None,
    ) -> "Judge":
        """That of a job's configuration, for fields like those of a data set.

        ``classifiers`` is the file with those of the data, where a metric needs them.
        """
        metrics = {name: build("metrics", block) for name, block in config["metrics"].items()}
        if classifiers is not None:
            metrics = {name: metric.given(classifiers) for name, metric in metrics.items()}
        basis = build("basis", config["basis"])
        measured = Statistics.physical(dataset), channels_of(dataset), device
        judge = cls(metrics, basis, *measured)
        if any(isinstance(metric, OfTraining | OfClasses) for metric in metrics.values()):
            judge = replace(judge, training=judge.normalise(split(dataset, "train")))
        if not any(metric.labelled for metric in metrics.values()):
            return judge
        known = of_split(dataset, config["label"], "train")
        every = sorted(set(plain(dataset[config["label"]].values, config["label"])))
        labels = Labels.of(config["label"], known, every)
        return replace(judge, labels=labels, classes=torch.from_numpy(labels.numbers(known)))

    def shown(self, dataset: xr.Dataset) -> Tensor | None:
        """The numbers of the classes of test fields, where any metric asks for them."""
        if self.labels is None:
            return None
        return torch.from_numpy(self.labels.numbers(of_split(dataset, self.labels.name, "test")))

    def target(self, dataset: xr.Dataset) -> tuple[Tensor, Tensor | None]:
        """What samples are compared with, normalised, and the numbers of its classes, if asked for.

        It is the first half of the test fields.
        """
        target, _ = reference_halves(dataset)
        shown = self.shown(dataset)
        return self.normalise(target), None if shown is None else halves(shown)[0]

    def told(self, samples: xr.Dataset) -> Tensor | None:
        """Those of the classes that are a coordinate of samples, if they have any."""
        if self.labels is None or self.labels.name not in samples.coords:
            return None
        return torch.from_numpy(self.labels.numbers(samples[self.labels.name].values))

    def normalise(self, fields: Tensor) -> Tensor:
        """Physical fields (N, channel, *grid) as metrics see them, rounded once, to float32."""
        filled = map(self._continued, blocks(fields))
        return torch.cat([self.statistics.normalise(block).float() for block in filled])

    def _continued(self, fields: Tensor) -> Tensor:
        """Fields that are harmonic at nodes without values."""
        mask = self.statistics.mask
        if mask is None:
            return fields
        n = self.basis.resolution(fields)
        if n not in self._fillings:
            self._fillings[n] = HarmonicFilling(mask, n)
        return self._fillings[n](fields)

    @cached_property
    def _fillings(self) -> dict[int, HarmonicFilling]:
        """By level, each factorised once."""
        return {}

    def __call__(
        self,
        samples: Tensor,
        reference: Tensor,
        classes: tuple[Tensor | None, Tensor | None] = (None, None),
    ) -> dict[str, float]:
        """The numbers of all metrics for two sets of normalised fields (N, channel, *grid).

        Those of fields with ``classes`` need the numbers of both; where there are such, all others
        see no more samples than there are reference fields. What is not defined for these samples
        is left out. Raises ValueError, naming the metric and the channel, where some are infinite,
        or not defined for the reference.
        """
        samples, reference = samples.to(self.device), reference.to(self.device)
        of_classes = self._of_classes((samples, reference), classes)
        if self.labels is not None:  # then there may be more
            samples = samples[: len(reference)]
        sets = {False: (samples, reference)}
        if any(metric.physical for metric in self.metrics.values()):
            sets[True] = self._physical(samples), self._physical(reference)
        apart: dict[str, float] = {}  # first, so that errors name the channel
        for name, numbers in self.channels.items():
            try:
                row = self._row(sets, list(numbers))
            except ValueError as error:
                raise ValueError(f"channel {name}: {error}") from error
            apart |= {of_channel(key, name): value for key, value in row.items()}
        return self._row(sets, slice(None)) | of_classes | apart

    def _of_classes(
        self, sets: tuple[Tensor, Tensor], classes: tuple[Tensor | None, Tensor | None]
    ) -> dict[str, float]:
        """The numbers of metrics of fields with classes; none where some have none."""
        own = [metric for metric in self.metrics.values() if isinstance(metric, OfClasses)]
        samples, reference = (
            None if numbers is None else Labelled(fields, numbers.to(self.device))
            for fields, numbers in zip(sets, classes, strict=True)
        )
        if not own or samples is None or reference is None:
            for metric in own:
                logger.info("no %s: it is about fields with classes", ", ".join(metric.results))
            return {}
        row: dict[str, float] = {}
        for compare in self._taught:
            row |= compare(samples, reference)
        return row

    @cached_property
    def _taught(self) -> list[Comparison]:
        """What the metrics of fields with classes have learned of training fields."""
        assert self.training is not None  # as metrics look at them
        assert self.classes is not None
        training = Labelled(self.training.to(self.device), self.classes.to(self.device))
        own = (metric for metric in self.metrics.values() if isinstance(metric, OfClasses))
        return [metric.taught(training, self.basis) for metric in own]

    def _row(
        self, sets: Mapping[bool, tuple[Tensor, Tensor]], chosen: slice | list[int]
    ) -> dict[str, float]:
        """The numbers for the chosen channels; those of physical fields come last."""
        row: dict[str, float] = {}
        basis = self.basis if isinstance(chosen, slice) else self.basis.select(chosen)
        for physical, (samples, reference) in sets.items():
            own = {
                k: metric
                for k, metric in self.metrics.items()
                if metric.physical == physical
                and (isinstance(chosen, slice) or not metric.joint)
                and not metric.labelled
            }
            present = self.present(samples)
            there = None if present is None else present[chosen]
            shown = None if physical or self.training is None else self.training.to(samples)
            row |= evaluate(own, samples[:, chosen], reference[:, chosen], basis, there, shown)
        return row

    def present(self, fields: Tensor) -> Tensor | None:
        """The nodes of a level that have values, None where all have."""
        mask = self.statistics.mask
        return None if mask is None else mask.at(self.basis.resolution(fields)).to(fields.device)

    def _physical(self, fields: Tensor) -> Tensor:
        """What normalised fields stand for, in double precision: means may be large."""
        return self.statistics.denormalise(fields.double())


def channels_of(dataset: xr.Dataset) -> dict[str, list[int]]:
    """The numbers of each channel among those of fields, by name; none if there is but one.

    The frames of series are channels, time by time: each channel has a number for each of them.
    """
    count = dataset.sizes["channel"]
    last = count * frames(dataset["field"])
    names = channel_names(dataset["channel"].values) if count > 1 else []
    return {name: list(range(c, last, count)) for c, name in enumerate(names)}
