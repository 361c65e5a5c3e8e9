"""Draw a data set by itself: fields, energy spectra and densities at every resolution."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff import parts
from fsdiff.data import storage
from fsdiff.data.masking import known
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
    fields, seen = {}, {}
    for path in map(Path, snakemake.input.data):
        dataset = storage.read(path, chunks="auto")
        n = int(path.stem)
        fields[n] = dataset["field"].isel(sample=slice(SAMPLES))
        seen[n] = known(fields[n], dataset)
    finest = fields[max(fields)]

    source, initial = parts.build("source", config["source"]), None
    if isinstance(source, Evolution):
        initial = source.initial_states(range(SAMPLES), config["seed"])

    series, shown = storage.is_series(finest), seen[max(seen)]
    save(
        evolution(shown.isel(sample=slice(ROWS))) if series else gallery(shown),
        snakemake.output.fields,
    )
    basis = parts.build("basis", config["basis"])
    save(hierarchy_spectra(fields, initial, basis=basis), snakemake.output.spectra)
    save(hierarchy_densities(seen), snakemake.output.densities)
