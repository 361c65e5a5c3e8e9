"""One job at a time for a result: a file beside it says which, and others wait or take its place.

The operating system releases the lock of a process that ends in any way. File systems that know no
locks are served, too: there the latest job to come is the one that may write.
"""

import fcntl
import json
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fsdiff.jobs.atomic import machine

logger = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds between two looks at a lock that is held."""


class Lock:
    """The right to write a result, held inside a ``with`` block; entering it waits for others.

    ``lineage`` is that of the result. A job that comes for a result of another lineage is the one
    that is wanted now, so ``superseded`` tells the holder to leave; one that comes for the same
    result waits until the holder has made it.
    """

    def __init__(self, target: Path, lineage: str) -> None:
        self.path = lock_of(target)
        self.waited = False
        self._target = target
        self._about = {
            "lineage": lineage,
            "process": os.getpid(),
            "machine": machine(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        self._file: int | None = None

    def __enter__(self) -> Self:
        with suppress(OSError):  # who cannot write here will be told by what writes the result
            self.path.parent.mkdir(parents=True, exist_ok=True)
            while self._file is None:
                self._try_to_take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            with suppress(OSError):  # the result is there, whatever becomes of the lock's file
                if self._is_there(self._file):
                    self.path.unlink(missing_ok=True)
            os.close(self._file)

    def superseded(self) -> str | None:
        """Why the holder must not write any more, if so."""
        if self._file is None:
            return None
        wanted = _content(self._file)
        if wanted and wanted.get("lineage") != self._about["lineage"]:
            return f"{_name(wanted)} makes {self._target} from another configuration or other code"
        return None if self._is_there(self._file) else f"its lock {self.path} was removed"

    def _try_to_take(self) -> None:
        """Take the lock, or say once who has it and what is wanted, and wait a little."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if _lock(file):
            if self._is_there(file):
                self._file = file
                _write(file, self._about)
                return
        elif not self.waited:
            logger.warning("waiting for %s, which makes %s", _name(_content(file)), self._target)
            with suppress(OSError):
                _write(file, self._about)
            self.waited = True
        os.close(file)
        time.sleep(PATIENCE)

    def _is_there(self, file: int) -> bool:
        """Whether the lock is still the file of its name: its last holder removed that."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(file))
        except OSError:
            return False


def lock_of(target: Path) -> Path:
    """The file that says who makes a result."""
    return target.with_name(f".{target.name}.lock")


def is_held(path: Path) -> bool:
    """Whether a running job holds a lock, as far as the file system can tell."""
    try:
        with path.open("r+b") as file:
            return not _lock(file.fileno())
    except OSError:
        return False


def _lock(file: int) -> bool:
    """Lock a file; False where another process has. File systems without locks let everyone."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _write(file: int, about: dict[str, Any]) -> None:
    text = json.dumps(about).encode()
    os.pwrite(file, text, 0)
    os.ftruncate(file, len(text))


def _content(file: int) -> dict[str, Any]:
    """What a lock says; empty while it is written."""
    try:
        return dict(json.loads(os.pread(file, 4096, 0)))
    except (OSError, ValueError, TypeError):
        return {}


def _name(about: dict[str, Any]) -> str:
    if not about:
        return "another job"
    return f"process {about.get('process')} on {about.get('machine')} (since {about.get('since')})"
