"""Draw the errors and the spread of forecasts over time."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.posterior_pages import draw_forecast

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    draw_forecast(
        job,
        observation=Path(snakemake.input.observation),
        posteriors=[Path(path) for path in snakemake.input.posteriors],
        reference=next(map(Path, snakemake.input.reference), None),
        data=Path(snakemake.input.data),
        output=Path(snakemake.output.figure),
    )
