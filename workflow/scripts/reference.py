"""Compare real data, a Gaussian surrogate and white noise with test data."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.references import evaluate_references

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    evaluate_references(
        job,
        data=Path(snakemake.input.data),
        output=Path(snakemake.output.metrics),
        classifiers=next(map(Path, snakemake.input.classifiers), None),
    )
