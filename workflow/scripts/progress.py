"""Draw how samples of the experiments on one data set come nearer to it during training."""

from typing import TYPE_CHECKING

from fsdiff.jobs.job import job_of
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.plotting.progress import metric_by_epoch
from fsdiff.reports.plotting.style import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    known = [Words(**item) for item in job["config"]["words"]]
    summary, trajectories = (
        table[table["dataset"] == snakemake.wildcards.dataset]
        for table in map(tables.read, (snakemake.input.summary, snakemake.input.trajectories))
    )
    for against, path in (
        ("epoch", snakemake.output.epochs),
        ("seconds", snakemake.output.seconds),
    ):
        save(metric_by_epoch(trajectories, summary, against=against, known=known), path)
