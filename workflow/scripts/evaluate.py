"""Compare samples of a model with test data."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.evaluate import evaluate_samples

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    evaluate_samples(
        job,
        samples=Path(snakemake.input.samples),
        data=Path(snakemake.input.data),
        weights=Path(snakemake.input.weights),
        histories=[Path(path) for path in snakemake.input.histories],
        cost=Path(snakemake.input.cost),
        output=Path(snakemake.output.metrics),
        classifiers=next(map(Path, snakemake.input.classifiers), None),
    )
