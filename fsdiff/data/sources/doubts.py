"""What the values of fields give reason to doubt: that they were written, and where nodes are."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from fsdiff.data.sources.blocks import Block
from fsdiff.data.sources.reading import SOLVED, equal_ends
from fsdiff.spaces.axes import AxisKind
from fsdiff.spaces.basis import Basis

BOTH_ENDS = (
    "the last nodes along {names} have the values of the first ones in all samples that were read; "
    "if they are the same nodes a period later, leave them out, or say length: the period, where "
    "files have coordinates"
)

ON_WALLS = (
    "channel {names} is zero at the first and the last nodes along {axes} in all samples that "
    "were read; if these are on the walls, interpolate to the centres of {count} cells between "
    "them, where the sine basis has its nodes"
)

UNWRITTEN = (
    "{count} samples end with zeros alone, the first of them {place} of {path}; if these were "
    "never written, leave them out"
)

MARKED = (
    "channel {name} has values of exactly {marker:g}, far from all others, e.g. in {place} of "
    "{path}; if they stand for none, fill them in or say so: _FillValue = {marker:g} in a file, or "
    "NaN in an array"
)

MARKERS = (
    *(-99, -999, -9999, -99999, -999999, -32767, -32768, 9999, 99999),
    *(1e10, 1e15, 1e20, 1e30, 1e36, 9.969209968386869e36),
)
"""Values that are written for missing ones, often without a word; as they are in float32."""

FAR = 2
"""How many times as large as all others such a value must be."""


@dataclass
class Doubts:
    """Gathers what is doubtful in blocks of fields.

    The file says where nodes are if ``placed``, and has them at ``both_ends`` of some axes.
    """

    basis: Basis
    channels: tuple[str, ...]
    placed: bool
    both_ends: bool
    _equal: bool = True
    _varied: bool = False
    _at_edges: np.ndarray | float = 0.0
    _anywhere: np.ndarray | float = 0.0
    _unwritten: list[tuple[Block, int]] = field(default_factory=list)
    _marked: dict[str, str] = field(default_factory=dict)

    def see(self, fields: np.ndarray, kept: np.dtype, block: Block) -> None:
        """Look at fields (sample, time, channel, *grid) that a file keeps in this type."""
        if periodic := self._axes("periodic"):
            self._equal &= bool(equal_ends(fields, kept, periodic).all())
        self._varied |= bool(np.ptp(fields) > 0)
        if self._axes("dirichlet") and not self.placed:
            self._look_at_edges(fields)
        for position in np.flatnonzero(~fields[:, -1].any(tuple(range(1, fields.ndim - 1)))):
            if not (block.apart and block.frames[position] == 0):  # which many runs start from
                self._unwritten.append((block, int(position)))
        for channel, name in enumerate(self.channels):
            self._look_for_markers(fields[:, :, channel], name, block)

    def _axes(self, kind: AxisKind) -> list[int]:
        """Axes of a kind, as those of fields."""
        return [i for i, axis in enumerate(self.basis.axes, 3) if axis.kind == kind]

    def _names(self, kind: AxisKind) -> str:
        return " and ".join(axis.name for axis in self.basis.axes if axis.kind == kind)

    def _look_at_edges(self, fields: np.ndarray) -> None:
        """The largest absolute value of each channel at the outermost nodes, and anywhere."""
        others = (0, 1, *range(3, fields.ndim))
        edges = (fields.take([0, -1], axis) for axis in self._axes("dirichlet"))
        largest = [np.abs(part).max(others) for part in (*edges, fields)]
        self._at_edges = np.maximum(self._at_edges, np.max(largest[:-1], axis=0))
        self._anywhere = np.maximum(self._anywhere, largest[-1])

    def _look_for_markers(self, values: np.ndarray, name: str, block: Block) -> None:
        """Look at one channel (sample, time, *grid) for values that may stand for none."""
        if name in self._marked or (marker := marker_in(values)) is None:
            return
        marks = values.astype(np.float32) == np.float32(marker)
        place = block.place(int(marks.any(tuple(range(1, marks.ndim))).argmax()))
        self._marked[name] = MARKED.format(name=name, marker=marker, place=place, path=block.path)

    def told(self, resolution: int) -> Iterator[str]:
        """What there is to say of all that was seen."""
        yield from self._marked.values()
        if self._unwritten and self._varied:
            block, position = self._unwritten[0]
            count, place = len(self._unwritten), block.place(position)
            yield UNWRITTEN.format(count=count, place=place, path=block.path)
        if self._axes("periodic") and not self.both_ends and self._equal and self._varied:
            yield BOTH_ENDS.format(names=self._names("periodic"))
        nothing = SOLVED * np.asarray(self._anywhere)
        walls = np.atleast_1d((self._at_edges <= nothing) & (nothing > 0))
        if walls.any():
            names = ", ".join(np.array(self.channels)[walls])
            yield ON_WALLS.format(names=names, axes=self._names("dirichlet"), count=resolution)


def marker_in(values: np.ndarray) -> float | None:
    """A value often written for missing ones, far from all others; None if there is none."""
    ends = np.array([values.min(), values.max()], np.float32)
    for marker in MARKERS:
        if np.float32(marker) in ends:
            marks = values.astype(np.float32) == np.float32(marker)
            others = np.abs(values[~marks]).max(initial=0)
            if FAR * others < abs(marker) and not marks.all():
                return marker
    return None
