"""Train one level of an experiment, starting from the level below."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fsdiff.jobs.job import job_of
from fsdiff.jobs.launching import first, processes, run_in_processes
from fsdiff.jobs.places import states_beside
from fsdiff.stages.train import train

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run_in_processes(Path(sys.argv[0]))
with job_of(snakemake, __file__, first=first()) as job:
    torch.set_num_threads(max(1, snakemake.threads // processes()))
    data = [Path(path) for path in snakemake.input.data]
    warm_start = [Path(path) for path in snakemake.input.warm_start]
    keep = None
    if hasattr(snakemake.output, "kept"):
        kept = Path(snakemake.output.kept)  # 32.every10.safetensors
        keep = int(kept.suffixes[0].removeprefix(".every")), kept
    train(
        job,
        data={int(path.stem): path for path in data},
        warm_start=warm_start[0] if warm_start else None,
        weights=Path(snakemake.output.weights),
        sidecar=Path(snakemake.output.sidecar),
        history=Path(snakemake.output.history),
        states=states_beside(Path(snakemake.output.weights)),
        keep=keep,
    )
