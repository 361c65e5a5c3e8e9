"""What an interrupted attempt at a job has left: taken up where it is whole, discarded if not."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fsdiff.jobs.failures import DamagedError

logger = logging.getLogger(__name__)

T = TypeVar("T")


def saved(path: Path, load: Callable[[Path], T]) -> T | None:
    """What ``load`` makes of a file; None where there is none, or it is damaged or does not fit.

    The latter is told in a warning. A file that cannot be read for other reasons, such as missing
    permissions, is kept: StorageError.
    """
    if not path.exists():
        return None
    try:
        return load(path)
    except DamagedError as error:
        logger.warning(
            "what an interrupted attempt has left is discarded and made again: %s", error.reason
        )
        return None
