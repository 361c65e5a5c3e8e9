"""Simulate a few samples anew, draw them and how well the balances of their equations close."""

import logging
from pathlib import Path

from fsdiff.diagnostics.balance import closure, joined
from fsdiff.parts import build
from fsdiff.reports.plotting.balances import balances
from fsdiff.reports.plotting.solutions import evolution, steady_states
from fsdiff.reports.plotting.style import save
from fsdiff.stages.job import Job

logger = logging.getLogger(__name__)

SAMPLES = range(3)


def draw_balances(job: Job, *, solutions: Path, balance: Path) -> None:
    """Draw the ``solutions`` of the first samples and the ``balance`` of all that is conserved."""
    config = job["config"]
    source, diagnostics = (build(part, config[part]) for part in ("source", "diagnostics"))
    found = joined([diagnostics.examine(source, i, config["seed"]) for i in SAMPLES], SAMPLES)
    for item in found.balances:
        worst = float(closure(item).max())
        logger.info("balance of %s closes to %.1e of its turnover", item.long_name, worst)
    show = evolution if "time" in found.fields.dims else steady_states
    save(show(found.fields), solutions)
    save(balances(found.balances, found.residual), balance)
