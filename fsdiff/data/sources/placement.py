"""Where a file has its nodes in the domain, compared with the nodes of a basis.

The Fourier basis has n nodes a period apart from their images, so that the last is one step before
the end; the cosine and sine bases have the centres of n cells between walls. On n nodes a step h
apart, both make the side n·h. Files with nodes at both ends have sides of (n − 1)·h. Which is meant
is said by ``length`` or, where that is left out, told by which of the two is a round number.
"""

import numpy as np

from fsdiff.data.sources.coordinates import CIRCLE, UNEVEN, Positions
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.axes import AxisKind

MOST_DIGITS = 6


def has_both_ends(nodes: Positions, kind: AxisKind, what: str, length: float | None) -> bool:
    """Whether the last node is the first one again, a period later.

    Raises StorageError, with the remedy, where nodes are not those of the axis, which ``what``
    describes.
    """
    start, step, count = nodes.values[0], nodes.extent / (len(nodes.values) - 1), len(nodes.values)
    side = count * step
    both = _said(nodes, length, side) if length else has_ends(nodes)
    if both and kind == "periodic":
        return True
    between = f"{what} has them at the centres of {count} cells between walls"
    remedy = (
        "interpolate to these or, if nodes are centres of cells all the same, say "
        f"length: {side:.6g}"
    )
    if both:
        raise StorageError(
            f"{nodes.where}: nodes run from wall to wall, {start:g} to {nodes.values[-1]:g}, but "
            f"{between}; {remedy}"
        )
    if kind != "periodic" and not length and starts_on_wall(nodes):
        raise StorageError(
            f"{nodes.where}: nodes are the left ends of cells, {start:g}, {start + step:g}, …, but "
            f"{between}; {remedy}"
        )
    return False


def _said(nodes: Positions, length: float, side: float) -> bool:
    """Whether a side of the given length means that there are nodes at both ends."""
    tolerance = UNEVEN * nodes.extent / (len(nodes.values) - 1) + 4 * nodes.rounding
    for possible, both in ((side, False), (nodes.extent, True)):
        if abs(length - possible) <= max(tolerance, 1e-6 * length):
            return both
    raise StorageError(
        f"{nodes.where}: nodes span {nodes.extent:.6g}, which makes a side of {side:.6g}, or of "
        f"{nodes.extent:.6g} if both ends are among them, but length = {length:g}; leave it out"
    )


def has_ends(nodes: Positions) -> bool:
    """Whether positions, from the least to the largest, look like those of nodes at both ends."""
    start, step = nodes.values[0], nodes.extent / (len(nodes.values) - 1)
    if nodes.degrees:
        return abs(nodes.extent - CIRCLE) <= UNEVEN * step + 4 * nodes.rounding
    side = nodes.extent + step
    centred = abs(start - step / 2) <= UNEVEN * step
    return not centred and not _numbers(step) and _rounder(nodes.extent, side, nodes)


def starts_on_wall(nodes: Positions) -> bool:
    """Whether positions are lengths that start at zero, where centres of cells do not."""
    start, step = nodes.values[0], nodes.extent / (len(nodes.values) - 1)
    return not nodes.degrees and not _numbers(step) and abs(start) <= UNEVEN * step


def _numbers(step: float) -> bool:
    """Whether positions are numbers of nodes rather than lengths."""
    return abs(step - 1) <= UNEVEN


def _rounder(first: float, second: float, nodes: Positions) -> bool:
    """Whether a length takes fewer digits, or fewer as a multiple of π, than another."""
    return _digits(first, nodes.rounding) < _digits(second, nodes.rounding)


def _digits(length: float, rounding: float) -> int:
    tolerance = 4 * rounding + 1e-9 * length
    for digits in range(1, MOST_DIGITS + 1):
        for unit in (1.0, np.pi):
            if abs(float(f"{length / unit:.{digits - 1}e}") * unit - length) <= tolerance:
                return digits
    return MOST_DIGITS + 1
