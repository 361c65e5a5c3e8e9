"""JSON files that people can read, with a digest, and the checks on reading them.

Nothing here is about fields: tables and pages are made of these files without the libraries that
arrays need, which take longer to load than such a job takes.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.failures import DamagedError, check_file, read_failure

JSON_BYTES = 64 * 2**20
"""The largest file that is read."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, the same text for equal values; refuses nan and inf."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write a mapping as JSON that people can read, atomically; ValueError for nan and inf.

    The key ``digest`` is added: the SHA-256 of the canonical JSON of all the rest. A table goes
    under a key of its own, such as ``rows``.
    """
    plain = json.loads(canonical(content))  # keys are text, as they will be when read
    plain["digest"] = _digest(plain)
    text = json.dumps(plain, sort_keys=True, indent=2)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what ``write`` has written, the digest checked and left out.

    Raises StorageError that names a file that is missing, damaged or was edited.
    """
    check_file(path)
    try:
        content = json.loads(_text(path), parse_constant=_no_number)
        digest = content.pop("digest", None) if isinstance(content, dict) else None
        expected = None if digest is None else _digest(content)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise read_failure(path, error, "is not whole JSON") from error
    if digest is None:
        raise DamagedError(f"{path} was not written by fsdiff: it has no digest")
    if digest != expected:
        raise DamagedError(f"{path} is damaged or was edited: its digest does not fit")
    return content


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def _text(path: str | os.PathLike[str]) -> str:
    """The text of a file, unless it is larger than any that is written here."""
    with open(path, "rb") as file:
        content = file.read(JSON_BYTES + 1)
    if len(content) > JSON_BYTES:
        raise ValueError(f"larger than {JSON_BYTES >> 20} MB")
    return content.decode()


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
