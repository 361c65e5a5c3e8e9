"""Scripts of jobs in processes that have loaded what all of them need: most of the time of each.

Snakemake starts every script in a Python of its own, which loads PyTorch for two seconds. In tests
it is told of a program in its place, which has the script run by a copy of a process that has
loaded the libraries, and nothing of this package. Streams, environment, folder, signals and exit
status are those that the script would have had. What is about processes themselves starts Snakemake
with ``Checkout.command``, without any of this.
"""

import atexit
import json
import multiprocessing
import os
import runpy
import shutil
import signal
import socket
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from select import select
from tempfile import mkdtemp
from typing import Any, NoReturn

from dry_runs import CONTEXT

PROGRAM = """#!{python} -SE
import json, os, signal, socket, sys

if len(sys.argv) != 2 or "/.snakemake/scripts/" not in sys.argv[1]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
asked = {{"script": sys.argv[1], "folder": os.getcwd(), "environment": dict(os.environ)}}
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
socket.send_fds(connection, [b"3"], [0, 1, 2])
connection.sendall(json.dumps(asked).encode() + b"\\n")
answers = connection.makefile()
process = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(process, number))
status = int(answers.readline() or 1)
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
"""
"""What Snakemake starts in the place of Python, for other things than scripts of jobs as well."""


class Server:
    """A process of which a copy runs each script, and the ``program`` that asks for one."""

    running: "Server | None" = None

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="jobs-"))
        self.program, address = self.folder / "python", str(self.folder / "socket")
        self.program.write_text(PROGRAM.format(python=sys.executable, address=address))
        self.program.chmod(0o700)
        ready = CONTEXT.Event()
        self._process = CONTEXT.Process(target=_serve, args=(address, ready))
        self._process.start()
        assert ready.wait(60)

    @classmethod
    def of_this_process(cls) -> "Server":
        """The one that all checkouts share."""
        if cls.running is None:
            cls.running = cls()
            atexit.register(cls.running.end)
        return cls.running

    def end(self) -> None:
        """End the process, which nobody will ask any more."""
        self._process.terminate()
        self._process.join()
        shutil.rmtree(self.folder, ignore_errors=True)


def _serve(address: str, ready: Any) -> None:
    """Attend to who asks, as long as the tests run."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who attend
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        ready.set()
        while parent.sentinel not in wait([listener, parent.sentinel]):
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _attend(connection)
            connection.close()


def _attend(connection: socket.socket) -> NoReturn:
    """Run a script in a process of its own, kill it if who asked has ended, and tell its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, *_ = socket.recv_fds(connection, 1, 3)
    asked = json.loads(connection.makefile().readline())
    ended, running = os.pipe()  # the script's process alone can write to it, as long as it runs
    process = os.fork()
    if process == 0:
        connection.close()
        os.close(ended)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        _run(**asked)
    for file in (*files, running):
        os.close(file)
    connection.sendall(b"%d\n" % process)
    if connection in select([connection, ended], [], [])[0]:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    with suppress(OSError):  # nobody is there
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(script: str, folder: str, environment: dict[str, str]) -> NoReturn:
    """Run a script as Python does, and end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [script]
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [str(Path(script).parent), *filter(None, paths)]
    status: Any = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))
