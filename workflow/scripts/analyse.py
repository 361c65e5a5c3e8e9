"""Do one exact experiment."""

import logging
from typing import TYPE_CHECKING

import torch

from fsdiff import logs, parts, storage

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])
torch.set_num_threads(snakemake.threads)

job, name = snakemake.params.job, snakemake.wildcards.analysis
logging.info("analysis '%s'", name)
block = job["config"]["analysis"]
storage.write(
    parts.build("analysis", block).run(),
    snakemake.output.results,
    title=f"analysis {name}",
    provenance=storage.Provenance(job["config"], job["code"], block.get("seed", 0)),
)
