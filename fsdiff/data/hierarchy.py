"""A data set and its hierarchy of resolutions, streamed: memory does not grow with its samples.

Shards are merged into one data set with its split, its statistics are measured on the training
split, and it is restricted to coarser grids. Fields stay lazy until they are written; chunks are of
one size whatever the shards, so sums over them do not depend on how the data were sharded.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask
import numpy as np
import torch
import xarray as xr
from dask.delayed import delayed

from fsdiff.data import masking
from fsdiff.data.fitting import TRANSFORMED, fit, transformed, transforms_in, untransformed
from fsdiff.data.precision import LOSS, NOISE, rounding
from fsdiff.data.statistics import COHERENCE, Statistics, in_parts
from fsdiff.data.storage import (
    Provenance,
    concatenate,
    environment_of,
    grid_axes,
    read,
    samples_per_chunk,
)
from fsdiff.data.stored_fields import StoredFields
from fsdiff.data.transforms import Blocks
from fsdiff.jobs.failures import StorageError
from fsdiff.jobs.versions import environment, warn_of_changes
from fsdiff.spaces import coherence
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.downsampling import Downsampling
from fsdiff.threads import single_thread

SPLITS = ("train", "validation", "test")

logger = logging.getLogger(__name__)


def merge(
    shards: Sequence[Path],
    *,
    split: Mapping[str, int],
    expected: Provenance,
) -> xr.Dataset:
    """All shards as one lazy data set in order of samples, with the coordinate ``split(sample)``.

    ``split`` gives the number of samples of train, validation and test, in this order of sample
    index; ``expected`` is the provenance that every shard must have been written with. Raises
    StorageError that lists every shard that is missing, damaged, foreign or doubled,
    and every range of samples that no shard holds.
    """
    opened: list[xr.Dataset] = []
    held: list[tuple[Path, list[int]]] = []
    problems = []
    for path in shards:
        try:
            opened.append(_open_shard(path, expected))
            held.append((path, _indices(opened[-1])))
        except StorageError as error:
            problems.append(str(error))
    problems += _gaps_and_overlaps(held, sum(split.values()))
    if problems:
        raise StorageError("the shards cannot be merged:\n  " + "\n  ".join(problems))
    for (path, _), shard in zip(held, opened, strict=True):
        warn_of_changes(path, environment_of(shard), environment())
    merged = concatenate(sorted(opened, key=lambda shard: _indices(shard)[0]))
    names = np.repeat(SPLITS, [split[name] for name in SPLITS])
    about = {"long_name": "what the sample is used for"}
    merged = merged.assign_coords(split=("sample", names, about))
    field = merged["field"]
    return merged.assign(field=field.chunk(sample=samples_per_chunk(field)))


def statistics(dataset: xr.Dataset, basis: Basis) -> xr.Dataset:
    """Second moments of the training split, to be merged into the data set, float64.

    ``mean(channel)``, ``scale(channel)`` (root mean-square deviation) and
    ``spectrum(channel, mode_y, mode_x)``, the mean-square coefficient of (field − mean)/scale with
    the wavenumbers along each axis as coordinates; averages over samples and nodes. For series each
    has a first dimension ``time``. Where channels share a basis ``coherence(component, beside,
    mode_y, mode_x)`` has the correlations of their coefficients, frames of series being components
    like channels, with a last dimension ``part`` where they are complex. Where the first of these
    axes is not as long as the level, this is the attribute ``level``. In a basis without constants
    the mean is taken as zero: what is left of a field that vanishes at the walls would not. Nodes
    without values have no part in mean and scale; the spectrum, like noise, is that of functions on
    the whole box, filled as they are there. Raises ValueError where a channel does not vary.
    """
    # The training split comes first: a slice, which is cheaper than a choice of samples.
    field, basis = dataset["field"], _of_frames(basis, dataset)
    field = field[: np.count_nonzero(dataset["split"] == "train")]
    field = field.chunk(sample=samples_per_chunk(field)).astype(np.float64).drop_attrs(deep=False)
    everything = ["sample", *grid_axes(field)]
    mean = masking.known(field, dataset).mean(everything).compute()
    for channel, own in enumerate(basis.by_channel(field.sizes["channel"])):
        if not own.constants:
            mean[..., channel] = 0.0
    deviation = field - mean
    # A DataArray, of which numpy's types know nothing.
    squared: Any = np.square(masking.known(deviation, dataset))
    variance, spectrum, products = dask.base.compute(
        squared.mean(everything),
        _energy(deviation, basis).mean("sample"),
        _products(deviation, basis),
    )
    scale = np.sqrt(variance)
    _refuse_constants(mean, scale)
    _tell_rounding(mean, scale, dataset["field"].dtype)
    units = {"units": dataset["field"].attrs.get("units", "1")}
    measured = "over the training split"
    joint = _coherence(products, field.sizes["sample"], basis, spectrum)
    return xr.Dataset(
        {
            **joint,
            "mean": mean.assign_attrs(units, long_name=f"mean {measured}"),
            "scale": scale.assign_attrs(
                units, long_name=f"root mean-square deviation from the mean {measured}"
            ),
            "spectrum": (spectrum / variance).assign_attrs(
                spectrum.attrs,
                units="1",
                long_name=f"mean-square coefficient of (field - mean)/scale {measured}",
            ),
        }
    )


def with_transforms(dataset: xr.Dataset, blocks: Blocks, basis: Basis) -> xr.Dataset:
    """The data set with transforms fitted to it and the statistics of what these make of it.

    Those of the physical fields, which are stored, stay. Raises ValueError where values have no
    transform.
    """
    fitted = fit(dataset, blocks, basis)
    transforms = transforms_in(fitted)
    assert transforms is not None  # they were just fitted
    field = transformed(dataset["field"], transforms)
    found = statistics(dataset.assign(field=field), basis)
    return fitted.merge(found.rename({name: f"{TRANSFORMED}{name}" for name in found.data_vars}))


def restrict(
    dataset: xr.Dataset, resolution: int, downsampling: Downsampling, basis: Basis
) -> xr.Dataset:
    """The data set at level ``resolution``, lazily; statistics and split go along.

    With transforms, transformed fields are restricted, and what is stored stands for these: of
    permeabilities with the transform ``log``, the exponential of the restricted logarithm. Where
    nodes have no values, the fields that are filled there are restricted, and ``present`` says
    which coarse nodes have values.

    Raises ValueError where the downsampling does not reach this resolution.
    """
    field = dataset["field"]
    space = grid_axes(field)
    downsampling.check(basis.resolution(field), resolution, basis)
    kind = field.dtype
    if "mean" in dataset:  # averages of rounded values have more digits than these
        precision = Statistics.of(dataset).precision
        kind = np.promote_types(kind, torch.empty(0, dtype=precision).numpy().dtype)
    transforms = transforms_in(dataset)
    restricted_as = kind if transforms is None else np.dtype(np.float64)

    frames = _of_frames(basis, dataset)

    def to_coarse(values: np.ndarray) -> np.ndarray:
        fine = torch.from_numpy(values.astype(np.float64))
        with single_thread():  # chunks run in parallel instead
            return downsampling(fine, resolution, frames).numpy().astype(restricted_as)

    restricted = xr.apply_ufunc(
        to_coarse,
        field if transforms is None else transformed(field, transforms),
        input_core_dims=[["channel", *space]],
        output_core_dims=[["channel", *space]],
        exclude_dims=set(space),
        dask="parallelized",
        output_dtypes=[restricted_as],
        dask_gufunc_kwargs={"output_sizes": dict(zip(space, basis.grid(resolution), strict=True))},
        keep_attrs=True,
    )
    if transforms is not None:
        restricted = untransformed(restricted, transforms).astype(kind).assign_attrs(field.attrs)
    grid = zip(space, basis.axes, basis.grid(resolution), strict=True)
    coordinates = {name: _coarse_nodes(dataset[name], axis, nodes) for name, axis, nodes in grid}
    masks = masking.restricted(dataset, basis, resolution)
    kept = dataset.drop_vars(["field", *masks, *space], errors="ignore")
    return kept.assign({"field": restricted, **masks}).assign_coords(coordinates)


def _of_frames(basis: Basis, dataset: xr.Dataset) -> Basis:
    """The basis of a frame of series, whose own has the channels of all frames."""
    return basis.select(range(dataset.sizes["channel"]))


def _refuse_constants(mean: xr.DataArray, scale: xr.DataArray) -> None:
    """Refuse channels, or frames of them, that vary by no more than their mean's rounding error."""
    constant = ~(scale.values > np.finfo(np.float64).eps * np.abs(mean.values))
    if constant.any():
        names = _names(scale, constant)
        raise ValueError(f"channel {names} is constant over all training samples: leave it out")


def _tell_rounding(mean: xr.DataArray, scale: xr.DataArray, kind: np.dtype) -> None:
    """Warn of channels, or frames of them, that vary by little more than their values' rounding."""
    lost = rounding(mean.values, scale.values, kind)
    noise = lost > NOISE
    if noise.any():
        logger.warning(
            "channel %s: values are %s, the rounding of which is %.2g or more of their deviation: "
            "what is learned of it is mostly noise; leave it out, or store it in double precision "
            "or without its mean",
            *(_names(scale, noise), kind, lost[noise].min()),
        )
    if (less := (lost > LOSS) & ~noise).any():
        logger.info(
            "channel %s: values are %s, the rounding of which is %.2g or less of their deviation",
            *(_names(scale, less), kind, lost[less].max()),
        )


def _names(of: xr.DataArray, chosen: np.ndarray) -> str:
    """The channels at these places and, of series, their times; the first ten."""
    items = [of[tuple(place)] for place in np.argwhere(chosen)]
    names = [
        f"{item['channel'].item()}"
        + (f" at time {item['time'].item():g}" if "time" in of.dims else "")
        for item in items[:10]
    ]
    more = f" and {len(items) - 10} more" if len(items) > 10 else ""
    return ", ".join(names) + more


def _energy(field: xr.DataArray, basis: Basis) -> xr.DataArray:
    """|û_k|² of each sample, with dimensions mode_y, mode_x in place of y, x."""
    space, n = grid_axes(field), basis.resolution(field)
    modes = [f"mode_{name}" for name in space]
    sizes = dict(zip(modes, basis.coefficient_shape(n), strict=True))

    def energy(values: np.ndarray) -> np.ndarray:
        with single_thread():  # chunks run in parallel instead
            return basis.forward(torch.from_numpy(values)).abs().square().numpy()

    result = xr.apply_ufunc(
        energy,
        field,
        input_core_dims=[["channel", *space]],
        output_core_dims=[["channel", *modes]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": sizes},
    )
    if sizes[modes[0]] != n:
        result = result.assign_attrs(level=n)
    return result.assign_coords(
        {
            f"mode_{name}": (
                f"mode_{name}",
                wavenumbers,
                {"long_name": f"integer wavenumber along {name}"},
            )
            for name, wavenumbers in zip(space, basis.axis_modes(n), strict=True)
        }
    )


def _products(field: Any, basis: Basis) -> Any:
    """Σ û_a û_b* over samples, lazily, chunk after chunk; None where there is no coherence."""
    space, n = grid_axes(field), basis.resolution(field)
    frames = field.sizes.get("time", 1)
    everything = basis.repeated(frames)
    if not coherence.measurable(everything, frames * field.sizes["channel"], n):
        return None

    def added(total: np.ndarray, values: np.ndarray) -> np.ndarray:
        flat = values.reshape(len(values), -1, *values.shape[-len(space) :])
        with single_thread():  # chunks run in parallel elsewhere
            return total + coherence.products(everything.forward(torch.from_numpy(flat))).numpy()

    chunks = field.data.to_delayed(optimize_graph=False).flatten()
    return reduce(delayed(added), chunks, 0.0)


def _coherence(
    products: np.ndarray | None, samples: int, basis: Basis, spectrum: xr.DataArray
) -> dict[str, xr.DataArray]:
    """Correlations of channels from sums over samples; nothing if there are none."""
    if products is None:
        return {}
    moments, frames = torch.from_numpy(products) / samples, spectrum.sizes.get("time", 1)
    values = in_parts(coherence.coherence(moments, samples, basis.repeated(frames))).numpy()
    modes = [name for name in spectrum.dims if str(name).startswith("mode_")]
    dimensions = ["component", "beside", *modes, "part"][: values.ndim]
    about = {"units": "1", "long_name": "correlation of coefficients of two channels"}
    return {COHERENCE: xr.DataArray(values, dims=dimensions, attrs=about)}


def _coarse_nodes(fine: xr.DataArray, axis: Axis, count: int) -> xr.DataArray:
    """Coordinates of the coarse nodes of an axis whose fine nodes are given, in the same units."""
    if axis.held or fine.size in (1, count):
        return fine
    own = axis.positions(fine.size)
    length = float(fine[-1] - fine[0]) / (own[-1] - own[0])
    start = float(fine[0]) - length * own[0]
    nodes = start + length * axis.positions(count)
    # Rounding puts sums such as −1 + 2·0.5 exactly where they belong, whatever the unit of length.
    unit = np.exp2(np.ceil(np.log2(np.abs(nodes).max())))
    return xr.DataArray(np.round(nodes / unit, 12) * unit, dims=fine.dims, attrs=fine.attrs)


def _open_shard(path: Path, expected: Provenance) -> xr.Dataset:
    """A lazy shard that was made as expected and is whole throughout."""
    shard = read(path, chunks="auto")
    attributes = expected.attributes()
    for name in ("fsdiff_config", "fsdiff_fingerprint", "fsdiff_seed"):
        if shard.attrs[name] != attributes[name]:
            raise StorageError(
                f"{path} holds samples {_ranges(_indices(shard))} of another data set: {name} is "
                f"{shard.attrs[name]}, expected {attributes[name]}; delete it"
            )
    StoredFields.of(path).verify(samples_per_chunk(shard["field"]))
    return shard


def _gaps_and_overlaps(shards: Sequence[tuple[Path, list[int]]], count: int) -> Iterator[str]:
    """What keeps shards with these sample indices from being samples 0 … count − 1, once each."""
    holder: dict[int, Path] = {}
    for path, held in shards:
        if any(b != a + 1 for a, b in pairwise(held)):
            yield f"{path} holds samples {_ranges(held)}, which are not consecutive"
        if held[-1] >= count:
            yield f"{path} holds samples {_ranges(held)}, but the split has only {count}"
        doubled = [index for index in held if index in holder]
        if doubled:
            others = ", ".join(sorted({str(holder[index]) for index in doubled}))
            yield f"{path} holds samples {_ranges(doubled)}, and so does {others}"
        holder |= dict.fromkeys(held, path)
    missing = [index for index in range(count) if index not in holder]
    if missing:
        yield f"no usable shard holds samples {_ranges(missing)}; run the workflow to make them"


def _indices(shard: xr.Dataset) -> list[int]:
    return [int(index) for index in shard["sample"].values]


def _ranges(indices: Iterable[int]) -> str:
    """Integers in words: "0-3, 7"."""
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ", ".join(f"{first}-{last}" if first < last else str(first) for first, last in runs)
