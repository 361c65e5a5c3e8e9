"""Fields from the arrays of a file, with the dimensions of series in their order."""

from collections.abc import Sequence

import numpy as np

from fsdiff.data.sources.arrays import Arrays, Stored
from fsdiff.data.sources.axes import LEADING, SPACE, Axes, Dimension
from fsdiff.data.sources.headers import Header
from fsdiff.jobs.failures import StorageError

ROUNDINGS = 16
"""How many roundings of the largest value may be between two that are meant to be the same."""

SOLVED = 1e-12
"""As a share of the largest value: how exactly double precision solves or evaluates anything."""


def read_fields(
    arrays: Arrays, header: Header, samples: slice, frames: Sequence[int]
) -> np.ndarray:
    """Fields (sample, time, channel, *grid) of some samples and times, in floating point.

    The axes ``time`` and ``channel`` have length one where the file has no such dimension; what is
    the same at all times is repeated. Raises StorageError where nodes at both ends differ.
    """
    parts, order = [], (*LEADING, *header.lines)
    for name, axes in header.axes.items():
        part = _read(arrays[name], axes, samples, frames)
        part = np.broadcast_to(part, (part.shape[0], len(frames), *part.shape[2:]))
        part = np.flip(part, tuple(order.index(axis) for axis in header.reversed))
        if header.both_ends:
            ends = tuple(order.index(axis) for axis in header.both_ends)
            part = _without_last(part, arrays[name], samples.start, ends)
        parts.append(part)
    return np.concatenate(parts, axis=2)


def equal_ends(fields: np.ndarray, kept: np.dtype, axes: Sequence[int]) -> np.ndarray:
    """For each sample, whether the last nodes along some axes have the values of the first ones.

    ``kept`` is the type in which a file has them, which decides how much they may differ.
    """
    precision = float(np.finfo(kept).eps) if kept.kind == "f" else 0.0
    tolerance = max(ROUNDINGS * precision, SOLVED)
    largest = _largest(fields)
    differences = (fields.take(-1, axis) - fields.take(0, axis) for axis in axes)
    return np.max([_largest(part) for part in differences], axis=0) <= tolerance * largest


def _largest(fields: np.ndarray) -> np.ndarray:
    """The largest absolute value in each sample."""
    return np.abs(fields).max(axis=tuple(range(1, fields.ndim)), initial=0)


def _read(stored: Stored, axes: Axes, samples: slice, frames: Sequence[int]) -> np.ndarray:
    """A part of one array, with the dimensions of series in their order."""
    static = "time" not in axes or stored.shape[axes.index("time")] == 1
    first, last = frames[0], frames[-1]
    # Slices are read at once, where a list of positions takes a step for each.
    beside = last - first + 1 == len(frames)
    chosen: dict[Dimension | None, slice | list[int]] = {
        "sample": samples,
        "time": slice(first, last + 1) if beside else list(frames),
    }
    if static:
        chosen["time"] = slice(None)
    part = stored.read(tuple(chosen.get(name, slice(None)) for name in axes))
    part = part.squeeze(tuple(i for i, name in enumerate(axes) if name is None))
    own = [name for name in axes if name]
    part = part.transpose([own.index(name) for name in (*LEADING, *SPACE) if name in own])
    return np.expand_dims(part, [i for i, name in enumerate(LEADING) if name not in own])


def _without_last(
    part: np.ndarray, stored: Stored, first: int, axes: tuple[int, ...]
) -> np.ndarray:
    """Fields without the last nodes along some axes, which have the values of the first ones."""
    there = np.isfinite(part).all(tuple(range(1, part.ndim)))  # what is missing is refused later
    different = there & ~equal_ends(part, np.dtype(stored.values.dtype), axes)
    if different.any():
        raise StorageError(
            f"{stored.where}: nodes are at both ends of the period, but values there differ in "
            f"sample {first + int(different.argmax())} there: if the last nodes are one step "
            "before the end say so with length, the side that is meant; if fields are not "
            "periodic choose another basis"
        )
    return part[tuple(slice(-1 if axis in axes else None) for axis in range(part.ndim))]
