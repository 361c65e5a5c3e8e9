"""Compare draws given data with a reference and the truth."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.judge_posteriors import judge_posterior

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    judge_posterior(
        job,
        observation=Path(snakemake.input.observation),
        draws=Path(snakemake.input.draws),
        reference=next(map(Path, snakemake.input.reference), None),
        data=Path(snakemake.input.data),
        output=Path(snakemake.output.metrics),
        classifiers=next(map(Path, snakemake.input.classifiers), None),
    )
