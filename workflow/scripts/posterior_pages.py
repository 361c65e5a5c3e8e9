"""Draw posteriors of an observation at one resolution beside truth, data and reference."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.posterior_pages import Files, draw_posteriors

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    draw_posteriors(
        job,
        Files.of(snakemake.input),
        fields=Path(snakemake.output.fields),
        coverage=Path(snakemake.output.calibration),
        calibrated=Path(snakemake.output.numbers),
    )
