"""Draw how samples of the experiments on one data set come nearer to it during training."""

from typing import TYPE_CHECKING

from fsdiff import tables
from fsdiff.jobs import job_of
from fsdiff.plotting.progress import metric_by_epoch
from fsdiff.plotting.style import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__):
    summary, trajectories = (
        table[table["dataset"] == snakemake.wildcards.dataset]
        for table in map(tables.read, (snakemake.input.summary, snakemake.input.trajectories))
    )
    save(metric_by_epoch(trajectories, summary), snakemake.output.epochs)
    save(metric_by_epoch(trajectories, summary, against="seconds"), snakemake.output.seconds)
