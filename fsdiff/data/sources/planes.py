"""Bases of what solvers work on: rectangles, and functions of time on them."""

from fsdiff.pde.rectangle import Length, grid, sides
from fsdiff.spaces.axes import Axis, AxisKind
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.boxes import Box

_SQUARES = {"periodic": FourierBasis, "neumann": CosineBasis, "dirichlet": SineBasis}


def plane(kind: AxisKind, resolution: int, length: Length, least: int) -> Basis:
    """The basis of a rectangle of ``resolution`` nodes along its longer side.

    Its sides are in units of the longer one. Raises ValueError where fewer than ``least`` nodes are
    left along the other.
    """
    ends = sides(length)
    if ends[0] == ends[1]:
        return _SQUARES[kind]()
    nodes = grid(resolution, length)
    if min(nodes) < least:
        raise ValueError(
            f"length = {ends}: {resolution} nodes along the longer side leave {min(nodes)} along "
            f"the other; use resolution >= {-int(-least * max(ends) // min(ends))}"
        )
    return Box(
        axes=tuple(
            Axis(kind=kind, name=name, nodes=n, side=side / max(ends))
            for name, n, side in zip("yx", nodes, ends, strict=True)
        )
    )


def with_time(space: Basis, resolution: int, nodes: int, *, held: bool) -> Box:
    """Functions of time, of no slope at its ends, with values in ``space``.

    The whole time counts as the longest side of space: noise is as smooth along either.
    """
    axes = zip(space.axes, space.grid(resolution), strict=True)
    return Box(
        axes=(
            Axis(kind="neumann", name="t", nodes=nodes, held=held),
            *(Axis(kind=a.kind, name=a.name, nodes=n, side=a.side) for a, n in axes),
        )
    )
