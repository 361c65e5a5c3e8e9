"""Lay out the summary as a page for the report."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.table import lay_out_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    lay_out_table(job, summary=Path(snakemake.input.summary), output=Path(snakemake.output.table))
