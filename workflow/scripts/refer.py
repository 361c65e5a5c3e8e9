"""Draw from the true posteriors of what was observed at one resolution."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.jobs.places import states_beside
from fsdiff.stages.refer import refer

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    refer(
        job,
        observation=Path(snakemake.input.observation),
        output=Path(snakemake.output.draws),
        states=states_beside(Path(snakemake.output.draws)),
    )
