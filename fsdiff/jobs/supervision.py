"""The Snakemake that a job works for: a job that outlives it is nobody's, and must not write.

There may be shells between the two, which live on when Snakemake is killed, and nothing ties them
in containers or after ``nohup``. So Snakemake tells its name in the environment, and jobs look
whether that process still runs. On other machines nobody can say, and a job works on.
"""

import os
from pathlib import Path

from fsdiff.jobs.atomic import machine

SUPERVISOR = "FSDIFF_SUPERVISOR"
"""Environment variable: machine, process and its time of start, of the nearest Snakemake."""


def announce() -> None:
    """Tell processes that are started from here on that they work for this one."""
    process = os.getpid()
    os.environ[SUPERVISOR] = f"{machine()} {process} {_start_of(process)}"


def desertion() -> str | None:
    """Why nobody waits for this job's results any more, if so."""
    where, _, rest = os.environ.get(SUPERVISOR, "").partition(" ")
    if where != machine():
        return None
    process, _, start = rest.partition(" ")
    if _start_of(int(process)) == start:
        return None
    return f"the Snakemake that started this job (process {process}) has ended"


def _start_of(process: int) -> str:
    """When a process started, in the kernel's words; "ended" where it runs no more.

    A number is given to another process some day, and a dead one may wait to be buried.
    """
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return "ended" if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        return "ended" if Path("/proc/self/stat").exists() or not _runs(process) else "runs"


def _runs(process: int) -> bool:
    """Whether a process runs, for systems that do not show their processes as files."""
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
