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
        summary=next(map(Path, snakemake.input.summary), None),
        trajectories=next(map(Path, snakemake.input.trajectories), None),
        searches=[Path(path) for path in snakemake.input.searches],
        analyses=[Path(path) for path in snakemake.input.analyses],
        output=Path(snakemake.output.page),
    )
