"""Logging of a job: the whole story to its log file, what matters now to standard error."""

import faulthandler
import logging
import sys
from pathlib import Path
from types import TracebackType

from fsdiff.characters import lines
from fsdiff.jobs.versions import environment


def configure(path: str | Path) -> None:
    """Send log records, warnings and an uncaught exception to ``path`` and to standard error.

    The file receives records from INFO upwards with tracebacks; standard error, which the jobs of
    a workflow share, receives warnings and errors in one line each. A crash outside Python, such
    as a segmentation fault, leaves its stack in the file too. Where the file cannot be written to,
    as on a full disk, standard error gets its lines all the same.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = logging.FileHandler(path, mode="w", encoding="utf-8")
    record.setFormatter(_Indented("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(_OneLine(path))
    screen.setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, handlers=[record, screen], force=True)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # or tracebacks of the failing log would bury the message
    faulthandler.enable(record.stream or sys.stderr)
    sys.excepthook = _log_uncaught
    versions = ", ".join(f"{name} {value}" for name, value in environment().items())
    logging.getLogger(__name__).info("made with %s", versions)


class _Indented(logging.Formatter):
    """All lines of a record but the first are indented: no text in it looks like a record."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n    ".join(lines(super().format(record)))


class _OneLine(logging.Formatter):
    """The message alone; where an exception comes with it, the file that has the traceback."""

    def __init__(self, details: Path) -> None:
        super().__init__()
        self._details = details

    def format(self, record: logging.LogRecord) -> str:
        line = " ".join(lines(f"{record.levelname}: {record.getMessage()}"))
        return f"{line} (traceback in {self._details})" if record.exc_info else line


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    name = "" if issubclass(kind, ValueError) else f"{kind.__name__}: "
    logging.getLogger("fsdiff").critical("%s%s", name, error, exc_info=(kind, error, traceback))
