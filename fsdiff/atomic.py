"""Files that are whole or absent: written beside their target, flushed, then renamed."""

import errno
import glob
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class StorageError(ValueError):
    """A file that cannot be used or written; the message names it and the remedy."""


def _umask() -> int:
    """The permissions that new files of this process do not get; it can only be read by setting."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside ``path`` (same suffix) that takes its place when the block succeeds.

    On any exception the temporary file is removed and what was at ``path`` stays; a file that a
    killed process of this machine left for the same target is removed first. Errors of the
    operating system become a StorageError with the path, the reason and the remedy.
    """
    path = Path(path)
    temporary = path.with_name(f"{_beginning(path)}{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        yield temporary
        os.chmod(temporary, 0o666 & ~_UMASK)  # some writers make private files
        _flush(temporary)
        os.replace(temporary, path)
        with suppress(OSError):  # some network file systems cannot flush a folder
            _flush(path.parent)
    except OSError as error:
        raise _write_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _beginning(path: Path) -> str:
    """How the names of temporary files for ``path`` begin; the process id and the suffix follow."""
    return f".{path.stem}.{_machine()}-"


def _machine() -> str:
    """Where process ids mean what they mean here: this machine and, on Linux, this container."""
    try:
        container = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        container = 0
    return f"{platform.node()}-{container}"


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files for ``path`` of processes that do not run any more.

    Only of this machine: of what others left beside it, nobody here can say if it is being written.
    """
    beginning = _beginning(path)
    for leftover in path.parent.glob(f"{glob.escape(beginning)}*{glob.escape(path.suffix)}"):
        process = leftover.name.removeprefix(beginning).removesuffix(path.suffix)
        if process.isdecimal() and not _runs(int(process)):
            with suppress(OSError):
                leftover.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        pass
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refusal(folder: Path) -> OSError | None:
    """Why nothing can be written to a folder, if so.

    HDF5 loses the reason: on a full disk it reports a lack of permission or just an "HDF error".
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(2**20))
    except OSError as error:
        return OSError(error.errno, error.strerror)
    return None


def _write_error(path: Path, error: OSError) -> StorageError:
    """What stopped a write, with what a person needs to know to make it possible."""
    folder = next((folder for folder in path.parents if folder.is_dir()), Path())
    error = _refusal(folder) or error
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = f"the folder {folder} is not writable: change its permissions or write "
        return StorageError(f"cannot write {path} ({error}); {remedy}elsewhere")
    free = shutil.disk_usage(folder).free / 2**20
    return StorageError(
        f"cannot write {path} ({error}); {free:.1f} MB are free there: make room, check quotas, "
        "or write elsewhere. A file that was there before is untouched"
    )
