"""Draw the same data and the same samples of one experiment at every resolution."""

from collections.abc import Mapping
from pathlib import Path

from fsdiff.data import storage
from fsdiff.reports.plotting.fields import resolution_grid
from fsdiff.reports.plotting.grids import grid_of
from fsdiff.reports.plotting.style import quantity_of, save
from fsdiff.stages.files import fields_of, shown
from fsdiff.stages.job import Job


def resolutions(
    job: Job, *, data: Mapping[int, Path], samples: Mapping[int, Path], figure: Path
) -> None:
    """Draw test fields and samples, a file of each for every resolution, to ``figure``."""
    (experiment,) = job["config"]["experiments"]
    fields, grids = {}, {}
    for n, path in data.items():
        with storage.read(path, chunks="auto") as dataset:
            fields[n] = shown(dataset, "test")
            quantity, grids[n] = quantity_of(dataset), grid_of(dataset["field"])
    for n, path in samples.items():
        with storage.read(path, chunks="auto") as dataset:
            grids[n] = grid_of(dataset["field"])
    drawn = resolution_grid(
        {n: fields_of(path) for n, path in samples.items()},
        fields,
        title=experiment["title"],
        finest_trained=experiment["levels"][-1],
        quantity=quantity,
        grids=grids,
    )
    save(drawn, figure)
