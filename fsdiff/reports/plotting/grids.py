"""Where the nodes of fields lie, as figures of them need it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from fsdiff.data.storage import grid_axes
from fsdiff.spaces.axes import shape_text

LONGEST = 4.0
"""Sides of a panel in this proportion at most; fields that are longer fill a square."""


@dataclass(frozen=True)
class Grid:
    """Names of the axes of a grid, with their units, and the shape of a cell.

    ``aspect`` is the height of a cell of the last two axes over its width, None where these are
    not of one kind, like time and space: then panels are square. ``along`` are the coordinates of
    the nodes of a single axis, which need not be equidistant; nodes are counted where there are
    none.
    """

    names: tuple[str, ...] = ("y", "x")
    aspect: float | None = 1.0
    along: tuple[float, ...] = ()

    @property
    def description(self) -> str:
        """What runs to the right and upwards in a panel; nothing for x and y of a plane."""
        if self.names == ("y", "x"):
            return ""
        *first, last = self.names
        panel = ", ".join([last, *first[-1:]])
        slices = first[:-1]
        return f"{panel} at the first, middle and last {slices[0]}" if slices else panel


def nodes(grid: Sequence[int]) -> str:
    """The shape of a grid in titles and legends, "64 × 32" or "64 nodes"."""
    return shape_text(grid) if len(grid) > 1 else f"{grid[0]} nodes"


def grid_of(field: xr.DataArray) -> Grid:
    """The grid of fields (…, channel, *axes) with coordinates."""
    names = grid_axes(field)
    units = {name: str(field[name].attrs.get("units", "1")) for name in names}
    shown = tuple(name if units[name] == "1" else f"{name} [{units[name]}]" for name in names)
    if names == ("y", "x"):
        shown = names
    if len(names) == 1:
        return Grid(shown, None, tuple(field[names[0]].values.tolist()))
    return Grid(shown, _aspect(field, names[-2:], units))


def kind_of(unit: str) -> str:
    """A unit, degrees of latitude and of longitude being the same."""
    return "degree" if unit.startswith("degree") else unit


def _aspect(field: xr.DataArray, names: tuple[str, ...], units: dict[str, str]) -> float | None:
    kinds = {kind_of(units[name]) for name in names}
    if len(kinds) > 1 or {"t", "time"} & set(names) or min(field.sizes[n] for n in names) < 2:
        return None
    high, wide = (float(np.abs(field[name].diff(name)).mean()) for name in names)
    sides = high * field.sizes[names[0]] / (wide * field.sizes[names[1]])
    return high / wide if 1 / LONGEST <= sides <= LONGEST else None
