"""Train one level of an experiment, starting from the level below."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff import logs
from fsdiff.stages.train import train

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def digest(paths: list[Path]) -> str:
    """A hash of the contents of files."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


logs.configure(snakemake.log[0])
torch.set_num_threads(snakemake.threads)

data = [Path(path) for path in snakemake.input.data]
warm_start = [Path(path) for path in snakemake.input.warm_start]
train(
    snakemake.params.job,
    data={int(path.stem): path for path in data},
    warm_start=warm_start[0] if warm_start else None,
    weights=Path(snakemake.output.weights),
    sidecar=Path(snakemake.output.sidecar),
    history=Path(snakemake.output.history),
    # What an interrupted run leaves is of no use after a change of its data or of its start.
    states=Path("results", "state", digest(data + warm_start)),
)
