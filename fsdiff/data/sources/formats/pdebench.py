"""PDEBench's layout of HDF5: a group for each sample, with its fields and their coordinates."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fsdiff.data.sources.formats import hdf5
from fsdiff.data.sources.formats.decoding import CONVENTIONS
from fsdiff.data.sources.formats.hdf5_axes import Axes
from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Readable, complete
from fsdiff.jobs.failures import StorageError

ROUNDING = 1e-5
"""How far coordinates of groups may be apart, as a share of their range."""


def arrays(path: Path, stack: ExitStack, names: Sequence[str]) -> Arrays:
    """Arrays of these names in groups 0000, 0001, … as one each, and ``grid/x``, ``grid/t``, ….

    PDEBench calls them ``data``. Other arrays of one dimension may be coordinates as well. Samples
    are in the order of the names of the groups.
    """
    file = hdf5.opened(path, stack)
    groups = sorted(name for name, item in file.items() if isinstance(item, h5py.Group))
    if not groups:
        raise StorageError(
            f"{path} has no group for each sample but arrays ({', '.join(file)}): say layout: array"
        )
    samples = _Samples(path, file, tuple(groups), tuple(hdf5.names(file)))
    return samples.positions() | {name: samples.stacked(name) for name in names}


@dataclass(frozen=True)
class _Samples:
    """Groups of a file that must have arrays alike."""

    path: Path
    file: h5py.File
    groups: tuple[str, ...]
    names: tuple[str, ...]

    @cached_property
    def known(self) -> frozenset[str]:
        """Paths of the arrays."""
        return frozenset(self.names)

    @cached_property
    def axes(self) -> Axes:
        """The axes of the arrays."""
        return Axes(self.file, list(self.names))

    def stacked(self, name: str) -> Stored:
        """The arrays of one name in all groups as one."""
        parts = [self._array(group, name) for group in self.groups]
        for what in ("shape", "units", "dimensions"):
            for group, part in zip(self.groups, parts, strict=True):
                self._check_alike(name, group, what, getattr(part, what), getattr(parts[0], what))
        names = parts[0].dimensions
        attributes = {k: v for k, v in parts[0].attributes.items() if k not in CONVENTIONS}
        return Stored(_Stack(parts), names and ("sample", *names), attributes)

    def positions(self) -> Arrays:
        """What may be coordinates, checked to be the same in all groups when they are read."""
        inside = f"{self.groups[0]}/"
        names = [name.removeprefix(inside) for name in self.names if name.startswith(inside)]
        first = {name: self._array(self.groups[0], name) for name in names}
        return {
            name.removeprefix("grid/"): replace(
                array, values=_Checked(array.values, partial(self._check_axis, name))
            )
            for name, array in first.items()
            if len(array.shape) == 1 and array.values.dtype != object
        }

    def _check_axis(self, name: str) -> None:
        """Refuse groups with other coordinates than the first, rounding aside."""
        values = self._array(self.groups[0], name).read()
        for group in self.groups[1:]:
            if f"{group}/{name}" in self.known:
                its = self._array(group, name).read()
                same = its.shape == values.shape
                if not same or np.abs(its - values).max() > ROUNDING * np.ptp(values):
                    raise StorageError(
                        f"{self.path}: '{name}' has other values in group '{group}' than in "
                        f"'{self.groups[0]}'; all samples must be alike"
                    )

    def _array(self, group: str, name: str) -> Stored:
        if f"{group}/{name}" not in self.known:
            raise StorageError(
                f"{self.path}: group '{group}' has no array '{name}'; fetch it again, or "
                "say which to read: variables: [...]"
            )
        found = hdf5.stored(hdf5.data_set(self.file, f"{group}/{name}"), self.axes)
        return replace(found, where=f"{self.path}: '{group}/{name}'", path=self.path)

    def _check_alike(self, name: str, group: str, what: str, its: Any, first: Any) -> None:
        if its != first:
            raise StorageError(
                f"{self.path}: '{name}' has {what} {str(its)[:60]} in group '{group}' and "
                f"{str(first)[:60]} in '{self.groups[0]}'; all samples must be alike"
            )


class _Checked:
    """Values that are checked before they are read."""

    def __init__(self, values: Readable, check: Callable[[], None]) -> None:
        self._values, self._check = values, check
        self.shape, self.dtype = tuple(values.shape), values.dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        self._check()
        return self._values[index]


class _Stack:
    """Arrays of one shape, decoded and stacked along a new first axis."""

    def __init__(self, arrays: list[Stored]) -> None:
        self._arrays = arrays
        self.shape, self.dtype = (len(arrays), *arrays[0].shape), arrays[0].values.dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *others = complete(index, len(self.shape))
        chosen = np.atleast_1d(np.arange(len(self._arrays))[first])
        parts = np.stack([self._arrays[number].read(tuple(others)) for number in chosen])
        return parts if np.ndim(np.arange(len(self._arrays))[first]) else parts[0]
