"""Restrict a data set to one resolution of its hierarchy."""

from typing import TYPE_CHECKING

from fsdiff import parts
from fsdiff.data import hierarchy, storage
from fsdiff.jobs.job import job_of
from fsdiff.jobs.workers import workers
from fsdiff.spaces.axes import shape_text

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    config = job["config"]
    resolution = config["resolution"]
    basis, downsampling = (parts.build(key, config[key]) for key in ("basis", "downsampling"))
    fine = storage.read(snakemake.input.dataset, chunks="auto")
    with workers(snakemake.threads):
        if config["transforms"]:
            fine = hierarchy.with_transforms(fine, config["transforms"], basis)
        coarse = hierarchy.restrict(fine, resolution, downsampling, basis)
        storage.write(
            coarse,
            snakemake.output.data,
            title=f"{snakemake.wildcards.dataset} on {shape_text(basis.grid(resolution))} nodes",
            provenance=storage.Provenance.of_job(job, storage.Provenance.of(fine).seed),
        )
