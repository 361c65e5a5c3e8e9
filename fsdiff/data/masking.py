"""Nodes without values in files of fields: which they are, on the grid of the file and of the data.

A data set some of whose nodes have no values holds, beside fields that are filled there, the
variable ``present`` (channel, *axes), with a first dimension ``time`` for series: 1 where a node
has a value. At each level of the hierarchy ``fine_present`` says the same on the grid of the data,
from which that of all other grids follows, see ``fsdiff.spaces.masks``.
"""

import json
from typing import Any

import numpy as np
import torch
import xarray as xr

from fsdiff.data import json_files
from fsdiff.data.storage import grid_axes
from fsdiff.parts import build, described
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.masks import Mask

NAME, FINE = "present", "fine_present"

ABOUT: dict[str, Any] = {
    "long_name": "whether the node has a value",
    "standard_name": "status_flag",
    "flag_values": np.array([0, 1], np.int8),
    "flag_meanings": "missing present",
}
"""The attributes of the variable, as CF has them."""


def with_mask(dataset: xr.Dataset, present: np.ndarray) -> xr.Dataset:
    """A data set of which nodes have values where ``present`` (…, channel, *grid) is true."""
    field = dataset["field"].assign_attrs(ancillary_variables=NAME)
    mask = (field.dims[1:], present.astype(np.int8), ABOUT)
    return dataset.assign({"field": field, NAME: mask})


def known(field: xr.DataArray, dataset: xr.Dataset) -> xr.DataArray:
    """Fields with NaN where the data set has no values: themselves if it has all."""
    return field.where(dataset[NAME] == 1) if NAME in dataset else field


def mask_in(dataset: xr.Dataset) -> Mask | None:
    """The nodes that have values, of a level of the hierarchy; None if all have."""
    if FINE not in dataset:
        return None
    fine = dataset[FINE]
    return _mask(fine, build("basis", json.loads(fine.attrs["fsdiff_basis"])))


def restricted(dataset: xr.Dataset, basis: Basis, n: int) -> dict[str, xr.DataArray]:
    """The variables that say which nodes of level n have values; none where all have."""
    if NAME not in dataset:
        return {}
    present, space = dataset[NAME], grid_axes(dataset["field"])
    fine = dataset.get(FINE)
    if fine is None:
        fine = present.drop_vars(space).rename({axis: f"fine_{axis}" for axis in space})
        fine = fine.assign_attrs(fsdiff_basis=json_files.canonical(described(basis)))
    values = _mask(fine, basis).at(n).numpy().astype(np.int8)
    values = values.reshape(*fine.shape[: -len(space)], *basis.grid(n))
    return {FINE: fine, NAME: xr.DataArray(values, dims=present.dims, attrs=present.attrs)}


def _mask(present: xr.DataArray, basis: Basis) -> Mask:
    """The mask of which these are the values, frames being channels."""
    return Mask(torch.from_numpy(present.values == 1).flatten(0, -1 - basis.dimension), basis)
