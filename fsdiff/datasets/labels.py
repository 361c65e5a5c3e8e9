"""Names, coordinates and units of fields, the same for every data set."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from fsdiff.bases import Basis


def label(
    fields: np.ndarray,
    indices: Sequence[int],
    *,
    basis: Basis,
    y: np.ndarray,
    x: np.ndarray,
    measured_from: str,
    channels: Sequence[str],
    meaning: str,
    time: float | Sequence[float] | None = None,
    units: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Variable ``field`` (sample, channel, y, x), or (sample, time, channel, y, x) for series.

    ``y`` and ``x`` are the nodes along each axis, distances from what ``measured_from`` says;
    ``meaning`` is the long name of the field. A single ``time`` is a coordinate of all fields,
    several make a series. ``units`` are those of "field", "time" and "nodes"; what is not among
    them is dimensionless.
    """
    units = units or {}

    def about(name: str, quantity: str) -> dict[str, str]:
        return {"long_name": name, "units": units.get(quantity, "1")}

    coordinates = {
        "sample": ("sample", np.array(indices, np.int64), {"long_name": "sample index"}),
        "channel": ("channel", list(channels), {"long_name": "quantity"}),
        "y": ("y", y, about(f"distance from the {measured_from} along y", "nodes")),
        "x": ("x", x, about(f"distance from the {measured_from} along x", "nodes")),
    }
    dimensions = ["sample", "channel", "y", "x"]
    if time is not None:
        series = np.ndim(time) > 0
        coordinates["time"] = ("time" if series else (), np.array(time), about("time", "time"))
        if series:
            dimensions.insert(1, "time")
    field = (dimensions, fields, about(meaning, "field"))
    return xr.Dataset({"field": field}, coordinates, {"fsdiff_basis": basis.kind})
