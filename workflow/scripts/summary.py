"""Gather the evaluations of all models and references in one table."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.summary import summarise

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    summarise(
        job,
        references=[Path(path) for path in snakemake.input.references],
        models=[Path(path) for path in snakemake.input.metrics],
        output=Path(snakemake.output.summary),
    )
