"""Arrays whose values are somewhere else, read by slices."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from fsdiff.data.sources.formats.attributes import decoded


class Readable(Protocol):
    """What an array in a file has."""

    shape: tuple[int, ...]
    dtype: np.dtype

    def __getitem__(self, index: Any) -> Any: ...


def complete(index: Any, dimension: int) -> tuple[Any, ...]:
    """An index with an entry for each axis."""
    index = index if isinstance(index, tuple) else (index,)
    at = next((i for i, entry in enumerate(index) if entry is Ellipsis), len(index))
    before, after = index[:at], index[at + 1 :]
    return (*before, *[slice(None)] * (dimension - len(before) - len(after)), *after)


def named(axes: Sequence[str | None]) -> tuple[str, ...] | None:
    """Names of axes, made up for those that have none beside others that do; None if none has."""
    found = tuple(name or f"axis {number}" for number, name in enumerate(axes))
    return found if any(axes) else None


class Whole:
    """An array that can only be read as a whole."""

    def __init__(
        self, shape: Sequence[int], dtype: np.dtype, load: Callable[[], np.ndarray]
    ) -> None:
        self.shape, self.dtype, self._load = tuple(shape), dtype, load

    @cached_property
    def _values(self) -> np.ndarray:
        return self._load()

    def __getitem__(self, index: Any) -> np.ndarray:
        return self._values[index]


class Opaque:
    """An array of something else than numbers or text, which cannot be read."""

    dtype = np.dtype(object)

    def __init__(self, shape: Sequence[int], kind: str) -> None:
        self.shape, self.kind = tuple(shape), kind

    def __getitem__(self, index: Any) -> np.ndarray:
        raise TypeError(f"values of type {self.kind} are not read")


class Text:
    """An array of text, kept as one or as characters along a last axis."""

    dtype = np.dtype(object)
    kind = "text"

    def __init__(self, values: Readable, *, characters: bool = False) -> None:
        self._values, self._characters = values, characters
        self.shape = values.shape[:-1] if characters else values.shape

    def __getitem__(self, index: Any) -> np.ndarray:
        part = np.asarray(self._values[complete(index, len(self.shape))])
        if self._characters:
            part = np.ascontiguousarray(part).view(f"S{part.shape[-1]}")[..., 0]
        words = [decoded(item) if isinstance(item, bytes) else str(item) for item in part.ravel()]
        return np.array(words, object).reshape(part.shape)


class Reversed:
    """An array with its axes in reverse order."""

    def __init__(self, values: Readable) -> None:
        self._values = values
        self.shape, self.dtype = tuple(values.shape)[::-1], values.dtype
        self.chunks = getattr(values, "chunks", None)

    def __getitem__(self, index: Any) -> np.ndarray:
        return self._values[complete(index, len(self.shape))[::-1]].transpose()


class Chunked:
    """An array in chunks, some of which may never have been written: their values are missing.

    ``written`` tells of a chunk, by its number along each axis, if it was.
    """

    def __init__(
        self,
        values: Readable,
        chunks: tuple[int, ...],
        written: Callable[[tuple[int, ...]], bool],
    ) -> None:
        self._values, self.chunks, self._written = values, chunks, written
        self.shape, self.dtype = tuple(values.shape), values.dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        index = complete(index, len(self.shape))
        absent = ~self._present(index)
        part = np.asarray(self._values[index])
        return np.ma.masked_array(part, absent.reshape(part.shape)) if absent.any() else part

    def _present(self, index: tuple[Any, ...]) -> np.ndarray:
        """Whether the entries at an index are in chunks that were written."""
        numbers, places = [], []
        for entry, length, chunk in zip(index, self.shape, self.chunks, strict=True):
            along = np.atleast_1d(np.arange(length)[entry] // chunk)
            met, place = np.unique(along, return_inverse=True)
            numbers.append(met)
            places.append(place)
        grid = np.empty([len(met) for met in numbers], bool)
        for position in np.ndindex(grid.shape):
            number = tuple(int(met[i]) for met, i in zip(numbers, position, strict=True))
            grid[position] = self._written(number)
        return grid[np.ix_(*places)]


class Longer:
    """An array with missing values after those it has, as along NetCDF's unlimited dimensions."""

    def __init__(self, values: Readable, shape: tuple[int, ...]) -> None:
        self._values, self.shape, self.dtype = values, shape, values.dtype
        self.chunks = getattr(values, "chunks", None)

    def __getitem__(self, index: Any) -> np.ndarray:
        chosen = [
            np.arange(length)[entry]
            for length, entry in zip(self.shape, complete(index, len(self.shape)), strict=True)
        ]
        there = [
            np.atleast_1d(along) < length
            for along, length in zip(chosen, self._values.shape, strict=True)
        ]
        found = np.ma.masked_all([len(along) for along in there], self.dtype)
        if all(along.any() for along in there):
            parts = (np.atleast_1d(c)[t] for c, t in zip(chosen, there, strict=True))
            found[np.ix_(*there)] = self._values[tuple(map(_span, parts))]
        return found.reshape([len(along) for along in chosen if along.ndim])


def _span(positions: np.ndarray) -> slice | list[int]:
    """Positions as a slice, which is read at once, if they are equally spaced."""
    steps = np.diff(positions)
    if len(steps) and ((steps != steps[0]).any() or steps[0] < 1):
        return positions.tolist()
    step = int(steps[0]) if len(steps) else 1
    return slice(int(positions[0]), int(positions[-1]) + 1, step)
