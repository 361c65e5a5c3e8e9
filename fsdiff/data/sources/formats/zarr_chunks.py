"""Which chunks of an array of zarr were written: those with a file, or in the index of a shard.

After the specification of zarr 3 and of its codec "sharding_indexed".
"""

from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from fsdiff.jobs.failures import StorageError

ABSENT = 2**64 - 1
"""Where the index says that a chunk begins which is not there."""

CHECKSUM = 4
"""Bytes after the index."""

PLAIN = ("bytes", "crc32c")
"""How indices are written, unless someone chooses otherwise."""


class Written:
    """Whether a chunk of an array in a folder was written, by its number along each axis."""

    def __init__(self, folder: Path, store: Path, array: Any) -> None:
        self._folder, self._store, self._array = folder, store.resolve(), array
        sizes = zip(array.shards or array.chunks, array.chunks, strict=True)
        self._inside = tuple(shard // chunk for shard, chunk in sizes)
        self._index = lru_cache(maxsize=64)(self._read_index)

    def __call__(self, chunk: tuple[int, ...]) -> bool:
        """Raises StorageError where a link leads out of the store: it could be to any file."""
        outer = tuple(number // count for number, count in zip(chunk, self._inside, strict=True))
        inner = tuple(number % count for number, count in zip(chunk, self._inside, strict=True))
        path = self._folder / self._array.metadata.encode_chunk_key(outer)
        if not path.is_file():
            return False
        if not path.resolve().is_relative_to(self._store):
            raise StorageError(
                f"{path} is a link out of the store, to {path.resolve()}; copy that into it"
            )
        return self._array.shards is None or bool(self._index(path)[inner])

    def _read_index(self, shard: Path) -> np.ndarray:
        """For each chunk in a shard, whether it is there."""
        codec = self._array.metadata.codecs[0].to_dict()["configuration"]
        if tuple(item["name"] for item in codec["index_codecs"]) != PLAIN:
            raise ValueError("the index of its shards is packed")
        size = 2 * 8 * prod(self._inside)
        with shard.open("rb") as file:
            if codec["index_location"] == "end":
                file.seek(-size - CHECKSUM, 2)
            index = np.frombuffer(file.read(size), "<u8")
        return index.reshape(*self._inside, 2)[..., 0] != ABSENT
