"""What the values of fields give reason to doubt: that they were written, and where nodes are."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from fsdiff.bases import Basis
from fsdiff.datasets.blocks import Block
from fsdiff.datasets.reading import equal_ends

BOTH_ENDS = (
    "the last nodes along y and x have the values of the first ones in all samples that were read; "
    "if they are the same nodes a period later, leave them out, or say length: the period, where "
    "files have coordinates"
)

ON_WALLS = (
    "channel {names} is zero at the first and the last nodes along y and x in all samples that "
    "were read; if these are on the walls, interpolate to the centres of {count} cells between "
    "them, where the sine basis has its nodes"
)

UNWRITTEN = (
    "{count} samples end with zeros alone, the first of them {place} of {path}; if these were "
    "never written, leave them out"
)


@dataclass
class Doubts:
    """Gathers what is doubtful in blocks of fields; nodes are those of the basis or ``placed``."""

    basis: Basis
    channels: tuple[str, ...]
    placed: bool
    _equal: bool = True
    _varied: bool = False
    _edges: np.ndarray | None = None
    _unwritten: list[tuple[Block, int]] = field(default_factory=list)

    def see(self, fields: np.ndarray, kept: np.dtype, block: Block) -> None:
        """Look at fields (sample, time, channel, y, x) that a file keeps in this type."""
        self._equal &= bool(equal_ends(fields, kept).all())
        self._varied |= bool(np.ptp(fields) > 0)
        edges = (fields[..., [0, -1], :], fields[..., [0, -1]])
        largest = [np.abs(part).max((0, 1, 3, 4)) for part in (*edges, fields)]
        # Of each channel, at the edges and anywhere.
        seen = np.array([np.maximum(*largest[:2]), largest[2]])
        self._edges = seen if self._edges is None else np.maximum(self._edges, seen)
        for position in np.flatnonzero(~fields[:, -1].any((1, 2, 3))):
            if not (block.apart and block.frames[position] == 0):  # which many runs start from
                self._unwritten.append((block, int(position)))

    def told(self, resolution: int, both_ends: bool) -> Iterator[str]:
        """What there is to say of all that was seen."""
        if self._unwritten and self._varied:
            block, position = self._unwritten[0]
            count, place = len(self._unwritten), block.place(position)
            yield UNWRITTEN.format(count=count, place=place, path=block.path)
        if self.basis.periodic and not both_ends and self._equal and self._varied:
            yield BOTH_ENDS
        if self.basis.kind == "sine" and not self.placed and self._edges is not None:
            walls = (self._edges[0] == 0) & (self._edges[1] > 0)
            if walls.any():
                names = ", ".join(np.array(self.channels)[walls])
                yield ON_WALLS.format(names=names, count=resolution)
