"""An array in a file, and what is checked before it is read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fsdiff.data.sources.formats.decoding import decode
from fsdiff.data.sources.formats.failures import damage_named
from fsdiff.jobs.failures import StorageError

EXPANSION = 100
"""How many times as large as its file an array may be once it is unpacked."""

SMALL = 2**28
"""Bytes that an array may have whatever the size of its file."""


@dataclass(frozen=True)
class Stored:
    """An array in a file: ``values`` has a shape and a dtype, and is read by slices.

    ``dimensions`` are the names of its axes where the file gives them, ``attributes`` what else it
    says of the array, as plain numbers, text and lists of them. ``where`` says in messages what
    array this is, ``path`` is the file that holds it.
    """

    values: Any
    dimensions: tuple[str, ...] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    path: Path | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of entries along each axis."""
        return tuple(self.values.shape)

    @property
    def units(self) -> str | None:
        """The units, None where the file gives none."""
        units = self.attributes.get("units")
        return None if units is None or isinstance(units, list) else str(units).strip() or None

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the arrays that the attribute ``coordinates`` of the CF conventions lists."""
        names = self.attributes.get("coordinates")
        return tuple(names.split()) if isinstance(names, str) else ()

    def check(self, dtype: np.dtype | type | None = None) -> None:
        """Raise StorageError where the values are not real or would fill the memory.

        ``dtype`` is that of a part of them, if this is known better.
        """
        self._check_type(np.dtype(self.values.dtype if dtype is None else dtype))
        # A chunk is unpacked as a whole, and can be larger than the array.
        sizes = (math.prod(self.shape), math.prod(getattr(self.values, "chunks", None) or ()))
        claimed = max(sizes) * np.dtype(self.values.dtype).itemsize
        if self.path is None or claimed <= SMALL:
            return
        if claimed > EXPANSION * _size(self.path):
            raise StorageError(
                f"{self.where} has shape {self.shape}, {claimed / 2**20:.0f} MB, over {EXPANSION} "
                "times the size of its file: damaged, or most of it was never written; "
                "if it is right, write it without compression"
            )

    def _check_type(self, dtype: np.dtype) -> None:
        if dtype.kind in "fiub":
            return
        kind = str(getattr(self.values, "kind", dtype))
        remedy = (
            "write real and imaginary parts as two channels"
            if kind.startswith("complex")
            else "write real numbers, such as float32"
        )
        raise StorageError(f"{self.where} holds values of type {kind}: {remedy}")

    def read(self, index: Any = ...) -> np.ndarray:
        """A part of the array in floating point, NaN where it has no value.

        Double precision wherever single precision would change values of the file. Raises
        StorageError where they cannot be read or are not real.
        """
        self.check()
        with damage_named(f"{self.where} cannot be read"):
            part = np.ma.asanyarray(self.values[index])
        self.check(part.dtype)
        return decode(part, self.attributes, self.where)


Arrays = dict[str, Stored]


def _size(path: Path) -> int:
    """Bytes in a file, or in the files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
