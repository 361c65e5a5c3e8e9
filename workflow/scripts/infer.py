"""Draw functions given what is observed of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.jobs.places import states_beside
from fsdiff.stages.infer import infer

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    infer(
        job,
        weights=Path(snakemake.input.weights),
        observation=Path(snakemake.input.observation),
        output=Path(snakemake.output.draws),
        cost=Path(snakemake.output.cost),
        states=states_beside(Path(snakemake.output.draws)),
    )
