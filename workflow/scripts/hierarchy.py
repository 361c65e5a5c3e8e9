"""Restrict a data set to one resolution of its hierarchy."""

from typing import TYPE_CHECKING

from fsdiff import parts
from fsdiff.data import hierarchy, storage
from fsdiff.jobs.job import job_of
from fsdiff.jobs.workers import workers

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    config = job["config"]
    fine = storage.read(snakemake.input.dataset, chunks="auto")
    coarse = hierarchy.restrict(
        fine,
        config["resolution"],
        parts.build("downsampling", config["downsampling"]),
        parts.build("basis", config["basis"]),
    )
    with workers(snakemake.threads):
        storage.write(
            coarse,
            snakemake.output.data,
            title=f"{snakemake.wildcards.dataset} on a grid of {config['resolution']} × "
            f"{config['resolution']}",
            provenance=storage.Provenance.of_job(job, storage.Provenance.of(fine).seed),
        )
