"""Dry runs in processes that have imported what all of them need: half of the time of each."""

import multiprocessing
import os
import runpy
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

PRELOADED = ["snakemake.cli", "torch", "pandas", "xarray", "scipy.sparse.linalg", "pydantic"]
"""Nothing of this package, which tests edit."""


def dry_run(root: Path, *arguments: str) -> tuple[int, str]:
    """Plan a workflow as ``python -m snakemake`` does below ``root``: exit status and output."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with NamedTemporaryFile() as output:
        process = context.Process(target=_plan, args=(root, output.name, arguments))
        process.start()
        process.join()
        assert process.exitcode is not None
        return process.exitcode, output.read().decode()


def _plan(root: Path, output: str, arguments: tuple[str, ...]) -> None:
    assert "fsdiff" not in sys.modules
    with open(output, "wb") as written:
        os.dup2(written.fileno(), 1)
        os.dup2(written.fileno(), 2)
    os.environ["PYTHONPATH"] = str(root)
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.argv = ["snakemake", "--dry-run", *arguments]
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
