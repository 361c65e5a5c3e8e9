"""What the stages share: jobs, splits of a data set as tensors, provenance."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from fsdiff import storage
from fsdiff.models import Statistics

Job = Mapping[str, Any]


def provenance(job: Job, seed: int) -> storage.Provenance:
    """What a file of this job says of its making."""
    return storage.Provenance(config=job["config"], fingerprint=job["code"], seed=seed)


def state_path(job: Job, inputs: Sequence[Path], folder: Path, name: str) -> Path:
    """Where an interrupted job keeps its state: another job or other inputs, another name.

    What is left of a job is of no use once its configuration, its code or what it read changed.
    """
    digest = hashlib.sha256(storage.canonical_json(job).encode())
    for path in inputs:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return Path(folder) / f"{name}-{digest.hexdigest()[:16]}.safetensors"


def fields_of(path: Path) -> Tensor:
    """All fields (samples, channel, *grid) of a file, physical units, float32."""
    with storage.read(path) as dataset:
        return _frames_as_channels(dataset["field"])


def split(dataset: xr.Dataset, name: str) -> Tensor:
    """Fields (samples, channel, *grid) of one split, physical units, float32."""
    return _frames_as_channels(dataset["field"][(dataset["split"] == name).values])


def _frames_as_channels(field: xr.DataArray) -> Tensor:
    """Fields (samples, channel, *grid); the frames of series are channels, time by time."""
    values = torch.from_numpy(field.values)
    return values.flatten(1, 2) if "time" in field.dims else values


def normalised_split(path: Path, name: str) -> Tensor:
    """Fields of one split of a data set's file at zero mean and unit mean square."""
    with storage.read(path) as dataset:
        return Statistics.of(dataset).normalise(split(dataset, name))
