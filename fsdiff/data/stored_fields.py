"""Fields as they lie in a file: read some samples at a time, by any thread, and checked."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from fsdiff.data import checksums
from fsdiff.jobs.failures import DamagedError, read_failure


@dataclass(frozen=True)
class StoredFields:
    """The values (sample, …) of a file's ``field``, in its type, contiguous from ``offset`` on.

    HDF5's library, which would have to be locked and keeps files open, has no part in reading them.
    ``samples`` are their indices in the data set. Wherever an array is expected that is read piece
    by piece, such as by dask, this is one.
    """

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype
    samples: np.ndarray
    checksums: np.ndarray

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> "StoredFields":
        """Those of a file that ``storage.write`` has written; StorageError where it is damaged."""
        try:
            with h5py.File(path) as file:
                field, samples, expected = (file[key] for key in ("field", "sample", "checksum"))
                offset = field.id.get_offset()
                # Workers may have another current folder.
                stored = Path(path).absolute(), offset, field.shape, field.dtype
                found = cls(*stored, samples[:], expected[:])
        except Exception as error:  # of damaged files the library says anything
            raise read_failure(path, error, "is truncated or not NetCDF") from error
        if offset is None:
            raise DamagedError(f"{path}: 'field' is not stored in one piece")
        return found

    @property
    def ndim(self) -> int:
        """How many dimensions there are."""
        return len(self.shape)

    def read(self, samples: range) -> np.ndarray:
        """Consecutive samples by position; StorageError that names those that are damaged."""
        shape = (len(samples), *self.shape[1:])
        offset = self.offset + samples.start * self.dtype.itemsize * math.prod(self.shape[1:])
        try:
            values = np.fromfile(self.path, self.dtype, math.prod(shape), offset=offset)
            values = values.reshape(shape)
        except (OSError, ValueError, MemoryError) as error:
            raise read_failure(self.path, error, "is truncated") from error
        wrong = checksums.of_samples(values) != self.checksums[samples.start : samples.stop]
        if wrong.any():
            raise self._damage(np.flatnonzero(wrong) + samples.start)
        return values

    def verify(self, step: int) -> None:
        """Read everything, ``step`` samples at a time; StorageError for the first that is wrong."""
        for first in range(0, len(self.samples), step):
            self.read(range(first, min(first + step, len(self.samples))))

    def __getitem__(self, index: tuple[slice | int, ...]) -> np.ndarray:
        """Part of it; samples of which less is asked for are read, and checked, as a whole."""
        chosen, *others = index
        if not isinstance(chosen, slice):
            return self[slice(chosen, chosen + 1), *others][0]
        positions = range(*chosen.indices(len(self.samples)))
        first, last = (min(positions), max(positions)) if positions else (0, -1)
        return self.read(range(first, last + 1))[:: positions.step, *others]

    def _damage(self, positions: np.ndarray) -> DamagedError:
        named = ", ".join(str(self.samples[position]) for position in positions[:10])
        more = f" and {len(positions) - 10} more" if len(positions) > 10 else ""
        return DamagedError(
            f"{self.path} is damaged or was edited: the checksum of 'field' does not fit in "
            f"sample {named}{more}"
        )
