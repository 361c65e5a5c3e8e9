"""Names, units and coordinates of fields: from data to the samples that resemble them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from torch import Tensor

from fsdiff.data.masking import with_mask
from fsdiff.data.storage import field_dimensions, grid_axes
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask


def describe_fields(dataset: xr.Dataset, basis: Basis) -> dict[str, Any]:
    """Names, units and extent of a data set's fields, as a model's description has them.

    Along each axis the coordinates are ``start`` + ``scale`` times those of the basis; where an
    axis is held, they are the same ``values`` at every level.
    """
    field = dataset["field"]
    own = zip(grid_axes(field), basis.axes, basis.axis_nodes(basis.resolution(field)), strict=True)
    axes = [
        {
            "name": name,
            **_extent(dataset[name], nodes),
            **({"values": dataset[name].values.tolist()} if axis.held else {}),
            "attributes": dict(dataset[name].attrs),
        }
        for name, axis, nodes in own
    ]
    time = (
        {"times": dataset["time"].values.tolist()}
        if "time" in dataset.coords and "time" not in grid_axes(field)
        else {}
    )
    attributes = {
        name: dict(dataset[name].attrs) for name in ("field", "time") if name in dataset.variables
    }
    return {"channels": dataset["channel"].values.tolist(), "axes": axes, **time, **attributes}


def _extent(coordinate: xr.DataArray, own: np.ndarray) -> dict[str, float]:
    """The map from coordinates of the basis to those of the data."""
    nodes = coordinate.values
    scale = float((nodes[1] - nodes[0]) / (own[1] - own[0])) if len(own) > 1 else 1.0
    return {"start": float(nodes[0]) - float(own[0]) * scale, "scale": scale}


def label(
    fields: Tensor, basis: Basis, described: Mapping[str, Any], mask: Mask | None = None
) -> xr.Dataset:
    """Fields (samples, channel, *grid) with the names and coordinates of a description.

    Where these are series, the channels are taken apart into (time, channel). Where a ``mask`` says
    that nodes have no values, so does the variable ``present``.
    """
    names = tuple(axis["name"] for axis in described["axes"])
    nodes = basis.axis_nodes(basis.resolution(fields))
    coordinates: dict[str, Any] = {
        "sample": ("sample", np.arange(len(fields)), {"long_name": "sample index"}),
        "channel": ("channel", described["channels"]),
    }
    for axis, own in zip(described["axes"], nodes, strict=True):
        values = axis.get("values") or own * axis["scale"] + axis["start"]
        coordinates[axis["name"]] = (axis["name"], values, axis["attributes"])
    values = fields.numpy()
    times: Any = described.get("times")
    series = isinstance(times, list)
    if series:
        values = values.reshape(len(values), len(times), -1, *fields.shape[2:])
    if times is not None:
        coordinates["time"] = ("time" if series else (), times, described["time"])
    field = (field_dimensions(names, series=series), values, described["field"])
    dataset = xr.Dataset({"field": field}, coordinates)
    if mask is None:
        return dataset
    present = mask.at(basis.resolution(fields)).numpy()
    return with_mask(dataset, present.reshape(values.shape[1:]))
