"""Draw a data set by itself: fields, energy spectra and densities at every resolution."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.data_pages import data_pages

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    data_pages(
        job,
        data={int(path.stem): path for path in map(Path, snakemake.input.data)},
        figures={name: Path(path) for name, path in snakemake.output.items()},
    )
