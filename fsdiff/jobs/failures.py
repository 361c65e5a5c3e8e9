"""What stopped a file from being read or written, with what a person can do about that cause."""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from fsdiff.errors import Error


class StorageError(Error, ValueError):
    """A file that cannot be used or written; the message names it and the remedy."""


class DamagedError(StorageError):
    """A file whose contents are not what was written, while everything around it works.

    Made from the reason, which begins with the name of the file; the message has the remedy too.
    """

    @property
    def reason(self) -> str:
        """What is wrong with which file."""
        return self.args[0]

    def __str__(self) -> str:
        return f"{self.reason}; {AGAIN}"


RUN = "run the workflow again"
AGAIN = f"delete it and {RUN}"

PERMISSIONS = "change the permissions of {folder}, or write elsewhere"
FULL = "{free} MB are free there: make room, check quotas, or write elsewhere"
NETWORK = "the network file system does not answer: mount it again, then run the workflow again"
REMEDIES = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: "files may not become so large there: raise the limit (ulimit -f), or write to "
    "another file system",
    errno.EACCES: PERMISSIONS,
    errno.EPERM: PERMISSIONS,
    errno.EROFS: "the file system of {folder} is read-only: mount it for writing, or write "
    "elsewhere",
    errno.EMFILE: "this process has too many files open: raise the limit (ulimit -n) and run the "
    "workflow again",
    errno.ENFILE: "the machine has too many files open: end other programs, or raise fs.file-max, "
    "and run the workflow again",
    errno.ENOMEM: "memory is short: end other programs, or give the job more (resources: mem_mb)",
    errno.EIO: "the disk or the connection to it fails: see the system's log (dmesg), and move the "
    "results to another disk",
    errno.ENXIO: "the disk is gone: see the system's log (dmesg), and move the results elsewhere",
    errno.ENODEV: "the disk is gone: see the system's log (dmesg), and move the results elsewhere",
    errno.ESTALE: NETWORK,
    errno.ENOTCONN: NETWORK,
    errno.ETIMEDOUT: NETWORK,
    errno.EHOSTDOWN: NETWORK,
    errno.EREMOTEIO: NETWORK,
    errno.ENOLCK: "the file system has no locks to give: set HDF5_USE_FILE_LOCKING=FALSE, or work "
    "on another file system",
    errno.ENAMETOOLONG: "the file system does not take names so long: choose shorter names, or a "
    "folder whose path is shorter",
    errno.EINVAL: "the file system does not take this name or this kind of file: choose names of "
    "letters and digits, or write elsewhere",
    errno.EILSEQ: "the file system does not take this name: choose names of letters and digits",
    errno.ELOOP: "links lead in a circle: remove the one that is wrong",
    errno.ENOENT: "a folder on the way was removed, or a link leads nowhere: run the workflow "
    "again when nothing else removes files there",
    errno.ENOTDIR: "{obstacle} is in the way of a folder: move it away",
    errno.EEXIST: "{obstacle} is in the way of a folder: move it away",
    errno.EISDIR: "a folder is in the way of the file: move it away",
    errno.EBUSY: "another program holds it: end that and run the workflow again",
    errno.EAGAIN: "another program writes to it: end that and run the workflow again",
    errno.ETXTBSY: "another program holds it: end that and run the workflow again",
}
"""What to do about an error of the operating system, by its number."""


def write_failure(path: Path, error: Exception, temporary: Path | None = None) -> StorageError:
    """What stopped a write of ``path``; ``temporary`` is the file it was being written to."""
    folder = next((folder for folder in path.parents if folder.is_dir()), Path())
    error = _refusal(folder, temporary) or error
    remedy = _remedy(error, path, folder)
    hint = f"; {remedy}" if remedy else ""
    return StorageError(
        f"cannot write {path} ({error}){hint}. A file that was there before is untouched"
    )


def read_failure(path: str | os.PathLike[str], error: Exception, damaged: str) -> StorageError:
    """Why a file cannot be read; ``damaged`` is what is wrong where the file is to blame.

    Libraries call a file damaged that they had no memory or no file descriptors to open.
    """
    path = Path(path)
    error = _obstacle_to_reading(path) or error
    if isinstance(error, MemoryError) or "memory" in str(error).replace(str(path), "").lower():
        return StorageError(f"cannot read {path} (not enough memory); {REMEDIES[errno.ENOMEM]}")
    if isinstance(error, FileNotFoundError) and not os.path.lexists(path):
        return StorageError(f"{path} does not exist; run the workflow to make it")
    if isinstance(error, PermissionError):
        return StorageError(f"{path} cannot be read: permission denied; change its permissions")
    if remedy := _remedy(error, path, path.parent):
        return StorageError(f"cannot read {path} ({error}); {remedy}")
    return DamagedError(f"{path} {damaged} ({first_line(error)})")


def first_line(error: Exception) -> str:
    """What an error says, shortened: libraries may add how they came there."""
    line, *_ = str(error).splitlines() or [type(error).__name__]
    return line if len(line) <= 200 else line[:197] + "..."


def check_file(path: str | os.PathLike[str]) -> None:
    """Refuse what is not there, cannot be reached or is no file, such as a folder or a pipe."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise read_failure(path, error, "cannot be reached") from error
    if not stat.S_ISREG(mode):
        raise StorageError(f"{path} is not a file; move away what is there, and {RUN}")


def _remedy(error: Exception, path: Path, folder: Path) -> str | None:
    """What to do about an error of the operating system; None for one that is not known."""
    remedy = REMEDIES.get(getattr(error, "errno", None) or 0)
    if remedy is None:
        return None
    free = "?"
    with suppress(OSError):
        free = f"{shutil.disk_usage(folder).free / 2**20:.1f}"
    obstacle = next((parent for parent in path.parents if parent.exists()), path.parent)
    return remedy.format(folder=f"the folder {folder}", free=free, obstacle=obstacle)


def _refusal(folder: Path, temporary: Path | None) -> OSError | None:
    """Why nothing more can be written, if so.

    HDF5 loses the reason: on a full disk it reports a lack of permission or just an "HDF error".
    """
    try:
        begun = temporary if temporary is not None and temporary.is_file() else None
        with begun.open("ab") if begun else tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(2**20))
    except OSError as error:
        return OSError(error.errno, error.strerror)
    return None


def _obstacle_to_reading(path: Path) -> Exception | None:
    """What keeps this process from reading a file as plain bytes, if anything does."""
    try:
        with ExitStack() as files:
            for _ in range(8):  # libraries open more than one
                file = files.enter_context(path.open("rb"))
                file.read(2**20)
            return _lock_of_another(file)
    except (OSError, MemoryError) as error:
        return error


def _lock_of_another(file: BinaryIO) -> BlockingIOError | None:
    """What HDF5 meets where another program has opened a file to write to it."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        return error
    except OSError:  # there are no locks on this file system, and none are asked for
        pass
    return None
