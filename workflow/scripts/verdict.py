"""Say in words how near experiments come to data, for the first page of the report."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.verdict import verdict

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    verdict(
        job,
        summary=Path(snakemake.input.summary),
        pictures=[Path(path) for path in snakemake.input.pictures],
        text=Path(snakemake.output.text),
        page=Path(snakemake.output.page),
    )
