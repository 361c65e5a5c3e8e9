"""Make one shard of a data set."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff import logs
from fsdiff.stages.simulate import simulate

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])
torch.set_num_threads(snakemake.threads)

dataset = snakemake.wildcards.dataset
first, last = int(snakemake.wildcards.first), int(snakemake.wildcards.last)
logging.info("samples %d to %d of data set '%s'", first, last, dataset)
simulate(
    snakemake.params.job,
    range(first, last + 1),
    output=Path(snakemake.output.shard),
    state=Path("results", "state", dataset, f"{first}-{last}"),
    title=f"{dataset}, samples {first} to {last}",
)
