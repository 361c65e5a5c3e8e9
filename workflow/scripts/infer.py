"""Draw functions given what is observed of them, or a shard of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.jobs.places import states_beside
from fsdiff.stages.infer import infer, infer_shard

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    read = {
        "weights": Path(snakemake.input.weights),
        "observation": Path(snakemake.input.observation),
        "training": next(map(Path, snakemake.input.training), None),
    }
    output, *costs = map(Path, snakemake.output)
    states = states_beside(output)
    if costs:
        shards = [Path(path) for path in snakemake.input.shards]
        infer(job, **read, shards=shards, output=output, cost=costs[0], states=states)
    else:
        first, last = int(snakemake.wildcards.first), int(snakemake.wildcards.last)
        infer_shard(job, range(first, last + 1), **read, output=output, states=states)
