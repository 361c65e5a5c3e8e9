"""Gather what samples were like during training in one table."""

from typing import TYPE_CHECKING

import pandas as pd

from fsdiff.data.storage import read_results
from fsdiff.jobs.job import job_of
from fsdiff.reports import tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    evaluations = [
        read_results(path).drop_vars("resolution").to_dataframe().reset_index().assign(**identity)
        for identity, path in zip(
            job["config"]["models"], snakemake.input.trajectories, strict=True
        )
    ]
    table = pd.concat(evaluations)
    identity = [*tables.IDENTITY, "epoch", "seconds"]
    table = table[[*identity, *table.columns.difference(identity, sort=False)]]
    tables.write(table, snakemake.output.table)
