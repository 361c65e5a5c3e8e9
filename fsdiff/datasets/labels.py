"""Names, coordinates and units of generated fields, the same for every data set."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fsdiff.bases import Basis


def label(
    fields: np.ndarray,
    indices: Sequence[int],
    *,
    basis: Basis,
    nodes: np.ndarray,
    measured_from: str,
    channels: Sequence[str],
    meaning: str,
    times: Sequence[float] | None = None,
) -> xr.Dataset:
    """Variable ``field`` (sample, channel, y, x), or (sample, time, channel, y, x) with ``times``.

    ``nodes`` are the positions along each axis, distances from what ``measured_from`` says;
    ``meaning`` is the long name of the field. All quantities are dimensionless.
    """
    coordinates = {
        "sample": ("sample", np.array(indices, np.int64), {"long_name": "sample index"}),
        "channel": ("channel", list(channels), {"long_name": "quantity"}),
        "y": ("y", nodes, _attributes(f"distance from the {measured_from} along y")),
        "x": ("x", nodes, _attributes(f"distance from the {measured_from} along x")),
    }
    dimensions = ["sample", "channel", "y", "x"]
    if times is not None:
        coordinates["time"] = ("time", np.array(times), _attributes("time"))
        dimensions.insert(1, "time")
    field = (dimensions, fields, _attributes(meaning))
    return xr.Dataset({"field": field}, coordinates, {"fsdiff_basis": basis.kind})


def _attributes(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}
