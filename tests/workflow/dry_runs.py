"""Runs of Snakemake in processes that have loaded what all of them need.

That is most of the time of a dry run.
"""

import atexit
import multiprocessing
import os
import runpy
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import NamedTemporaryFile

PRELOADED = [
    *["snakemake.cli", "torch", "pandas", "xarray", "pydantic", "netCDF4", "h5py"],
    *["safetensors.torch", "matplotlib.figure", "matplotlib.backends.backend_agg"],
    *["matplotlib.backends.backend_svg", "scipy.sparse.linalg", "scipy.special"],
    *["scipy.optimize", "scipy.stats", "scipy.interpolate"],
]
"""Nothing of this package, which tests edit."""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(PRELOADED)


def dry_run(root: Path, *arguments: str, folder: Path | None = None) -> tuple[int, str]:
    """Plan a workflow as ``python -m snakemake`` does in a folder: exit status and output.

    The package is that of the checkout ``root``, where Snakemake is started if not elsewhere.
    Where the package is as it was when the planner of the checkout loaded it, that serves;
    otherwise the plan is that of a process which has loaded nothing of it.
    """
    planner = Planner.of(root)
    with NamedTemporaryFile() as output:
        if planner.sources == sources(root):
            status = planner.plan(folder or root, output.name, arguments)
        else:
            asked = (root, folder or root, output.name, arguments)
            process = CONTEXT.Process(target=_plan_afresh, args=asked)
            process.start()
            process.join()
            assert process.exitcode is not None
            status = process.exitcode
        return status, output.read().decode()


def run(root: Path, *arguments: str, python: Path) -> tuple[int, str]:
    """Run a workflow in a checkout: exit status and output. Jobs are started by ``python``."""
    with NamedTemporaryFile() as output:
        asked = (root, output.name, arguments, str(python))
        process = CONTEXT.Process(target=_run, args=asked)
        process.start()
        process.join()
        assert process.exitcode is not None
        return process.exitcode, output.read().decode()


def sources(root: Path) -> dict[Path, bytes]:
    """All code of the package in a checkout."""
    return {path: path.read_bytes() for path in sorted((root / "fsdiff").rglob("*.py"))}


class Planner:
    """A process that has loaded the package of a checkout; each plan is made by a copy of it."""

    current: "Planner | None" = None
    """That of the checkout which was planned last; others have ended."""

    def __init__(self, root: Path) -> None:
        self.root, self.sources = root, sources(root)
        self._connection, other = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=_serve, args=(root, other))
        self._process.start()
        other.close()

    @classmethod
    def of(cls, root: Path) -> "Planner":
        """The planner of a checkout, which is started if another was planned last."""
        if cls.current is None or cls.current.root != root:
            cls.end()
            cls.current = cls(root)
        return cls.current

    @classmethod
    def end(cls) -> None:
        """End the process that waits for plans to make."""
        if cls.current is not None:
            cls.current._connection.close()
            cls.current._process.join()
            cls.current = None

    def plan(self, folder: Path, output: str, arguments: tuple[str, ...]) -> int:
        """The exit status of a plan in a folder, whose output goes to a file."""
        self._connection.send((folder, output, arguments))
        return self._connection.recv()


atexit.register(Planner.end)


def _serve(root: Path, requests: Connection) -> None:
    """Load the package and wait for plans to make, until nobody can ask for any."""
    _enter(root)
    from fsdiff import provenance, study  # noqa: F401 (what a plan takes most time for)

    for script in (root / "workflow" / "scripts").glob("*.py"):
        provenance.fingerprint(script=script)
    copies = multiprocessing.get_context("fork")
    while True:
        try:
            asked = requests.recv()
        except EOFError:
            return
        process = copies.Process(target=_plan, args=asked)
        process.start()
        process.join()
        requests.send(process.exitcode)


def _plan_afresh(root: Path, folder: Path, output: str, arguments: tuple[str, ...]) -> None:
    _enter(root)
    _plan(folder, output, arguments)


def _run(root: Path, output: str, arguments: tuple[str, ...], python: str) -> None:
    _enter(root)
    sys.executable = python
    _start(root, output, arguments)


def _enter(root: Path) -> None:
    """Make a checkout the one whose package is imported."""
    assert "fsdiff" not in sys.modules
    os.environ["PYTHONPATH"] = str(root)
    sys.path.insert(0, str(root))


def _plan(folder: Path, output: str, arguments: tuple[str, ...]) -> None:
    _start(folder, output, ("--dry-run", *arguments))


def _start(folder: Path, output: str, arguments: tuple[str, ...]) -> None:
    """Be Snakemake in a folder, with all that it prints in a file."""
    os.chdir(folder)
    with open(output, "wb") as written:
        os.dup2(written.fileno(), 1)
        os.dup2(written.fileno(), 2)
    sys.argv = ["snakemake", *arguments]
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
