"""Gather what was judged of all posteriors and baselines in one table."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.posterior_summary import summarise_posteriors

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    summarise_posteriors(
        job,
        baselines=[Path(path) for path in snakemake.input.baselines],
        posteriors=[Path(path) for path in snakemake.input.posteriors],
        output=Path(snakemake.output.summary),
    )
