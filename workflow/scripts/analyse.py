"""Do one exact experiment."""

import logging
from typing import TYPE_CHECKING

import torch

from fsdiff import parts
from fsdiff.data import storage
from fsdiff.jobs.job import job_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)
    name = snakemake.wildcards.analysis
    logging.info("analysis '%s'", name)
    block = job["config"]["analysis"]
    storage.write(
        parts.build("analysis", block).run(),
        snakemake.output.results,
        title=f"analysis {name}",
        provenance=storage.Provenance.of_job(job, block.get("seed", 0)),
    )
