"""Make the model of an experiment that has nothing to train."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.measure import measure

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    measure(
        job,
        data=Path(snakemake.input.data),
        weights=Path(snakemake.output.weights),
        sidecar=Path(snakemake.output.sidecar),
    )
