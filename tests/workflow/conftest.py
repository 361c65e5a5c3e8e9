"""One run of the tiny workflow for all tests."""

import fcntl
from pathlib import Path

import pytest
from checkout import Checkout


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Checkout:
    """A checkout in which the whole tiny workflow has run once; tests leave it as it was.

    The first process of pytest-xdist that needs it runs it, and others wait and take a copy.
    """
    own = tmp_path_factory.mktemp("finished") / "checkout"
    if worker_id == "master":  # pytest without pytest-xdist
        return run(own)
    shared = tmp_path_factory.getbasetemp().parent / "finished"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return Checkout(shared).copy(own) if shared.exists() else run(own, shared)


def run(root: Path, copy: Path | None = None) -> Checkout:
    """Run the workflow below ``root`` as ``make run`` does, and leave a copy of the whole."""
    checkout = Checkout.create(root)
    checkout.snakemake("--cores", "2", "--report", "report.html", "--report-after-run")
    if copy:
        checkout.copy(copy)
    return checkout
