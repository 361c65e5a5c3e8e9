"""Fields in files as functions of time, too, and axes that keep their nodes at every level."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from fsdiff.data.sources.axes import Dimension
from fsdiff.data.sources.coordinates import Positions, evenly_spaced
from fsdiff.data.sources.domain import Line
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.axes import Axis, AxisKind
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.boxes import Box

NAME = "t"
"""What the axis of time is called, as in functions of time that are simulated."""

CALLED = (NAME, "time")
"""Names by which a configuration may speak of it."""


def time_axis(times: Positions | None, kinds: Mapping[str, AxisKind], where: str) -> Axis:
    """The axis that times in equal steps are on, each in the middle of its step; its side is one.

    Between its ends fields have no derivative in time, unless a kind is said. Raises StorageError
    where there are no such times.
    """
    if times is None:
        raise StorageError(f"{where} has no dimension 'time', so that frames are no axis")
    if len(times.values) < 2:
        raise StorageError(f"{where}: an axis of time needs two times or more; leave out frames")
    evenly_spaced(times)
    kind: AxisKind = next((kinds[name] for name in CALLED if name in kinds), "neumann")
    return Axis(kind=kind, name=NAME, nodes=len(times.values))


def box_of(
    basis: Basis,
    lines: Mapping[Dimension, Line],
    time: Axis | None,
    held: Collection[str],
    where: str,
) -> Basis:
    """The basis of space with the axis of time first, if any, and axes that are ``held``.

    These are called by their names or, as ``lines`` are, by x, y and z.
    """
    if time is None and not held:
        return basis
    space = [
        replace(axis, nodes=line.nodes, held=axis.held or bool({dimension, axis.name} & {*held}))
        for (dimension, line), axis in zip(lines.items(), basis.axes, strict=True)
    ]
    known: list[str] = [*lines, *(axis.name for axis in space)]
    if time is not None:
        known += CALLED
        space = [replace(time, held=not {*CALLED}.isdisjoint(held)), *space]
    if unknown := {*held} - {*known}:
        raise StorageError(
            f"held: {where} has no axis {min(unknown)}, only {', '.join(a.name for a in space)}"
        )
    return _box(space, where)


def _box(axes: Sequence[Axis], where: str) -> Box:
    try:
        return Box(axes=tuple(axes))
    except ValueError as error:
        raise StorageError(f"{where}: {error}") from error
