"""Telling files apart, so that data are read again when their files change."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

HASHED_BYTES = 2**28
"""Files of at most this size together are told apart by their contents, larger ones by dates."""


def digest(files: Sequence[Path]) -> str:
    """A digest of names and contents, or names, sizes and times of modification.

    A folder, as zarr stores are, stands for all files below it. Names are those below the folder
    that all of them have in common, which may be moved.
    """
    total = hashlib.sha256()
    common = os.path.commonpath([file.absolute().parent for file in files])
    status = {path: path.stat() for file in files for path in _parts(file)}
    small = sum(item.st_size for item in status.values()) <= HASHED_BYTES
    for path, item in status.items():
        name = os.path.relpath(path.absolute(), common)
        total.update(f"\n{name} {item.st_size} ".encode(errors="surrogateescape"))
        if small:
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        else:
            total.update(str(item.st_mtime_ns).encode())
    return total.hexdigest()[:16]


def _parts(path: Path) -> list[Path]:
    """A file, or all files below a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    return sorted(found for found in path.rglob("*") if found.is_file())
