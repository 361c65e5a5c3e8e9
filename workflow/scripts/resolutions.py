"""Draw the same data and the same samples of one experiment at every resolution."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.data import storage
from fsdiff.jobs.job import job_of
from fsdiff.reports.plotting.fields import resolution_grid
from fsdiff.reports.plotting.grids import grid_of
from fsdiff.reports.plotting.style import quantity_of, save
from fsdiff.stages.files import fields_of, shown

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    experiment = job["config"]["experiments"][0]
    data, samples, grids = {}, {}, {}
    for path in map(Path, snakemake.input.data):
        with storage.read(path, chunks="auto") as dataset:
            data[int(path.stem)] = shown(dataset, "test")
            quantity = quantity_of(dataset)
    for path in map(Path, snakemake.input.samples):
        samples[int(path.stem)] = fields_of(path)
        with storage.read(path, chunks="auto") as dataset:
            grids[int(path.stem)] = grid_of(dataset["field"])

    figure = resolution_grid(
        samples,
        data,
        title=experiment["title"],
        finest_trained=experiment["levels"][-1],
        quantity=quantity,
        grids=grids,
    )
    save(figure, snakemake.output.figure)
