"""Draw samples of all experiments beside data at one resolution, with spectra and densities."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.fields import fields

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    fields(
        job,
        data=Path(snakemake.input.data),
        samples=[Path(path) for path in snakemake.input.samples],
        figures={name: Path(path) for name, path in snakemake.output.items()},
    )
