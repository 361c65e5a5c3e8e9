"""Draw samples of all experiments beside data at one resolution, with spectra and densities."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure
from torch import Tensor

from fsdiff.data import storage
from fsdiff.data.statistics import Statistics
from fsdiff.measures.surrogate import gaussian_fields
from fsdiff.metrics.spectra import radial_spectrum
from fsdiff.parts import build
from fsdiff.reports.plotting.distributions import densities
from fsdiff.reports.plotting.fields import sample_grid
from fsdiff.reports.plotting.grids import Grid, grid_of, kind_of
from fsdiff.reports.plotting.spectra import spectra
from fsdiff.reports.plotting.style import per, quantity_of, save, squared, unit_of
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.shells import shell_energy
from fsdiff.stages.files import fields_of, split
from fsdiff.stages.job import Job


@dataclass(frozen=True)
class Reference:
    """Test fields (samples, channel, *grid) at one resolution, and what figures say of them."""

    basis: Basis
    fields: Tensor
    statistics: Statistics
    quantity: str
    energy_name: str
    """What squares are called, with their unit."""
    slope: str
    """What derivatives are called, with their unit."""
    grid: Grid
    lengths: Mapping[str, float]
    """Of a unit of the basis, by axis; of those along which derivatives have the same unit."""

    @classmethod
    def of(cls, path: Path, basis: Basis) -> "Reference":
        """Those of a data set's file."""
        with storage.read(path, chunks="auto") as dataset:
            fields = split(dataset, "test")
            statistics, unit = Statistics.of(dataset), unit_of(dataset["field"])
            along = unit_of(dataset[basis.axes[-1].name])
            return cls(
                basis,
                _emptied(fields, statistics),
                statistics,
                quantity_of(dataset),
                quantity_of(dataset, squared(unit)),
                f"derivative of {quantity_of(dataset, per(unit, kind_of(along)))}",
                grid_of(dataset["field"]),
                _lengths(dataset, basis, basis.resolution(fields)),
            )

    @property
    def resolution(self) -> int:
        """The level of the grid."""
        return self.basis.resolution(self.fields)

    def surrogate(self) -> Tensor:
        """Gaussian fields with the mean and the spectrum of the data, as many as these."""
        measured = self.statistics.measured(self.basis)
        fields = gaussian_fields(measured, self.resolution, range(len(self.fields)), seed=0)
        return _emptied(self.statistics.denormalise(fields), self.statistics)

    def energy(self, fields: Tensor) -> Tensor:
        """Of their first channel, by shell; nodes without values are filled."""
        if mask := self.statistics.mask:
            fields = HarmonicFilling(mask, self.resolution)(fields)
        return radial_spectrum(fields, self.basis)[1][0]

    def noise(self, experiments: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Energy of each experiment's noise by shell, in the unit of the data's first channel.

        None of data with transforms, in whose unit there is no noise.
        """
        if self.statistics.transforms is not None:
            return {}
        n, scale = self.resolution, self.statistics.scale[0].square()
        priors = {i["name"]: build("prior", i["prior"]) for i in experiments if "prior" in i}
        return {
            name: scale * shell_energy(prior.eigenvalues(self.basis, n), self.basis, n)
            for name, prior in priors.items()
        }


def _emptied(fields: Tensor, statistics: Statistics) -> Tensor:
    return fields if statistics.mask is None else statistics.mask.emptied(fields)


def _lengths(dataset: xr.Dataset, basis: Basis, n: int) -> dict[str, float]:
    """Of a unit of the basis in that of the positions, along axes that have the last one's unit."""
    units = {axis.name: kind_of(unit_of(dataset[axis.name])) for axis in basis.axes}
    return {
        name: float((nodes[-1] - nodes[0]) / (own[-1] - own[0]))
        for (name, unit), own in zip(units.items(), basis.axis_nodes(n), strict=True)
        for nodes in [dataset[name].values]
        if unit == units[basis.axes[-1].name] and len(nodes) > 1
    }


def fields(job: Job, *, data: Path, samples: Sequence[Path], figures: Mapping[str, Path]) -> None:
    """Draw samples, a file for each experiment, beside the test fields of ``data``.

    ``figures`` are the paths of ``samples``, ``spectra`` and ``densities``.
    """
    config = job["config"]
    experiments = config["experiments"]
    reference = Reference.of(data, build("basis", config["basis"]))
    drawn = {item["name"]: fields_of(path) for item, path in zip(experiments, samples, strict=True)}
    for name, figure in _figures(reference, drawn, experiments):
        save(figure, figures[name])


def _figures(
    reference: Reference, samples: Mapping[str, Tensor], experiments: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Figure]]:
    basis, data, surrogate = reference.basis, reference.fields, reference.surrogate()
    titles = {item["name"]: item["title"] for item in experiments}
    places = [item["place"] for item in experiments]
    called: dict[str, Any] = {"titles": titles}
    grid, quantity = reference.grid, reference.quantity
    yield (
        "samples",
        sample_grid(data, samples, surrogate=surrogate, grid=grid, quantity=quantity, **called),
    )

    yield (
        "spectra",
        spectra(
            reference.energy(data),
            {name: reference.energy(values) for name, values in samples.items()},
            basis=basis,
            resolution=reference.resolution,
            levels=sorted({level for item in experiments for level in item["levels"]}),
            surrogate=reference.energy(surrogate),
            priors=reference.noise(experiments),
            places=places,
            quantity=reference.energy_name,
            **called,
        ),
    )
    yield (
        "densities",
        densities(
            data[:, :1],
            {name: values[:, :1] for name, values in samples.items()},
            surrogate=surrogate[:, :1],
            basis=basis,
            lengths=reference.lengths,
            places=places,
            quantity=quantity,
            slope=reference.slope,
            **called,
        ),
    )
