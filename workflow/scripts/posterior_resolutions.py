"""Draw posteriors of one observation on all grids beside each other."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.posterior_pages import Files, draw_resolutions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    draw_resolutions(job, Files.of(snakemake.input), output=Path(snakemake.output.figure))
