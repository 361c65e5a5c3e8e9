"""What arrays give reason to doubt, which a model would learn without a word: told in the log."""

import logging
from collections.abc import Collection, Hashable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import xarray as xr

from fsdiff.data.sources.axes import plain
from fsdiff.data.sources.blocks import Block
from fsdiff.data.sources.coordinates import ON_SPHERE, Positions
from fsdiff.data.sources.doubts import Doubts
from fsdiff.data.sources.headers import FEW_CHANNELS
from fsdiff.data.sources.placement import has_ends, starts_on_wall
from fsdiff.data.sources.reading import equal_ends
from fsdiff.data.sources.units import in_degrees, same_units
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis

logger = logging.getLogger(__name__)

AT_ONCE = 2**25
"""Numbers that are looked at at a time."""

UNLIKE = 0.02
"""By how much, as a share, sides may differ from those of the box."""

WALLS = (
    "coordinates along %s begin or end on a wall, %g to %g, and are taken to be the centres of %d "
    "cells between walls, where the basis has its nodes: interpolate to these"
)


def tell_doubts(fields: xr.DataArray, basis: Basis, placed: Collection[Hashable]) -> None:
    """Log what is doubtful of fields (sample, channel, *axes), all of which have values.

    Coordinates of the axes ``placed`` are the data's own. Raises ValueError where nodes at both
    ends of a period, by these, have one value.
    """
    values, axes = fields.values, fields.dims[2:]
    channels, *grid = values.shape[1:]
    if 1 < min(grid) <= FEW_CHANNELS < channels:
        logger.warning(
            "fields have %d channels on %s nodes: where channels come last, put them before the "
            "axes, np.moveaxis(fields, -1, 1)",
            *(channels, " x ".join(map(str, grid))),
        )
    for number, (name, axis) in enumerate(zip(axes, basis.axes, strict=True), 2):
        if name in placed and not axis.held and len(fields[name]) > 1:
            _check_ends(fields[name], axis, values, number)
    _compare_sides(
        [
            (fields[name], axis)
            for name, axis in zip(axes, basis.axes, strict=True)
            if name in placed and not axis.held and len(fields[name]) > 1
        ]
    )
    names = tuple(fields["channel"].values.tolist())
    doubts = Doubts(basis, names, placed={*axes} <= {*placed}, both_ends=False)
    for block in _blocks(values):
        doubts.see(values[block.here][:, None], values.dtype, block)
    for doubt in doubts.told(max(values.shape[2:])):
        logger.warning("%s", doubt)


def _check_ends(coordinate: xr.DataArray, axis: Axis, values: np.ndarray, number: int) -> None:
    """Compare where nodes are with where the axis has them."""
    nodes = positions(coordinate)
    both = has_ends(nodes)
    if axis.kind == "periodic" and both and equal_ends(values, values.dtype, [number]).all():
        raise ValueError(
            f"coordinates along {coordinate.name} have both ends of the period, {nodes.values[0]:g}"
            f" and {nodes.values[-1]:g}, which are one place, with one value: leave out the last "
            f"nodes, fields.isel({coordinate.name}=slice(-1))"
        )
    if axis.kind != "periodic" and (both or starts_on_wall(nodes)):
        first, last = nodes.values[0], nodes.values[-1]
        logger.warning(WALLS, coordinate.name, first, last, len(nodes.values))


def _compare_sides(pairs: Sequence[tuple[xr.DataArray, Axis]]) -> None:
    """Warn where the box is of another shape than coordinates in one unit say."""
    found = [(positions(coordinate), axis) for coordinate, axis in pairs]
    for (first, one), (second, other) in combinations(found, 2):
        alike = first.degrees and second.degrees
        if not alike and not (first.units and same_units(first.units, second.units)):
            continue
        sides = [
            nodes.extent * len(nodes.values) / (len(nodes.values) - 1) for nodes in (first, second)
        ]
        if abs(sides[0] / sides[1] / (one.side / other.side) - 1) > UNLIKE:
            logger.warning(
                "coordinates have sides of %.4g along %s and %.4g along %s, and the basis of %g and"
                " %g: lengths of noise count in the latter; a Box can have the shape of the former",
                *(sides[0], one.name, sides[1], other.name, one.side, other.side),
            )


def positions(coordinate: xr.DataArray) -> Positions:
    """Coordinates, from the least to the largest."""
    values, units = coordinate.values, coordinate.attrs.get("units")
    precision = np.finfo(values.dtype if values.dtype.kind == "f" else float).eps
    rounding = float(precision * np.abs(values).max())
    on_sphere = plain(str(coordinate.name)) in ON_SPHERE
    degrees = on_sphere if units is None else in_degrees(str(units))
    ordered = np.sort(values.astype(float))
    unit = None if units is None else str(units)
    return Positions(tuple(ordered.tolist()), rounding, unit, degrees=degrees)


def _blocks(values: np.ndarray) -> Iterator[Block]:
    """Samples in blocks of a bounded size, as messages speak of them."""
    most = max(1, AT_ONCE // values[0].size)
    for start in range(0, len(values), most):
        here = slice(start, min(start + most, len(values)))
        yield Block(Path("fields"), here, here, (0,), apart=False)
