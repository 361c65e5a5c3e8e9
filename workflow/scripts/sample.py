"""Draw samples of a trained model at one resolution."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff import logs
from fsdiff.stages.sample import sample
from fsdiff.stages.states import states_beside

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])
torch.set_num_threads(snakemake.threads)

sample(
    snakemake.params.job,
    weights=Path(snakemake.input.weights),
    output=Path(snakemake.output.samples),
    cost=Path(snakemake.output.cost),
    states=states_beside(Path(snakemake.output.samples)),
)
