"""What goes wrong inside libraries that read files, in one line that names the file."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from fsdiff.jobs.failures import StorageError


@contextmanager
def damage_named(message: str) -> Iterator[None]:
    """Errors as a StorageError of this message, the reason and the remedy.

    All of them: nobody can list what damage makes a library raise.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise StorageError(f"{message} ({reason}); {_remedy(error)}") from error


def _remedy(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "this process may not have enough memory"
    if isinstance(error, PermissionError):
        return "change its permissions"
    if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
        return "close other files or raise the limit of 'ulimit -n'"
    return "fetch or write it again"
