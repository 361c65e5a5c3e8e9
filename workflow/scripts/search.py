"""Compare hyperparameters on a coarse grid and on a fine one."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.search import search

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    search(
        job,
        metrics=[Path(path) for path in snakemake.input.metrics],
        table=Path(snakemake.output.table),
        agreement=Path(snakemake.output.agreement),
        figure=Path(snakemake.output.figure),
    )
