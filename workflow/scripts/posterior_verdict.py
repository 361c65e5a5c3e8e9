"""Say in words how near posteriors come to the true ones, for the first page of the report."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.posterior_reports import posterior_verdict

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    posterior_verdict(
        job,
        summary=Path(snakemake.input.summary),
        baselines=[Path(path) for path in snakemake.input.baselines],
        posteriors=[Path(path) for path in snakemake.input.posteriors],
        calibrated=[Path(path) for path in snakemake.input.calibrated],
        pictures=[Path(path) for path in snakemake.input.pictures],
        text=Path(snakemake.output.text),
        page=Path(snakemake.output.page),
    )
