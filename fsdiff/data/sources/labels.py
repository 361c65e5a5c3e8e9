"""Names, coordinates and units of fields, the same for every data set."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from fsdiff.data.masking import with_mask
from fsdiff.data.storage import field_dimensions
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.bases import Basis

LONGEST = 80
"""Characters of a name or a unit: more is no name."""

MOST_LISTED = 20
"""Names in a message."""


def label(
    fields: np.ndarray,
    indices: Sequence[int],
    *,
    basis: Basis,
    measured_from: str,
    channels: Sequence[str],
    meaning: str,
    nodes: Mapping[str, np.ndarray] | None = None,
    time: float | Sequence[float] | None = None,
    units: Mapping[str, str] | None = None,
    present: np.ndarray | None = None,
) -> xr.Dataset:
    """Variable ``field`` (sample, channel, *axes), or (sample, time, channel, *axes) for series.

    The axes are those of the basis, and ``nodes`` the coordinates along each of them, by name; by
    default those of the basis. They are distances from what ``measured_from`` says where the name
    is a letter, times if this is t. ``meaning`` is the long name of the field. A single ``time`` is
    a coordinate of all fields, several make a series. ``units`` are those of "field", "time" and of
    the axes by name; what is not among them is dimensionless. ``present`` are the nodes that have
    values, of one sample, where not all have.
    """
    units, axes = units or {}, [axis.name for axis in basis.axes]
    own = zip(axes, basis.axis_nodes(basis.resolution(fields)), strict=True)
    coordinates_of = dict(own) | dict(nodes or {})
    if unknown := coordinates_of.keys() - set(axes):
        raise ValueError(f"nodes along {listed(unknown)}: the axes are {', '.join(axes)}")
    if time is not None and "time" in axes:
        raise ValueError("fields are functions of time: its values are the nodes of that axis")

    def about(name: str, quantity: str) -> dict[str, str]:
        return {"long_name": name, "units": str(units.get(quantity, "1"))}

    coordinates: dict[str, Any] = {
        "sample": ("sample", np.array(indices, np.int64), {"long_name": "sample index"}),
        "channel": ("channel", [str(name) for name in channels], {"long_name": "quantity"}),
        **{
            name: (name, coordinates_of[name], about(_along(name, measured_from), name))
            for name in axes
        },
    }
    series = time is not None and np.ndim(time) > 0
    if time is not None:
        dimensions = "time" if series else ()
        coordinates["time"] = (dimensions, np.array(time), about("time", "time"))
    field = (field_dimensions(axes, series=series), fields, about(one_line(meaning), "field"))
    dataset = xr.Dataset({"field": field}, coordinates, {"fsdiff_basis": basis.kind})
    return dataset if present is None else with_mask(dataset, present)


def _along(axis: str, measured_from: str) -> str:
    """What coordinates along an axis are: distances or times where its name is but a letter."""
    if axis == "t":
        return "time"
    return f"distance from the {measured_from} along {axis}" if len(axis) == 1 else axis


def printable(text: str, what: str) -> str:
    """Text of a file in one line, without control characters.

    Raises StorageError that says ``what`` it is where nothing is left, or too much for a name.
    """
    line = one_line(text)
    if not 0 < len(line) <= LONGEST:
        shown = f"'{line[:20]}…' of {len(line)} characters" if line else "empty"
        raise StorageError(f"{what} is {shown}; write one of at most {LONGEST}")
    return line


def one_line(text: str) -> str:
    """Text with spaces in place of line ends and control characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def listed(names: Iterable[str]) -> str:
    """Names for a message: the first of many, each in one line and not too long."""
    names = list(names)
    shown = [one_line(name)[:LONGEST] for name in names[:MOST_LISTED]]
    more = [f"and {len(names) - MOST_LISTED} more"] if len(names) > MOST_LISTED else []
    return ", ".join(shown + more)
