"""Write the page about a study."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.page import write_page

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    write_page(
        job,
        summary=next(map(Path, snakemake.input.summary), None),
        trajectories=next(map(Path, snakemake.input.trajectories), None),
        claims=next(map(Path, snakemake.input.claims), None),
        posteriors=next(map(Path, snakemake.input.posteriors), None),
        judged=next(map(Path, snakemake.input.judged), None),
        analyses=[Path(path) for path in snakemake.input.analyses],
        output=Path(snakemake.output.page),
    )
