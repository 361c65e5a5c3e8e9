"""Compare real data, a Gaussian surrogate and white noise with test data."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff import logs
from fsdiff.stages.evaluate import evaluate_references

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])
torch.set_num_threads(snakemake.threads)

evaluate_references(
    snakemake.params.job,
    data=Path(snakemake.input.data),
    output=Path(snakemake.output.metrics),
)
