"""Draw a data set by itself: fields, energy spectra and densities at every resolution."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from fsdiff.data import storage
from fsdiff.data.masking import known
from fsdiff.data.sources.evolution import Evolution
from fsdiff.parts import build
from fsdiff.reports.plotting.data import gallery, hierarchy_densities, hierarchy_spectra
from fsdiff.reports.plotting.solutions import evolution
from fsdiff.reports.plotting.style import save
from fsdiff.stages.job import Job

SAMPLES = 64
"""How many fields of a data set spectra and densities are of."""

ROWS = 3
"""How many of them are drawn, where they are series."""


def data_pages(job: Job, *, data: Mapping[int, Path], figures: Mapping[str, Path]) -> None:
    """Draw a data set, a file for each resolution.

    ``figures`` are the paths of ``fields``, ``spectra`` and ``densities``. Spectra of equations in
    time have that of the initial states beside them.
    """
    config = job["config"]
    stored = {n: storage.read(path, chunks="auto") for n, path in data.items()}
    fields = {n: dataset["field"].isel(sample=slice(SAMPLES)) for n, dataset in stored.items()}
    seen = {n: known(fields[n], dataset) for n, dataset in stored.items()}
    source = build("source", config["source"])
    initial = None
    if isinstance(source, Evolution):
        initial = source.initial_states(range(SAMPLES), config["seed"])
    basis = build("basis", config["basis"])
    drawn = dict(_figures(seen))
    drawn["spectra"] = hierarchy_spectra(fields, initial, basis=basis)
    for name, path in figures.items():
        save(drawn[name], path)


def _figures(seen: Mapping[int, xr.DataArray]) -> Iterator[tuple[str, Figure]]:
    """Those of the fields as people are shown them."""
    finest = seen[max(seen)]
    series = storage.is_series(finest)
    yield "fields", evolution(finest.isel(sample=slice(ROWS))) if series else gallery(finest)
    yield "densities", hierarchy_densities(seen)
