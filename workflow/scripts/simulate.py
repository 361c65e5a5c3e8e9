"""Generate one shard of a data set."""

import logging
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from fsdiff import logs, parts, storage

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logs.configure(snakemake.log[0])
torch.set_num_threads(snakemake.threads)

job = snakemake.params.job
first, last = int(snakemake.wildcards.first), int(snakemake.wildcards.last)
logging.info("samples %d to %d of data set '%s'", first, last, snakemake.wildcards.dataset)

source = parts.build("source", job["config"]["source"])
seed = job["config"]["seed"]
with tqdm(total=last - first + 1, desc="simulate", unit="sample", disable=None) as bar:
    shard = source.generate(range(first, last + 1), seed, progress=bar.update)
storage.write(
    shard,
    snakemake.output.shard,
    title=f"{snakemake.wildcards.dataset}, samples {first} to {last}",
    provenance=storage.Provenance(job["config"], job["code"], seed),
)
