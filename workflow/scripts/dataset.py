"""Merge the shards of a data set, split it and measure its statistics."""

from pathlib import Path
from typing import TYPE_CHECKING

import dask
import torch

from fsdiff import hierarchy, logs, parts, storage

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])
torch.set_num_threads(1)  # chunks run in parallel instead
dask.config.set(scheduler="threads", num_workers=snakemake.threads)

job = snakemake.params.job
shard = storage.Provenance(
    job["shard"]["config"], job["shard"]["code"], job["shard"]["config"]["seed"]
)
basis = parts.build("source", shard.config["source"]).basis

shards = [Path(path) for path in snakemake.input.shards]
merged = hierarchy.merge(shards, split=job["config"]["split"], expected=shard)
storage.write(
    merged.merge(hierarchy.statistics(merged, basis), combine_attrs="override"),
    snakemake.output.dataset,
    title=f"{snakemake.wildcards.dataset}, all samples",
    provenance=storage.Provenance(job["config"], job["code"], shard.seed),
)
