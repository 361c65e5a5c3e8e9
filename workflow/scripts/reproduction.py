"""Set the claims of a publication beside the summary of a study."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.reproduction import reproduction

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    reproduction(
        job,
        summary=Path(snakemake.input.summary),
        trajectories=next(map(Path, snakemake.input.trajectories), None),
        searches=[Path(path) for path in snakemake.input.searches],
        output=Path(snakemake.output.page),
    )
