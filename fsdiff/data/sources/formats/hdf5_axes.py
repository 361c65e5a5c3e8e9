"""Axes of data sets in HDF5: dimension scales give them names and lengths, or else labels."""

from functools import cached_property

import h5py
import numpy as np

from fsdiff.data.sources.formats.hdf5_attributes import attribute, text
from fsdiff.data.sources.formats.views import named

NOT_A_COORDINATE = "_nc4_non_coord_"
"""Prefix of a NetCDF variable that has the name of a dimension by chance."""


class Axes:
    """The axes of all data sets of a file, given their paths."""

    def __init__(self, file: h5py.File, names: list[str]) -> None:
        self._file, self._names = file, names

    def names(self, values: h5py.Dataset) -> tuple[str, ...] | None:
        """Names of the axes of a data set, None if they have none."""
        own = self._own(values)
        if own is not None:
            return own
        labels = np.ravel(attribute(values, "DIMENSION_LABELS", [""] * values.ndim)).tolist()
        scales = [self._scales.get((values.name, axis)) for axis in range(values.ndim)]
        pairs = zip(scales, labels, strict=True)
        return named([str(label) if scale is None else last(scale.name) for scale, label in pairs])

    def shape(self, values: h5py.Dataset) -> tuple[int, ...]:
        """Lengths of the axes, those of coordinates that have grown where the values have not."""
        lengths = list(values.shape)
        for axis, most in enumerate(values.maxshape):
            scale = self._scales.get((values.name, axis)) if most is None else None
            if scale is not None and scale.shape:
                lengths[axis] = max(lengths[axis], scale.shape[0])
        return tuple(lengths)

    @cached_property
    def _scales(self) -> dict[tuple[str, int], h5py.Dataset]:
        """(Path of a data set, number of an axis) → the scale along it."""
        found: dict[tuple[str, int], h5py.Dataset] = {}
        for scale in map(self._file.__getitem__, self._names):
            users = attribute(scale, "REFERENCE_LIST", (), frozenset({h5py.h5t.COMPOUND}))
            for reference, axis in users:
                name = h5py.h5r.get_name(reference, self._file.id)
                if name is not None:
                    found.setdefault((name.decode(errors="surrogateescape"), int(axis)), scale)
        return found

    @cached_property
    def _by_number(self) -> dict[int, str]:
        """Number of a dimension of NetCDF → its name."""
        numbers = {name: attribute(self._file[name], "_Netcdf4Dimid") for name in self._names}
        return {int(number): last(name) for name, number in numbers.items() if number is not None}

    def _own(self, values: h5py.Dataset) -> tuple[str, ...] | None:
        """The axes of a coordinate, which is not attached to itself.

        Along several axes it is one of NetCDF, which has the numbers of its dimensions.
        """
        if text(values, "CLASS") != "DIMENSION_SCALE":
            return None
        if values.ndim == 1:
            return (last(values.name),)
        numbers = attribute(values, "_Netcdf4Coordinates", ())
        own = [self._by_number.get(int(number)) for number in numbers]
        return tuple(map(str, own)) if own and None not in own else None


def last(path: str) -> str:
    """The last part of a path, as NetCDF has it."""
    return path.rpartition("/")[2].removeprefix(NOT_A_COORDINATE)
