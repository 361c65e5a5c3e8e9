"""Draw samples of a trained model at one resolution."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.jobs.places import states_beside
from fsdiff.stages.sample import sample

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    sample(
        job,
        weights=Path(snakemake.input.weights),
        output=Path(snakemake.output.samples),
        cost=Path(snakemake.output.cost),
        states=states_beside(Path(snakemake.output.samples)),
    )
