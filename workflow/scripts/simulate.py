"""Make one shard of a data set."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.jobs.places import states_beside
from fsdiff.stages.simulate import simulate

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    dataset, shard = snakemake.wildcards.dataset, Path(snakemake.output.shard)
    first, last = int(snakemake.wildcards.first), int(snakemake.wildcards.last)
    logging.info("samples %d to %d of data set '%s'", first, last, dataset)
    simulate(
        job,
        range(first, last + 1),
        output=shard,
        state=states_beside(shard) / f"simulate-{dataset}-{first}-{last}-{job['lineage']}",
        title=f"{dataset}, samples {first} to {last}",
    )
