"""Draw how samples of the experiments on one data set come nearer to it during training."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.stages.progress import progress

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    progress(
        job,
        dataset=snakemake.wildcards.dataset,
        summary=Path(snakemake.input.summary),
        trajectories=Path(snakemake.input.trajectories),
        epochs=Path(snakemake.output.epochs),
        seconds=Path(snakemake.output.seconds),
    )
