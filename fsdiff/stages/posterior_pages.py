"""Draw posteriors of one observation at one resolution beside truth, data and reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from matplotlib.figure import Figure
from torch import Tensor

from fsdiff.data import json_files, storage
from fsdiff.data.masking import known, mask_in
from fsdiff.data.storage import Provenance, grid_axes
from fsdiff.inverse.observations.base import Observation
from fsdiff.metrics.posterior.base import Cases
from fsdiff.parts import build
from fsdiff.reports.plotting.panels import remark
from fsdiff.reports.plotting.posteriors.calibration import Calibrated, calibration
from fsdiff.reports.plotting.posteriors.fields import posterior_fields
from fsdiff.reports.plotting.posteriors.places import in_nodes
from fsdiff.reports.plotting.posteriors.resolutions import across_resolutions
from fsdiff.reports.plotting.posteriors.scene import (
    REFERENCE,
    TRUTH,
    Ensemble,
    Scene,
    ensembles,
)
from fsdiff.reports.plotting.posteriors.spread import Spread, spread_over_time
from fsdiff.reports.plotting.style import save, unit_of
from fsdiff.reports.posteriors.ranks import Ranks
from fsdiff.reports.posteriors.seen import Dots, Shown, frames_seen, seen
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.masks import Mask
from fsdiff.stages.files import frames_as_channels
from fsdiff.stages.job import Job
from fsdiff.stages.observed import physical_draws

MODES = 10
"""Leading coefficients of each channel whose ranks are drawn."""

RANKED = 200
"""Draws among which truths are ranked, at most: of more, that many at equal distances."""

CHANNELS = 4
"""Channels that are shown, at most: of more, such as frames of series, these at equal distances."""


@dataclass(frozen=True)
class Files:
    """What a figure of the posteriors of an observation is made of.

    ``posteriors`` are files of draws in the order of the configuration, ``references`` those of the
    true posterior, if there are any, and ``data`` those of the data set, one for each grid.
    """

    observation: Path
    posteriors: Sequence[Path]
    references: Sequence[Path]
    data: Sequence[Path]

    @classmethod
    def of(cls, inputs: Any) -> "Files":
        """The inputs of a job."""
        lists = (inputs.posteriors, inputs.references, inputs.data)
        paths = ([item] if isinstance(item, str) else item for item in lists)
        return cls(Path(inputs.observation), *([Path(path) for path in item] for item in paths))


def draw_posteriors(
    job: Job, files: Files, *, fields: Path, coverage: Path, calibrated: Path
) -> None:
    """Draw the fields of the first case, and calibration over all cases.

    ``calibrated`` gets the numbers for the verdict.
    """
    problem = Inverse.read(job["config"], files)
    ranked = dict(problem.ranked())
    save(posterior_fields(problem.scene(0), problem.shown(0)), fields)
    unknown = remark("of measurements no truth is known that could be ranked")
    save(calibration([*ranked.values()], problem.heading) if ranked else unknown, coverage)
    rows = [
        {"posterior": name, "draws": count, **_numbers(ranked.get(name))}
        for name, count in problem.counts.items()
    ]
    told = {"rows": rows, "converged": not problem.remark, "remark": problem.remark}
    json_files.write(calibrated, {**told, **Provenance.of_job(job).attributes()})


def draw_forecast(job: Job, files: Files, *, output: Path) -> None:
    """Draw error and spread of forecasts: posteriors of observations of frames."""
    save(Inverse.read(job["config"], files).forecast(), output)


def draw_resolutions(job: Job, files: Files, *, output: Path) -> None:
    """Draw mean and deviation of the first case on all grids.

    Posteriors and references are those that the configuration has under ``drawn``, grid by grid.
    """
    config = job["config"]
    own, true, drawn = iter(files.posteriors), iter(files.references), {}
    for item, path in zip(config["drawn"], files.data, strict=True):
        read = [next(own) for _ in item["posteriors"]]
        references = [next(true)] if item["reference"] else []
        here = Files(files.observation, read, references, [path])
        problem = Inverse.read({**config, **item}, here)
        drawn[item["resolution"]] = problem.scene(0), problem.shown(0)
    save(across_resolutions(drawn), output)


def _numbers(own: Calibrated | None) -> dict[str, Any]:
    """Coverage of 90 % intervals, what chance allows of it, and the test of the ranks.

    Nothing of what has no ranks.
    """
    if own is None:
        return {}
    ((low,), (high,)) = own.nodes.coverage_by_chance([0.9]).tolist()
    return {
        "coverage": float(own.nodes.coverage([0.9])[0]),
        "low": low,
        "high": high,
        "p_value": own.modes.p_value(own.modes.bins()),
    }


def _continued(draws: Tensor, mask: Mask | None) -> Tensor:
    """Draws with values at all nodes, as the truths have them."""
    return draws if mask is None else HarmonicFilling(mask, mask.basis.resolution(draws))(draws)


@dataclass(frozen=True, eq=False)
class Inverse:
    """An observation of some functions and draws of its posteriors, on one grid.

    ``truth`` is (case, channel, *grid), ``draws`` (case, draw, channel, *grid) of each posterior by
    name, the reference first under an empty name. ``like`` are the same truths with their names and
    coordinates, NaN where the data have no values; ``places`` are those of the posteriors among all
    of the observation; ``remark`` says why the reference is none. One that was drawn on a coarser
    grid, ``reference_grid``, is the same functions here. Of measurements the mean of the first
    posterior stands for the truth, ``called`` so.
    """

    basis: Basis
    operator: Observation
    truth: Tensor
    data: np.ndarray
    draws: Mapping[str, Tensor]
    titles: Mapping[str, str]
    places: Sequence[int]
    like: xr.DataArray
    samples: Sequence[int]
    title: str
    remark: str = ""
    called: str = TRUTH
    reference_grid: int = 0

    @classmethod
    def read(cls, config: Mapping[str, Any], given: Files) -> "Inverse":
        """From files on one grid; the truth is that of the data set on it."""
        basis: Basis = build("basis", config["basis"])
        observed = storage.read_results(given.observation)
        names = [item["name"] for item in config["posteriors"]]
        files = dict(zip(names, map(storage.read_results, given.posteriors), strict=True))
        remark = ""
        for reference in given.references:
            files = {"": storage.read_results(reference), **files}
            remark = "" if files[""].attrs["converged"] else str(files[""].attrs["remark"])
        samples, known_truth = observed["sample"].values.tolist(), "truth" in observed
        (data,) = given.data
        with storage.read(data, chunks="auto") as dataset:
            field = dataset["field"]
            chosen = field.sel(sample=samples) if known_truth else field[[0] * len(samples)]
            field = chosen.compute()
            like, mask = known(field, dataset), mask_in(dataset)
        draws = {name: _continued(physical_draws(file), mask) for name, file in files.items()}
        n, reference_grid = basis.resolution(frames_as_channels(field)), 0
        if "" in draws:
            reference_grid = basis.resolution(draws[""])
            draws[""] = basis.prolong(draws[""], n)
        titles = {item["name"]: item["title"] for item in config["posteriors"]}
        truth, called = frames_as_channels(field).double(), TRUTH
        if not known_truth:
            first = next(iter(draws))
            truth = draws[first].mean(1, dtype=torch.float64)
            called = f"mean of {titles.get(first, REFERENCE)}"
        return cls(
            basis=basis,
            operator=build("operator", config["operator"]),
            truth=truth,
            data=observed["data"].values,
            draws=draws,
            titles=titles,
            places=[item["place"] for item in config["posteriors"]],
            like=like,
            samples=samples,
            title=config["title"],
            remark=remark,
            called=called,
            reference_grid=reference_grid,
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many draws there are of each."""
        return {name: own.shape[1] for name, own in self.draws.items()}

    @property
    def heading(self) -> str:
        """What is observed, and the level."""
        return f"{self.title} at resolution {self.n}"

    @property
    def n(self) -> int:
        """The level of the fields."""
        return self.basis.resolution(self.truth)

    def scene(self, case: int) -> Scene:
        """A case: the truth with its coordinates, and what is seen of it."""
        shown = seen(self.operator, self.basis, self.truth.shape[1], self.data[case], self.n)
        chosen = self._chosen
        return Scene(
            self._labelled(self._known(self.truth)[case]).isel(channel=chosen),
            {
                place: [self._placed(item) for item in shown[channel]]
                for place, channel in enumerate(chosen)
                if channel in shown
            },
            f"{self.title}: {'sample' if self.called == TRUTH else 'case'} {self.samples[case]}",
            self.called,
        )

    def _placed(self, item: Shown) -> Shown:
        """What is seen, its places counted in nodes."""
        if not isinstance(item, Dots):
            return item
        return replace(item, places=in_nodes(item.places, self.basis, self.n))

    def _known(self, fields: Tensor) -> np.ndarray:
        """Fields (case, …, channel, *grid) with NaN where the data have no values."""
        empty = frames_as_channels(self.like).isnan()
        while empty.ndim < fields.ndim:
            empty = empty[:, None]
        return torch.where(empty, torch.nan, fields).numpy()

    def shown(self, case: int) -> list[Ensemble]:
        """The draws of a case."""
        own = {
            name: self._known(draws)[case][:, self._chosen] for name, draws in self.draws.items()
        }
        reference = own.pop("", None)
        named = {self.titles[name]: draws for name, draws in own.items()}
        called = f"{REFERENCE} at {self.reference_grid}" if self._from_coarser else REFERENCE
        return ensembles(named, reference, self.remark, self.places, called)

    def ranked(self) -> Iterator[tuple[str, Calibrated]]:
        """Ranks of the truths, if they are known, among the draws of each posterior, all cases.

        Functions of a coarser grid have not all that truths have, and are left out.
        """
        if self.called != TRUTH:
            return
        for (name, draws), style in zip(self.draws.items(), self.shown(0), strict=True):
            if self._from_coarser and not name:
                continue
            step = np.linspace(0, draws.shape[1] - 1, min(RANKED, draws.shape[1]))
            kept = draws[:, np.rint(step).astype(int)].double()
            title = style.label.replace("\n", " ")
            yield name, Calibrated(title, self._at_nodes(kept), self._in_modes(kept), style.colour)

    def _at_nodes(self, draws: Tensor) -> Ranks:
        """Ranks at all nodes that have values."""
        pairs, at = zip(draws, self.truth, strict=True), self._present
        return Ranks.of((own[:, at].numpy(), truth[at].numpy()) for own, truth in pairs)

    def _in_modes(self, draws: Tensor) -> Ranks:
        """Ranks in the leading coefficients."""
        cases = Cases(draws, self.basis, truth=self.truth, present=self._present).weighted()
        assert cases.truth is not None
        own, truth = (cases.leading(u, MODES).numpy() for u in (cases.draws, cases.truth))
        return Ranks.of(zip(own, truth, strict=True))

    @property
    def _present(self) -> Tensor:
        """The nodes (channel, *grid) that have values."""
        return ~frames_as_channels(self.like)[0].isnan()

    def forecast(self) -> Figure:
        """Error and spread along the axis of the frames that are seen."""
        frames = frames_seen(self.operator)
        assert frames is not None  # or there is no such figure
        number = [axis.name for axis in self.basis.axes].index(frames.axis)
        nodes = self.basis.axis_nodes(frames.resolution)[number][list(frames.frames)]
        places = np.zeros((len(nodes), self.basis.dimension))
        places[:, number] = nodes
        observed = np.rint(in_nodes(places, self.basis, self.n)[:, number]).astype(int)
        spreads = [
            Spread.of(style.label, draws.numpy(), self._known(self.truth), number, style.colour)
            for (name, draws), style in zip(self.draws.items(), self.shown(0), strict=True)
            if name or not self._from_coarser
        ]
        along = self.like[grid_axes(self.like)[number]]
        unit = unit_of(along)
        scene = self.scene(0)
        return spread_over_time(
            spreads,
            along.values,
            observed.tolist(),
            {c: scene.quantity(place) for place, c in enumerate(self._chosen)},
            axis=str(along.name) if unit == "1" else f"{along.name} [{unit}]",
            title=self.heading,
        )

    @property
    def _from_coarser(self) -> bool:
        """Whether the reference was drawn on a coarser grid."""
        return 0 < self.reference_grid < self.n

    @property
    def _chosen(self) -> list[int]:
        """The channels that are shown."""
        last = self.truth.shape[1] - 1
        found = np.rint(np.linspace(0, last, min(CHANNELS, last + 1))).astype(int)
        return np.unique(found).tolist()

    def _labelled(self, fields: np.ndarray) -> xr.DataArray:
        """Fields (channel, *grid) with their names and coordinates; frames are channels."""
        axes = grid_axes(self.like)
        coordinates: dict[str, Any] = {axis: self.like[axis] for axis in axes}
        names = [str(name) for name in self.like["channel"].values]
        if "time" in self.like.dims:
            times = self.like["time"].values
            names = [f"{name}, t = {time:.3g}" for time in times for name in names]
        attributes = self.like.attrs
        coordinates["channel"] = names
        return xr.DataArray(fields, coordinates, ("channel", *axes), attrs=attributes)
