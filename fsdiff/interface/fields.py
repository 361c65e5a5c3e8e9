"""Arrays of people's as fields on the grid of a basis, with names and coordinates."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.fitting import fit, transforms_in
from fsdiff.data.labels import Class
from fsdiff.data.masking import with_mask
from fsdiff.data.sources.axes import LEADING, SPACE, Dimension, meaning
from fsdiff.data.sources.coordinates import NUMBERS, UNEVEN
from fsdiff.data.sources.formats.decoding import CONVENTIONS, PACKING
from fsdiff.data.storage import grid_axes
from fsdiff.data.transforms import Transform, Transforms
from fsdiff.interface.doubtful import tell_doubts
from fsdiff.parts import described
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.masks import Mask

REAL = NUMBERS + "b"
"""Kinds of types that are real numbers, or logical values."""

Fields = Tensor | np.ndarray | xr.DataArray
"""(samples, channel, *grid), or without the channel where there is but one."""

Classes = Tensor | np.ndarray | xr.DataArray | Sequence[Class] | str
"""Those of fields, (samples,), or the name of a coordinate that has them."""


class Labelled(NamedTuple):
    """Classes of fields, (samples,), and what they are called."""

    name: str
    values: np.ndarray

    def first(self, count: int) -> "Labelled":
        """Those of the first fields."""
        return Labelled(self.name, self.values[:count])


def classes_of(
    labels: Classes | None, fields: Fields, found: xr.DataArray, *, told: bool
) -> Labelled | None:
    """The classes of fields, which were ``found`` to be (sample, channel, *axes).

    ValueError unless there are some where models are told.
    """
    if labels is None:
        if told:
            raise ValueError("labels: give the class of each field, which this model is told")
        return None
    if not told:
        raise ValueError(
            "labels: this model is told no classes; use fs.Diffusion(…, "
            "condition=fs.LabelCondition())"
        )
    if not isinstance(labels, str):
        known = labels.cpu() if isinstance(labels, Tensor) else labels
        name, values = "label", np.asarray(known)
    elif isinstance(fields, xr.DataArray) and labels in fields.coords:
        if along := {*fields[labels].dims} & {*found.dims[1:]}:
            raise ValueError(f"labels = {labels}: it is along {along.pop()}, and not along samples")
        name, values = labels, fields[labels].values
    else:
        raise ValueError(f"labels = {labels}: fields have no such coordinate")
    if values.shape != (len(found),):
        raise ValueError(f"labels: {values.shape} of {len(found)} fields; give one for each")
    return Labelled(name, values)


def labelled(fields: Fields, basis: Basis) -> xr.Dataset:
    """The variable ``field`` (sample, channel, *axes) with coordinates.

    Dimensions of a DataArray that have the names of the basis's axes are these, or usual names of
    x, y and z, such as longitude; where there are none, the last ones are. Of the others those
    called sample or time, or by other usual names of these, are samples and those called channel,
    variable, … are channels; where names say nothing, the first is that of samples. Where values
    are NaN, or masked, at the same nodes of all samples, the variable ``present`` says so, and
    fields are filled harmonically there. Dates along an axis become seconds from the first, and
    durations seconds. The log tells what is doubtful. Raises ValueError where the array has no such
    shape or numbers, or coordinates that nodes of the basis do not have.
    """
    array = _in_order(_decoded(_named(fields, basis)), basis)
    if not array.sizes["sample"]:
        raise ValueError("there are no fields: give one sample or more")
    array = array.astype(np.promote_types(array.dtype, np.float32))
    present = _present(array.values)
    level = basis.resolution(torch.empty(array.shape, device="meta"))  # shapes suffice
    placed = {name for name, own in array.coords.items() if own.dtype.kind in NUMBERS}
    array = _in_seconds(array)  # of which the origin says nothing of walls
    coordinates: dict[Hashable, Any] = {}
    for name, axis, own in zip(array.dims[2:], basis.axes, basis.axis_nodes(level), strict=True):
        if name not in array.coords:
            coordinates[name] = own
        elif not axis.held:
            _check_nodes(array[name], own)
    if "channel" not in array.coords:
        coordinates["channel"] = _unnamed(array.sizes["channel"])
    array = array.drop_vars([name for name, own in array.coords.items() if "sample" in own.dims])
    array = array.assign_coords(coordinates)
    kept = array.drop_vars([name for name in array.coords if name not in array.dims])
    kept = kept.assign_coords(channel=kept["channel"].astype(str))
    _check_names(kept["channel"].values.tolist())
    if present.all():
        tell_doubts(kept, basis, placed)
        return kept.to_dataset(name="field")
    filling = HarmonicFilling(Mask(torch.from_numpy(present), basis), level)
    filled = filling(torch.from_numpy(np.ascontiguousarray(kept.values))).numpy()
    kept = kept.copy(data=filled)
    tell_doubts(kept, basis, placed)
    return with_mask(kept.to_dataset(name="field"), present)


def labelled_like(data: xr.Dataset, fields: Fields, basis: Basis) -> xr.Dataset:
    """Fields to validate with, labelled, and channels in the order of those of ``data``.

    What has no names or coordinates of its own agrees with all; ValueError where others differ.
    """
    found = labelled(fields, basis)
    expected, shape = data["field"].shape[1:], found["field"].shape[1:]
    if shape != expected:
        raise ValueError(
            f"validation: its fields have shape {shape}, (channel, *grid), and those to train on "
            f"{expected}: give both the same"
        )
    names, own = (part["channel"].values.tolist() for part in (data, found))
    if _unnamed(len(names)) in (names, own):
        own = names
    if sorted(own) != sorted(names):
        raise ValueError(
            f"validation: its channels are {', '.join(own)}, and those to train on "
            f"{', '.join(names)}: give both the same names"
        )
    axes = [grid_axes(part["field"]) for part in (found, data)]
    default = basis.axis_nodes(basis.resolution(found["field"]))
    for name, other, nodes in zip(*axes, default, strict=True):
        along, wanted = found[name].values, data[other].values
        if any(np.array_equal(values, nodes) for values in (along, wanted)):
            continue
        step = np.abs(np.diff(wanted)).min(initial=np.abs(wanted).max())
        if not np.abs(along - wanted).max() <= UNEVEN * step:
            raise ValueError(
                f"validation: its coordinates along {name} are not those of the fields to train "
                "on: give both on one grid"
            )
    return found.isel(channel=[own.index(name) for name in names])


def mask_of(dataset: xr.Dataset, basis: Basis) -> Mask | None:
    """The nodes that have values; None if all have."""
    if "present" not in dataset:
        return None
    return Mask(torch.from_numpy(dataset["present"].values == 1), basis)


def transforms_for(
    dataset: xr.Dataset, transforms: Mapping[str, Transform], basis: Basis, train: int
) -> Transforms | None:
    """Transforms of channels, by name or ``all``, fitted to the first ``train`` samples."""
    if not transforms:
        return None
    blocks = {name: described(transform) for name, transform in transforms.items()}
    samples = np.arange(dataset.sizes["sample"])
    split = np.where(samples < train, "train", "validation")
    fitted = fit(dataset.assign_coords(sample=samples, split=("sample", split)), blocks, basis)
    return transforms_in(fitted)


def tensor_of(dataset: xr.Dataset) -> Tensor:
    """The values (samples, channel, *grid)."""
    return torch.from_numpy(np.ascontiguousarray(dataset["field"].values))


def _present(values: np.ndarray) -> np.ndarray:
    """Which nodes have values, (channel, *grid); ValueError unless the same in all samples."""
    if np.isinf(values).any():
        raise ValueError("fields have values that are not finite: fill or leave out these samples")
    if (largest := np.nanmax(np.abs(values), initial=0)) > np.finfo(np.float32).max:
        raise ValueError(f"fields have values as large as {largest:.2g}: scale them")
    missing = np.isnan(values)
    different = (missing != missing[:1]).reshape(len(values), -1).any(1)
    if different.any():
        raise ValueError(
            f"values of sample {int(different.argmax())} are missing at other nodes than those of "
            "sample 0: nodes without values must be the same in all samples; fill the others, or "
            "leave the sample out"
        )
    return ~missing[0]


def real_numbers(values: Any, what: str) -> np.ndarray:
    """An array of real numbers that PyTorch knows, NaN where they are masked.

    ValueError for others, such as complex ones, of which nothing may be left out in silence.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu().to_dense()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    if isinstance(values, np.ma.MaskedArray):
        kind = np.promote_types(values.dtype, np.float32)
        values = np.ma.filled(values.astype(kind), np.nan)
    try:
        found = np.asarray(values)
    except ValueError as error:  # lists of arrays of different shapes
        raise ValueError(f"{what} are not all of one shape: give one array of them") from error
    if found.dtype.kind not in "c" + REAL and not hasattr(values, "dtype"):
        raise ValueError(f"{what}: give an array of real numbers, not {_article(values)}")
    if found.dtype.kind == "c":
        raise ValueError(
            f"{what} hold complex numbers: give real ones, of fields real and imaginary parts as "
            "two channels"
        )
    if found.dtype.kind not in REAL:
        raise ValueError(f"{what} hold values of type {found.dtype}: give real numbers")
    return found.astype(np.float64) if found.dtype == np.longdouble else found


def _article(value: Any) -> str:
    """What something is, for a message."""
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {type(value[0]).__name__}" if value else "nothing"
    return f"an object of type {type(value).__name__}"


def _unnamed(count: int) -> list[str]:
    """What channels are called that have no names."""
    return [f"channel {number}" for number in range(count)]


def _check_nodes(coordinate: xr.DataArray, own: np.ndarray) -> None:
    """Refuse coordinates that are not those of the basis in another unit, from another origin."""
    name, values = coordinate.name, coordinate.values
    if values.dtype.kind not in NUMBERS:
        raise ValueError(
            f"coordinates along {name} are no numbers: write, say, hours since the first of them"
        )
    if len(values) < 2:
        return
    precision = np.finfo(values.dtype if values.dtype.kind == "f" else float).eps
    values = values.astype(float)
    rounding = precision * np.abs(values).max()
    steps = np.diff(own) * (values[-1] - values[0]) / (own[-1] - own[0])
    least = np.abs(steps).min()
    if not least > rounding:
        raise ValueError(f"coordinates along {name} do not increase: write where the nodes are")
    if not np.abs(np.diff(values) - steps).max() <= UNEVEN * least + 4 * rounding:
        raise ValueError(
            f"coordinates along {name} are not equally spaced, or not as the nodes of the basis "
            "are: interpolate to an even grid"
        )


def _in_seconds(array: xr.DataArray) -> xr.DataArray:
    """The array with seconds in the place of dates and durations along its axes."""
    for name in array.dims[2:]:
        if name in array.coords and (seconds := _seconds(array[name].values)) is not None:
            array = array.assign_coords({name: (name, seconds, {"units": "s"})})
    return array


def _seconds(values: np.ndarray) -> np.ndarray | None:
    """Seconds from the first date to each, or those of durations; None of all else.

    Dates may be of any calendar, as objects of the package cftime.
    """
    if values.dtype.kind == "m":
        return values / np.timedelta64(1, "s")
    if values.dtype.kind == "M":
        return (values - values[0]) / np.timedelta64(1, "s")
    if values.dtype.kind != "O" or not all(hasattr(value, "isoformat") for value in values):
        return None
    return np.array([(value - values[0]).total_seconds() for value in values])


def _named(fields: Any, basis: Basis) -> xr.DataArray:
    """The array; of one without names, dimensions follow from their number."""
    if isinstance(fields, xr.DataArray):
        return fields.copy(data=real_numbers(fields.values, "fields"))
    if isinstance(fields, xr.Dataset):
        names = ", ".join(map(str, fields.data_vars))
        raise ValueError(
            f"fields: give an array of this data set, which has {names or 'none'}, or .to_array() "
            "for all of them as channels"
        )
    values = real_numbers(fields, "fields")
    leading = ("sample", "channel")[: values.ndim - basis.dimension]
    if not leading or values.ndim > basis.dimension + 2:
        shape, axes = values.shape, ", ".join(axis.name for axis in basis.axes)
        raise ValueError(f"fields of shape {shape}; expected (samples, channel, {axes})")
    return xr.DataArray(values, dims=(*leading, *(axis.name for axis in basis.axes)))


def _decoded(array: xr.DataArray) -> xr.DataArray:
    """The array without what a file says of packed and missing values, if it is decoded."""
    values, attributes = array.values, array.attrs
    if packed := sorted(PACKING & attributes.keys()):
        raise ValueError(
            f"fields have the attribute {packed[0]} = {attributes[packed[0]]}, so their values are "
            "as a file packs them: open it with mask_and_scale=True, or leave the attribute out"
        )
    for name in ("_FillValue", "missing_value"):
        for marker in np.atleast_1d(attributes.get(name, ())):
            if np.asarray(marker).dtype.kind in NUMBERS and (values == marker).any():
                raise ValueError(
                    f"fields have values of {name} = {marker}, which stand for none: put NaN there"
                )
    kept = {name: value for name, value in attributes.items() if name not in CONVENTIONS}
    decoded = array.copy(deep=False)
    decoded.attrs = kept
    return decoded


def _check_names(channels: list[str]) -> None:
    if repeated := [name for name in channels if channels.count(name) > 1]:
        raise ValueError(f"two channels are called {repeated[0]}: give each a name of its own")


def _in_order(array: xr.DataArray, basis: Basis) -> xr.DataArray:
    """The array with dimensions (sample, channel, *axes)."""
    names = _axes_of(array, basis)
    others = [name for name in array.dims if name not in names]
    if len(others) not in (1, 2):
        pairs = ", ".join(repr(name) for name in others[:2])
        remedy = f": make one of several, fields.stack(sample=({pairs}))" if len(others) > 2 else ""
        raise ValueError(
            f"fields have dimensions {', '.join(map(str, array.dims))}; expected one of samples, "
            f"perhaps one of channels, and {', '.join(axis.name for axis in basis.axes)}{remedy}"
        )
    if len(others) == 1:
        array = array.expand_dims("channel", 1)
        others = [*others, "channel"]
    said = {name: meaning(str(name)) for name in others}
    # Of names that say nothing, the first is that of samples.
    others.sort(key=lambda name: ("sample", "time", None, "channel").index(_leading(said[name])))
    array = array.transpose(*others, *names)
    return array.rename(dict(zip(others, ("sample", "channel"), strict=True)))


def _leading(found: Dimension | None) -> Dimension | None:
    return found if found in LEADING else None


def _axes_of(array: xr.DataArray, basis: Basis) -> tuple[Hashable, ...]:
    """Which dimensions are the axes of the basis: by their names, or else the last ones."""
    names: tuple[Hashable, ...] = tuple(axis.name for axis in basis.axes)
    if set(names) <= set(array.dims):
        return names
    said = {name: meaning(str(name)) for name in array.dims}
    usual = [name for axis in SPACE[-len(names) :] for name in array.dims if said[name] == axis]
    if len(names) > 1 and [said[name] for name in usual] == [*SPACE[-len(names) :]]:
        return tuple(usual)
    last = array.dims[-len(names) :]
    before = array.dims[: -len(names)]
    of_space = next((name for name in before if said[name] in SPACE), None)
    if of_space is not None and any(said[name] in LEADING for name in last):
        raise ValueError(
            f"fields have dimensions {', '.join(map(str, array.dims))}, the last of which would be "
            f"{', '.join(map(str, names))}: rename those that are these, so that '{of_space}' is "
            "not taken for samples"
        )
    return last
