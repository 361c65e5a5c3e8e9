"""Arrays of people's as fields on the grid of a basis, with names and coordinates."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.spaces.basis import Basis

Fields = Tensor | np.ndarray | xr.DataArray
"""(samples, channel, *grid), or without the channel where there is but one."""


def labelled(fields: Fields, basis: Basis) -> xr.Dataset:
    """The variable ``field`` (sample, channel, *axes) with coordinates.

    Dimensions of a DataArray that have the names of the basis's axes are these; where there are
    none, the last ones are. Raises ValueError where the array has no such shape or numbers.
    """
    array = fields if isinstance(fields, xr.DataArray) else _named(fields, basis)
    array = _in_order(array, basis)
    array = array.astype(np.promote_types(array.dtype, np.float32))
    if not np.isfinite(array.values).all():
        raise ValueError("fields have values that are not finite: fill or leave out these samples")
    level = basis.resolution(torch.empty(array.shape, device="meta"))  # shapes suffice
    nodes = zip(array.dims[2:], basis.axis_nodes(level), strict=True)
    coordinates: dict[Hashable, Any] = {
        name: values for name, values in nodes if name not in array.coords
    }
    if "channel" not in array.coords:
        coordinates["channel"] = [f"channel {number}" for number in range(array.sizes["channel"])]
    array = array.assign_coords(coordinates).drop_vars("sample", errors="ignore")
    kept = array.drop_vars([name for name in array.coords if name not in array.dims])
    return kept.assign_coords(channel=kept["channel"].astype(str)).to_dataset(name="field")


def tensor_of(dataset: xr.Dataset) -> Tensor:
    """The values (samples, channel, *grid)."""
    return torch.from_numpy(np.ascontiguousarray(dataset["field"].values))


def _named(fields: Any, basis: Basis) -> xr.DataArray:
    """An array without names, whose dimensions follow from their number."""
    values = fields.detach().cpu().numpy() if isinstance(fields, Tensor) else np.asarray(fields)
    leading = ("sample", "channel")[: values.ndim - basis.dimension]
    if not leading or values.ndim > basis.dimension + 2:
        shape, axes = values.shape, ", ".join(axis.name for axis in basis.axes)
        raise ValueError(f"fields of shape {shape}; expected (samples, channel, {axes})")
    return xr.DataArray(values, dims=(*leading, *(axis.name for axis in basis.axes)))


def _in_order(array: xr.DataArray, basis: Basis) -> xr.DataArray:
    """The array with dimensions (sample, channel, *axes)."""
    names: tuple[Hashable, ...] = tuple(axis.name for axis in basis.axes)
    if not set(names) <= set(array.dims):
        names = array.dims[-basis.dimension :]
    others = [name for name in array.dims if name not in names]
    if len(others) == 1:
        array = array.expand_dims("channel", 1)
        others = [*others, "channel"]
    if len(others) != 2:
        raise ValueError(
            f"fields have dimensions {', '.join(map(str, array.dims))}; expected one of samples, "
            f"perhaps one of channels, and {', '.join(axis.name for axis in basis.axes)}"
        )
    if "channel" in others:
        others = [*(name for name in others if name != "channel"), "channel"]
    array = array.transpose(*others, *names)
    return array.rename(dict(zip(others, ("sample", "channel"), strict=True)))
