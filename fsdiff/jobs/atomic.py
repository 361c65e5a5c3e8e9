"""Files that are whole or absent: written beside their target, flushed, then renamed."""

import hashlib
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fsdiff.jobs.failures import write_failure

ELSEWHERE = 24 * 3600.0
"""How long, in seconds, a temporary file of another machine stays after its last change."""

_TEMPORARY = re.compile(r"\..+\.fsdiff-(?P<machine>.+)-(?P<process>\d+)(\.[^.]*)?")
"""Names of temporary files."""


def _umask() -> int:
    """The permissions that new files of this process do not get; it can only be read by setting."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()

_guards: dict[Path, Callable[[], None]] = {}
"""What is called before a file takes its place."""


@contextmanager
def guarded(paths: Iterable[str | os.PathLike[str]], guard: Callable[[], None]) -> Iterator[None]:
    """Call ``guard`` inside the block before one of these files takes its place; it may raise."""
    ours = dict.fromkeys((Path(path).absolute() for path in paths), guard)
    _guards.update(ours)
    try:
        yield
    finally:
        for path in ours:
            del _guards[path]


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside ``path`` (same suffix) that takes its place when the block succeeds.

    On any exception the temporary file is removed and what was at ``path`` stays; files that
    killed processes have left in the folder are removed first. Errors of the operating system
    become a StorageError with the path, the reason and the remedy.
    """
    path = Path(path)
    temporary = path.with_name(_temporary_name(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        yield temporary
        os.chmod(temporary, 0o666 & ~_UMASK)  # some writers make private files
        _flush(temporary)
        if guard := _guards.get(path.absolute()):
            guard()
        os.replace(temporary, path)
        with suppress(OSError):  # some network file systems cannot flush a folder
            _flush(path.parent)
    except OSError as error:
        raise write_failure(path, error, temporary) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text in UTF-8, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sweep(folder: Path, *, below: bool = False) -> None:
    """Remove temporary files in a folder, or ``below`` it too, of processes that have ended.

    Of what other machines left, nobody here can say whether it is being written; it is removed a
    day after its last change.
    """
    for leftover in folder.glob(f"{'**/' if below else ''}.*.fsdiff-*"):
        found = _TEMPORARY.fullmatch(leftover.name)
        if found is None:
            continue
        with suppress(OSError):
            here = found["machine"] == machine()
            if _ended(int(found["process"])) if here else _is_old(leftover):
                leftover.unlink()


def _temporary_name(path: Path) -> str:
    """A name beside ``path``, with this process's id; short enough where that of ``path`` is."""
    end = f".fsdiff-{machine()}-{os.getpid()}{path.suffix}"
    if len(os.fsencode(f".{path.stem}{end}")) <= 255:
        return f".{path.stem}{end}"
    return f".{hashlib.sha256(os.fsencode(path.stem)).hexdigest()[:16]}{end}"


def machine() -> str:
    """Where process ids mean what they mean here: this machine and, on Linux, this container."""
    try:
        container = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        container = 0
    return f"{platform.node()}-{container}"


def _ended(process: int) -> bool:
    try:
        os.kill(process, 0)  # sends nothing
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # it is somebody else's
        pass
    return False


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > ELSEWHERE


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
