"""Gather what samples were like during training in one table."""

from typing import TYPE_CHECKING

import pandas as pd

from fsdiff import logs, tables
from fsdiff.storage import read_results

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])

evaluations = [
    read_results(path).drop_vars("resolution").to_dataframe().reset_index().assign(**identity)
    for identity, path in zip(
        snakemake.params.job["config"]["models"], snakemake.input.trajectories, strict=True
    )
]
table = pd.concat(evaluations)
identity = ["experiment", "title", "dataset", "row", "seed", "resolution", "trained_at"]
identity += ["epoch", "seconds"]
table = table[[*identity, *table.columns.difference(identity, sort=False)]]
tables.write(table, snakemake.output.table)
