"""Observe functions of a data set, as instruments would."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from fsdiff.data import json_files, storage
from fsdiff.data.measurements import Measurements
from fsdiff.data.sources.digest import digest
from fsdiff.data.storage import Provenance, grid_axes
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.some import Some
from fsdiff.jobs.failures import StorageError
from fsdiff.parts import build
from fsdiff.spaces.basis import Basis
from fsdiff.stages.files import frames_as_channels
from fsdiff.stages.job import Job
from fsdiff.stages.labels import describe_fields


def observe(job: Job, *, data: Path, output: Path) -> None:
    """Observe the first test samples of a data set at its finest resolution.

    ``output`` has, case by case, the function ``truth`` (case, channel, *axes), what is seen of it
    without noise, ``exact``, and with it, ``data`` (case, datum), the ``deviation`` of the noise
    (datum) and, where data have places, these as ``place`` (datum, axis) in the coordinates of the
    data set, and the number of the channel that each is of. Measurements have neither truth nor
    exact data.
    """
    config = job["config"]
    with storage.read(data, chunks="auto") as dataset:
        seen = measured(dataset, config) if "measurements" in config else observed(dataset, config)
    title = "what is observed of functions"
    storage.write(seen, output, title=title, provenance=Provenance.of_job(job))


def observed(dataset: xr.Dataset, config: Mapping[str, Any]) -> xr.Dataset:
    """What ``observe`` writes, of a data set and the configuration of a job."""
    basis: Basis = build("basis", config["basis"])
    operator: Observation = build("operator", config["operator"])
    field = first_of_test(dataset, config["cases"])
    truth = frames_as_channels(field).double()
    map, seed = operator.on(basis, truth.shape[1], basis.resolution(truth)), config["seed"]
    with torch.no_grad():  # one by one, so that rounding does not depend on how many there are
        exact = torch.cat([map.forward(u) for u in truth.split(1)])
        data = torch.cat([operator.draw(u, basis, seed, [i]) for i, u in enumerate(truth.split(1))])
    found = xr.Dataset(
        {
            "truth": field.drop_vars(["sample", "split"], errors="ignore").rename(sample="case"),
            "exact": (("case", "datum"), exact.numpy(), {"long_name": "data without noise"}),
            "data": (("case", "datum"), data.numpy(), {"long_name": "data"}),
            "deviation": ("datum", operator.deviations(basis, truth.shape[1]).numpy()),
            **_places(operator, dataset, basis, truth.shape[1]),
        },
        {"sample": ("case", field["sample"].values, {"long_name": "sample of the data set"})},
    )
    return found.assign_attrs(fsdiff_operator=json_files.canonical(config["operator"]))


def measured(dataset: xr.Dataset, config: Mapping[str, Any]) -> xr.Dataset:
    """What ``observe`` writes of a file of measurements, for fields like those of a data set.

    Raises StorageError where it is another file than the job is about.
    """
    basis: Basis = build("basis", config["basis"])
    operator: Observation = build("operator", config["operator"])
    path, field = Path(config["measurements"]), dataset["field"]
    if digest([path]) != config["content"]:
        raise StorageError(f"{path} has changed since the study began: run it again")
    data = Measurements.read(path, [axis.name for axis in basis.axes]).data
    channels = field.sizes["channel"] * storage.frames(field)
    found = xr.Dataset(
        {
            "data": (("case", "datum"), data, {"long_name": "data"}),
            "deviation": ("datum", operator.deviations(basis, channels).numpy()),
            **_places(operator, dataset, basis, channels),
        },
        {"sample": ("case", np.arange(len(data)), {"long_name": "number of the case"})},
    )
    about = json_files.canonical(describe_fields(dataset, basis))
    return found.assign_attrs(
        fsdiff_operator=json_files.canonical(config["operator"]),
        fsdiff_fields=about,
        resolution=basis.resolution(field),
    )


def first_of_test(dataset: xr.Dataset, cases: int) -> xr.DataArray:
    """The first fields of the test split, in memory."""
    chosen = np.flatnonzero((dataset["split"] == "test").values)[:cases]
    return dataset["field"][chosen].load()


def _places(
    operator: Observation, dataset: xr.Dataset, basis: Basis, channels: int
) -> dict[str, Any]:
    """Where each datum lies, and of which channel it is; nothing of data that have no place."""
    own = operator.coordinates(basis)
    if own is None:
        return {}
    axes = describe_fields(dataset, basis)["axes"]
    start, scale = (np.array([axis[key] for axis in axes]) for key in ("start", "scale"))
    count = len(operator.deviations(basis, channels))
    numbers = np.arange(count) // len(own)
    seen = operator.observation if isinstance(operator, Some) else operator
    if isinstance(seen, Channel):
        numbers = np.full(count, seen.channel)
    return {
        "place": (("datum", "axis"), np.resize(own * scale + start, (count, len(axes)))),
        "axis": ("axis", list(grid_axes(dataset["field"]))),
        "datum_channel": ("datum", numbers),
    }
