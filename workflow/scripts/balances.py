"""Simulate a few samples anew, draw them and how well the balances of their equations close."""

import logging
from typing import TYPE_CHECKING

import torch

from fsdiff import parts
from fsdiff.diagnostics.balance import closure, joined
from fsdiff.jobs.job import job_of
from fsdiff.reports.plotting.balances import balances
from fsdiff.reports.plotting.solutions import evolution, steady_states
from fsdiff.reports.plotting.style import save

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SAMPLES = range(3)

with job_of(snakemake, __file__) as job:
    torch.set_num_threads(snakemake.threads)

    config = job["config"]
    source = parts.build("source", config["source"])
    diagnostics = parts.build("diagnostics", config["diagnostics"])
    found = joined([diagnostics.examine(source, i, config["seed"]) for i in SAMPLES], SAMPLES)
    for balance in found.balances:
        worst = float(closure(balance).max())
        logging.info("balance of %s closes to %.1e of its turnover", balance.long_name, worst)

    show = evolution if "time" in found.fields.dims else steady_states
    save(show(found.fields), snakemake.output.solutions)
    save(balances(found.balances, found.residual), snakemake.output.balances)
