"""Merge the shards of a data set, split it and measure its statistics."""

from pathlib import Path
from typing import TYPE_CHECKING

from fsdiff import parts
from fsdiff.data import hierarchy, storage
from fsdiff.jobs.job import job_of
from fsdiff.jobs.workers import workers

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    shard = storage.Provenance.of_job(job["shard"])
    basis = parts.build("source", shard.config["source"]).basis

    shards = [Path(path) for path in snakemake.input.shards]
    with workers(snakemake.threads):
        merged = hierarchy.merge(shards, split=job["config"]["split"], expected=shard)
        storage.write(
            merged.assign(hierarchy.statistics(merged, basis)),
            snakemake.output.dataset,
            title=f"{snakemake.wildcards.dataset}, all samples",
            provenance=storage.Provenance.of_job(job, shard.seed),
        )
