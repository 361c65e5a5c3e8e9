"""Merge the shards of a data set, split it and measure its statistics."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff import hierarchy, logs, parts, storage
from fsdiff.workers import workers

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])

job = snakemake.params.job
shard = storage.Provenance(
    job["shard"]["config"], job["shard"]["code"], job["shard"]["config"]["seed"]
)
basis = parts.build("source", shard.config["source"]).basis

shards = [Path(path) for path in snakemake.input.shards]
with workers(snakemake.threads):
    merged = hierarchy.merge(shards, split=job["config"]["split"], expected=shard)
    storage.write(
        merged.assign(hierarchy.statistics(merged, basis)),
        snakemake.output.dataset,
        title=f"{snakemake.wildcards.dataset}, all samples",
        provenance=storage.Provenance(job["config"], job["code"], shard.seed),
    )
