"""Several axes that count samples, such as dates and members, or channels, as one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fsdiff.data.sources.arrays import Arrays, Stored
from fsdiff.data.sources.axes import STACKED, Axes, Dimension, counts_dates
from fsdiff.data.sources.formats.views import Readable, complete
from fsdiff.jobs.failures import StorageError

Order = tuple[tuple[int, ...], ...]
"""For each axis that comes out, those axes of an array that it is made of, the outermost first."""


class Stack:
    """An array some axes of which are one; the first of these varies most slowly along it."""

    def __init__(self, values: Readable, order: Order) -> None:
        self._values, self._order = values, order
        self.shape = tuple(prod(self._lengths(axes)) for axes in order)
        self.dtype, self.chunks = values.dtype, getattr(values, "chunks", None)

    def __getitem__(self, index: Any) -> np.ndarray:
        """A part; along axes that are several, a slice without steps."""
        read: dict[int, Any] = {}
        kept: list[slice] = []
        for axes, entry in zip(self._order, complete(index, len(self.shape)), strict=True):
            if len(axes) == 1:
                read[axes[0]] = entry
                kept.append(slice(None))
                continue
            lengths = self._lengths(axes)
            start, stop, _ = entry.indices(prod(lengths))
            slices, first = _around(lengths, start, max(start, stop))
            read |= dict(zip(axes, slices, strict=True))
            kept.append(slice(start - first, max(start, stop) - first))
        part = self._values[tuple(read[axis] for axis in range(len(self._values.shape)))]
        part = part.transpose([axis for axes in self._order for axis in axes])
        lengths, shape = iter(part.shape), []
        for axes in self._order:
            shape.append(prod(next(lengths) for _ in axes))
        return part.reshape(shape)[tuple(kept)]

    def _lengths(self, axes: Sequence[int]) -> list[int]:
        return [self._values.shape[axis] for axis in axes]


def _around(lengths: Sequence[int], start: int, stop: int) -> tuple[list[slice], int]:
    """A block of a grid that holds entries start to stop of it in order, and its first one."""
    inner = prod(lengths[1:])
    first, last = start // inner, -(-stop // inner)
    if len(lengths) == 1 or last - first != 1:
        return [slice(first, last), *[slice(None)] * (len(lengths) - 1)], first * inner
    rest, begin = _around(lengths[1:], start - first * inner, stop - first * inner)
    return [slice(first, last), *rest], first * inner + begin


class Stacking(NamedTuple):
    """How axes of arrays become one: their ``order`` by the name of the array.

    ``block`` is the number of samples that belong together, such as the members of one date: those
    along all axes of samples but the outermost.
    """

    order: Mapping[str, Order]
    block: int

    @classmethod
    def of(cls, arrays: Arrays, axes: Mapping[str, Axes]) -> "Stacking":
        """That of arrays with such axes; StorageError where these count different samples.

        The outermost axis of samples is that of dates, or else the first in the file.
        """
        orders = {name: _order(arrays, name, own) for name, own in axes.items()}
        counted = {
            name: [arrays[name].shape[axis] for axis in _samples(orders[name], own)]
            for name, own in axes.items()
        }
        first = next(iter(counted))
        for name, lengths in counted.items():
            if prod(lengths) == prod(counted[first]) and lengths != counted[first]:
                raise StorageError(
                    f"{arrays[name].where} has {' x '.join(map(str, lengths))} samples, and "
                    f"'{first}' {' x '.join(map(str, counted[first]))}: read variables whose axes "
                    "of samples are in one order"
                )
        kept = {name: order for name, order in orders.items() if any(len(a) > 1 for a in order)}
        return cls(kept, prod(counted[first][1:]))

    def arrays(self, arrays: Arrays) -> Arrays:
        """The arrays, axes of which are one."""
        return {**arrays, **{name: _stacked(arrays[name], o) for name, o in self.order.items()}}

    def axes(self, axes: Mapping[str, Axes]) -> dict[str, Axes]:
        """What the axes of these are."""
        return {
            name: tuple(own[group[0]] for group in self.order[name]) if name in self.order else own
            for name, own in axes.items()
        }


def _order(arrays: Arrays, name: str, own: Axes) -> Order:
    """The axes of an array, those of one name together where the first of them is."""
    together: dict[Dimension, tuple[int, ...]] = {
        dimension: tuple(i for i, found in enumerate(own) if found == dimension)
        for dimension in STACKED
    }
    together["sample"] = tuple(
        sorted(together["sample"], key=lambda axis: not counts_dates(arrays, name, axis))
    )
    groups = [together[axis] if axis in STACKED else (i,) for i, axis in enumerate(own)]
    return tuple(dict.fromkeys(groups))


def _samples(order: Order, own: Axes) -> tuple[int, ...]:
    """The axes that count samples, the outermost first."""
    return next((group for group in order if own[group[0]] == "sample"), ())


def _stacked(stored: Stored, order: Order) -> Stored:
    """An array with some of its axes as one."""
    names = stored.dimensions
    if names is not None:
        names = tuple("+".join(names[axis] for axis in group) for group in order)
    return replace(stored, values=Stack(stored.values, order), dimensions=names)
