"""Starting several processes that train one network together."""

import logging
import os
import runpy
import shlex
import signal
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from fsdiff.jobs.interruption import Interrupted

PROCESSES, LAUNCHER = "FSDIFF_PROCESSES", "FSDIFF_LAUNCHER"
"""Environment variables: how many processes, on this machine; and the command that starts them."""

AT_WORK = "FSDIFF_AT_WORK"
"""Environment variable of a process that has been started together with others and works."""


def processes() -> int:
    """How many processes on each machine train one network together."""
    return int(os.environ.get(PROCESSES, "1"))


def together() -> bool:
    """Whether this process is one of several that torchrun has started.

    One variable alone is left over from something else: nobody would answer.
    """
    return {"TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys()


def first() -> bool:
    """Whether this process is the only one, or the first of those that were started together."""
    return not together() or os.environ["RANK"] == "0"


def run_in_processes(script: Path) -> None:
    """Run a script in as many processes as the environment asks for, and end as they do.

    Returns where the script is to go on: in these processes, and where there is to be only one. A
    launcher, such as ``srun … torchrun …`` for several machines, takes the place of this process;
    variables of the environment in it are replaced.
    """
    if together():
        if AT_WORK not in os.environ:
            _work(script)
        return
    if command := os.environ.get(LAUNCHER):
        arguments = [*shlex.split(os.path.expandvars(command)), str(script)]
        os.execvp(arguments[0], arguments)
    if processes() > 1:
        with TemporaryDirectory() as folder:
            raise SystemExit(_standalone(script, folder))


def _work(script: Path) -> NoReturn:
    """Run a script, and end without what Python does at the end of a process.

    Threads with which processes talk to each other may still be there by then, and one that asks
    for Python while it is taken apart aborts the process: finished work would count as failed.
    """
    os.environ[AT_WORK] = "1"
    status = 0
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        status = _status(end)
    except BaseException:
        traceback.print_exc()
        status = 1
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _status(end: SystemExit) -> int:
    """The status that Python would end with; other things than numbers are told."""
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def _standalone(script: Path, folder: str) -> int:
    """What ``torchrun --standalone`` does; Interrupted where the processes end so.

    What processes tell of their errors is in ``folder``.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes(),
        run_id="training",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=folder),
    )
    # SIGUSR1 would end this process and leave the others alone; SIGTERM is passed on to them.
    signal.signal(signal.SIGUSR1, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        elastic_launch(config, sys.executable)(str(script))
    except SignalException:
        raise Interrupted from None
    except ChildFailedError as error:
        codes = {failure.exitcode for failure in error.failures.values()}
        # Once one process has ended the others, which are about to, are told to.
        if os.EX_TEMPFAIL in codes and codes <= {os.EX_TEMPFAIL, -signal.SIGTERM}:
            raise Interrupted from None
        return 1
    return 0
