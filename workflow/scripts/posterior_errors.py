"""Draw errors of the posteriors of one observation by resolution."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.posterior_errors import posterior_errors

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    posterior_errors(
        job,
        observation=snakemake.wildcards.observation,
        summary=Path(snakemake.input.summary),
        output=Path(snakemake.output.figure),
    )
