"""Transforms fitted to the training split of a data set, streamed, and kept with it.

A data set with transforms holds physical fields, and beside them the attribute
``fsdiff_transforms``, the variables ``pointwise_mean`` and ``pointwise_deviation`` where there are
such functions, on the finest grid whatever the grid of the fields, and the statistics of
transformed fields, ``transformed_mean``, ``transformed_scale`` and ``transformed_spectrum``.
"""

import json
from collections.abc import Callable, Hashable

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.data import json_files
from fsdiff.data.storage import frames, grid_axes
from fsdiff.data.transforms import FUNCTIONS, Blocks, Transforms, transforms_of
from fsdiff.parts import build, described
from fsdiff.spaces.bases import Basis
from fsdiff.threads import single_thread

ATTRIBUTE = "fsdiff_transforms"

TRANSFORMED = "transformed_"
"""What names of statistics of transformed fields begin with."""

MOST_NAMED = 10
"""Samples in a message."""


def fit(dataset: xr.Dataset, blocks: Blocks, basis: Basis) -> xr.Dataset:
    """The data set with transforms of its channels, fitted to its training split.

    Raises ValueError that names the channel and the samples where values have no transform.
    """
    field = dataset["field"]
    channels = transforms_of(blocks, dataset["channel"].values.tolist(), frames(field))
    transforms = Transforms(tuple(channels), basis)
    _refuse_values(field, transforms)
    training = field[: np.count_nonzero(dataset["split"] == "train")]
    about = {
        "basis": described(basis),
        "channels": {k: dict(b) for k, b in blocks.items()},
    }
    return dataset.assign(_functions(training, transforms)).assign_attrs(
        {ATTRIBUTE: json_files.canonical(about)}
    )


def transforms_in(dataset: xr.Dataset) -> Transforms | None:
    """Those that were fitted to a data set, or None."""
    if ATTRIBUTE not in dataset.attrs:
        return None
    about = json.loads(dataset.attrs[ATTRIBUTE])
    names = dataset["channel"].values.tolist()
    channels = transforms_of(about["channels"], names, frames(dataset["field"]))
    held = (dataset.get(name) for name in FUNCTIONS)
    functions = (None if u is None else _flat(u.values, u.dims) for u in held)
    return Transforms(tuple(channels), build("basis", about["basis"]), *functions)


def transformed(field: xr.DataArray, transforms: Transforms) -> xr.DataArray:
    """T(u) of fields, lazily, float64; their unit no longer holds."""
    return _mapped(field, transforms.forward).drop_attrs(deep=False)


def untransformed(field: xr.DataArray, transforms: Transforms) -> xr.DataArray:
    """The inverse of ``transformed``, on any grid."""
    return _mapped(field, transforms.inverse)


def _functions(training: xr.DataArray, transforms: Transforms) -> dict[str, xr.DataArray]:
    """μ and σ as far as any channel has them."""
    centred, scaled = (
        xr.zeros_like(training[0], bool).compute() | _flags(training, transforms, name)
        for name in ("centred", "scaled")
    )
    if not centred.any():
        return {}
    linked = _mapped(training, transforms.link)
    mean = linked.mean("sample").where(centred, 0.0).compute()
    found = {FUNCTIONS[0]: mean}
    if scaled.any():
        deviation = ((linked - mean) ** 2).mean("sample").compute() ** 0.5
        _refuse_constants((deviation <= np.finfo(float).eps * np.abs(mean)) & scaled)
        found[FUNCTIONS[1]] = deviation.where(scaled, 1.0)
    about = {name: f"{name.replace('_', ' ')} over the training split" for name in found}
    space = grid_axes(training)
    return {
        name: function.drop_vars(["split", *space], errors="ignore")
        .rename({axis: f"fine_{axis}" for axis in space})
        .drop_attrs()
        .assign_attrs(long_name=about[name])
        for name, function in found.items()
    }


def _flags(field: xr.DataArray, transforms: Transforms, name: str) -> xr.DataArray:
    """A property of each channel's transform."""
    count = field.sizes["channel"]
    flags = [getattr(transform, name) for transform in transforms.channels[:count]]
    return xr.DataArray(flags, dims="channel")


def _refuse_values(field: xr.DataArray, transforms: Transforms) -> None:
    """Refuse values of any sample that have no transform."""
    there = abs(_mapped(field, transforms.link)) < np.inf
    inside = there.all([name for name in there.dims if name not in ("sample", "channel")]).compute()
    for number, name in enumerate(field["channel"].values.tolist()):
        if samples := field["sample"].values[~inside[:, number].values].tolist():
            kind = (transforms.blocks[number] or {}).get("kind", "a model")
            domain = transforms.channels[number].domain
            more = f" and {len(samples) - MOST_NAMED} more" if len(samples) > MOST_NAMED else ""
            shown = ", ".join(map(str, samples[:MOST_NAMED])) + more
            raise ValueError(
                f"transforms.{name}: {kind} needs values that are {domain}, "
                f"and those of channel {name} are not all so in sample {shown}: leave these out, "
                "or choose another transform"
            )


def _refuse_constants(constant: xr.DataArray) -> None:
    """Refuse nodes at which a channel does not vary."""
    for name in constant["channel"].values.tolist():
        if count := int(constant.sel(channel=name).sum()):
            raise ValueError(
                f"transforms.{name}: channel {name} does not vary at {count} nodes over the "
                "training samples, and cannot be divided by its deviation there: use anomaly"
            )


def _mapped(field: xr.DataArray, function: Callable[[Tensor], Tensor]) -> xr.DataArray:
    """A function of fields (sample, channel, *grid), frames being channels, applied lazily."""

    def on_block(values: np.ndarray) -> np.ndarray:
        with single_thread(), np.errstate(all="ignore"):  # chunks run in parallel instead
            return function(_flat(values, field.dims)).numpy().reshape(values.shape)

    core = [list(field.dims[1:])]
    return xr.apply_ufunc(
        on_block,
        field,
        input_core_dims=core,
        output_core_dims=core,
        dask="parallelized",
        output_dtypes=[np.float64],
        keep_attrs=True,
    )


def _flat(values: np.ndarray, dimensions: tuple[Hashable, ...]) -> Tensor:
    """Values with these dimensions as a tensor, of which frames are channels."""
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float64))
    channel = dimensions.index("channel")
    if "time" not in dimensions[:channel]:
        return tensor
    return tensor.flatten(channel - 1, channel)
