"""Names, units and coordinates of fields: from data to the samples that resemble them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from torch import Tensor

from fsdiff.spaces.basis import Basis


def describe_fields(dataset: xr.Dataset, basis: Basis) -> dict[str, Any]:
    """Names, units and extent of a data set's fields, as a model's description has them.

    Along each axis the coordinates are ``start`` + ``scale`` times those of the basis.
    """
    field = dataset["field"]
    names = field.dims[field.dims.index("channel") + 1 :]
    level = basis.resolution(field)
    axes = [
        {
            "name": name,
            **_extent(dataset[name], own),
            "attributes": dict(dataset[name].attrs),
        }
        for name, own in zip(names, basis.axis_nodes(level), strict=True)
    ]
    time = {"times": dataset["time"].values.tolist()} if "time" in dataset.coords else {}
    attributes = {
        name: dict(dataset[name].attrs) for name in ("field", "time") if name in dataset.variables
    }
    return {"channels": dataset["channel"].values.tolist(), "axes": axes, **time, **attributes}


def _extent(coordinate: xr.DataArray, own: np.ndarray) -> dict[str, float]:
    """The map from coordinates of the basis to those of the data."""
    nodes = coordinate.values
    scale = float((nodes[1] - nodes[0]) / (own[1] - own[0])) if len(own) > 1 else 1.0
    return {"start": float(nodes[0]) - float(own[0]) * scale, "scale": scale}


def label(fields: Tensor, basis: Basis, described: Mapping[str, Any]) -> xr.Dataset:
    """Fields (samples, channel, *grid) with the names and coordinates of a description.

    Where these are series, the channels are taken apart into (time, channel).
    """
    names = tuple(axis["name"] for axis in described["axes"])
    nodes = basis.axis_nodes(basis.resolution(fields))
    coordinates: dict[str, Any] = {
        "sample": ("sample", np.arange(len(fields)), {"long_name": "sample index"}),
        "channel": ("channel", described["channels"]),
    }
    for axis, own in zip(described["axes"], nodes, strict=True):
        values = own * axis["scale"] + axis["start"]
        coordinates[axis["name"]] = (axis["name"], values, axis["attributes"])
    values, leading, times = fields.numpy(), ("sample", "channel"), described.get("times")
    if isinstance(times, list):
        values = values.reshape(len(values), len(times), -1, *fields.shape[2:])
        leading = ("sample", "time", "channel")
        coordinates["time"] = ("time", times, described["time"])
    elif times is not None:
        coordinates["time"] = ((), times, described["time"])
    return xr.Dataset({"field": ((*leading, *names), values, described["field"])}, coordinates)
