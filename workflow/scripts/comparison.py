"""Draw what tells the experiments on one data set apart: priors, losses, metrics and costs."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.comparison import comparison

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    comparison(
        job,
        data=Path(snakemake.input.data),
        summary=Path(snakemake.input.summary),
        histories=[Path(path) for path in snakemake.input.histories],
        figures={name: Path(path) for name, path in snakemake.output.items()},
    )
