"""Gather what samples were like during training in one table."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.trajectories import gather_trajectories

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    gather_trajectories(
        job,
        trajectories=[Path(path) for path in snakemake.input.trajectories],
        output=Path(snakemake.output.table),
    )
