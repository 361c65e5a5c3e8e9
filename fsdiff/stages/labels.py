"""Names, units and coordinates of fields: from data to the samples that resemble them."""

import math
from collections.abc import Hashable, Mapping, Sequence
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

    Along each axis the coordinates are ``start`` + ``scale`` times those of the basis; on as many
    nodes as the data have they are the ``values`` of these, where rounding makes them differ or an
    axis is held and has no others.
    """
    field = dataset["field"]
    own = zip(grid_axes(field), basis.axes, basis.axis_nodes(basis.resolution(field)), strict=True)
    axes = [
        {
            "name": name,
            **_extent(dataset[name], nodes, held=axis.held),
            "attributes": _plain(dataset[name].attrs),
        }
        for name, axis, nodes in own
    ]
    time = (
        {"times": dataset["time"].values.tolist()}
        if "time" in dataset.coords and "time" not in grid_axes(field)
        else {}
    )
    attributes = {
        name: _plain(dataset[name].attrs)
        for name in ("field", "channel", "time")
        if name in dataset.variables
    }
    return {"channels": dataset["channel"].values.tolist(), "axes": axes, **time, **attributes}


def _extent(coordinate: xr.DataArray, own: np.ndarray, *, held: bool) -> dict[str, Any]:
    """The map from coordinates of the basis to those of the data, and these where it rounds."""
    values = coordinate.values
    first, last = float(values[0]), float(values[-1])
    scale = (last - first) / float(own[-1] - own[0]) if len(own) > 1 else 1.0
    extent = {"start": first - float(own[0]) * scale, "scale": scale}
    if held or not np.array_equal(coordinates_along(extent, own), values):
        return {**extent, "values": values.tolist()}
    return extent


def coordinates_along(described: Mapping[str, Any], own: np.ndarray) -> np.ndarray:
    """The coordinates of a described axis on nodes whose coordinates in the basis are ``own``."""
    values = described.get("values", ())
    if len(values) == len(own):
        return np.asarray(values)
    return np.asarray(own * described["scale"] + described["start"])


def _plain(attributes: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Attributes as JSON has them: numbers, lists and text; of all else, what it is as text."""
    return {str(name): _json_value(value) for name, value in attributes.items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def label(
    fields: Tensor,
    basis: Basis,
    described: Mapping[str, Any],
    mask: Mask | None = None,
    indices: Sequence[int] = (),
) -> xr.Dataset:
    """Fields (samples, channel, *grid) with the names and coordinates of a description.

    Where these are series, the channels are taken apart into (time, channel). Where a ``mask`` says
    that nodes have no values, so does the variable ``present``. Samples are called by their
    ``indices``; without, they are counted from 0.
    """
    names = tuple(axis["name"] for axis in described["axes"])
    nodes = basis.axis_nodes(basis.resolution(fields))
    numbers = np.array(indices, np.int64) if len(indices) else np.arange(len(fields))
    coordinates: dict[str, Any] = {
        "sample": ("sample", numbers, {"long_name": "sample index"}),
        "channel": ("channel", described["channels"], described.get("channel", {})),
    }
    for axis, own in zip(described["axes"], nodes, strict=True):
        along = coordinates_along(axis, own)
        coordinates[axis["name"]] = (axis["name"], along, axis["attributes"])
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
