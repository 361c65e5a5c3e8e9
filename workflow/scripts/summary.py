"""Gather the evaluations of all models and references in one table."""

from typing import TYPE_CHECKING

import pandas as pd

from fsdiff.data.storage import read_json
from fsdiff.jobs.job import job_of
from fsdiff.reports import tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    config = job["config"]
    evaluations = [
        *zip(config["references"], snakemake.input.references, strict=True),
        *zip(config["models"], snakemake.input.metrics, strict=True),
    ]
    if not evaluations:
        raise ValueError("nothing has been evaluated yet: there is nothing to summarise")
    table = pd.DataFrame(
        [identity | row for identity, path in evaluations for row in read_json(path)["rows"]]
    )
    identity = list(tables.IDENTITY)
    whole_numbers = dict.fromkeys(["seed", "resolution", "trained_at"], "Int64")
    table = table[[*identity, *table.columns.difference(identity, sort=False)]]
    tables.write(table.astype(whole_numbers), snakemake.output.summary)
