"""Draw a data set by itself: fields, energy spectra and densities at every resolution."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff import parts
from fsdiff.data import storage
from fsdiff.data.sources.evolution import Evolution
from fsdiff.jobs.job import job_of
from fsdiff.reports.plotting.data import gallery, hierarchy_densities, hierarchy_spectra
from fsdiff.reports.plotting.solutions import evolution
from fsdiff.reports.plotting.style import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SAMPLES, ROWS = 64, 3

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    config = job["config"]
    fields = {}
    for path in map(Path, snakemake.input.data):
        dataset = storage.read(path, chunks="auto")
        fields[int(path.stem)] = dataset["field"].isel(sample=slice(SAMPLES))
    finest = fields[max(fields)]

    source, initial = parts.build("source", config["source"]), None
    if isinstance(source, Evolution):
        initial = source.initial_states(range(SAMPLES), config["seed"])

    series = storage.is_series(finest)
    save(
        evolution(finest.isel(sample=slice(ROWS))) if series else gallery(finest),
        snakemake.output.fields,
    )
    basis = parts.build("basis", config["basis"])
    save(hierarchy_spectra(fields, initial, basis=basis), snakemake.output.spectra)
    save(hierarchy_densities(fields), snakemake.output.densities)
