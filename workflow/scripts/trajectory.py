"""Evaluate samples of a model with the weights that were kept while it was trained."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.jobs.places import states_beside
from fsdiff.stages.trajectory import trajectory

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    trajectory(
        job,
        weights=Path(snakemake.input.weights),
        kept=Path(snakemake.input.kept),
        histories=[Path(path) for path in snakemake.input.histories],
        data=Path(snakemake.input.data),
        output=Path(snakemake.output.trajectory),
        states=states_beside(Path(snakemake.output.trajectory)),
        classifiers=next(map(Path, snakemake.input.classifiers), None),
        training=next(map(Path, snakemake.input.training), None),
    )
