"""Simulate a few samples anew, draw them and how well the balances of their equations close."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.stages.balances import draw_balances

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    draw_balances(
        job,
        solutions=Path(snakemake.output.solutions),
        balance=Path(snakemake.output.balances),
    )
