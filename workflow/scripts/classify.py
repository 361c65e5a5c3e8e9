"""Train classifiers of a data set that metrics ask what samples look like."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.classify import classify

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    classify(
        job,
        data=Path(snakemake.input.data),
        output=Path(snakemake.output.classifiers),
    )
