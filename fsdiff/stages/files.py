"""What the stages share: jobs, splits of a data set as tensors, provenance."""

import hashlib
from collections.abc import Mapping
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


def state_path(job: Job, folder: Path, name: str) -> Path:
    """Where an interrupted job keeps its state: another job, another name."""
    digest = hashlib.sha256(storage.canonical_json(job).encode()).hexdigest()[:16]
    return Path(folder) / f"{name}-{digest}.safetensors"


def fields_of(path: Path) -> Tensor:
    """All fields (samples, channel, *grid) of a file, physical units, float32."""
    with storage.read(path) as dataset:
        return torch.from_numpy(dataset["field"].values)


def split(dataset: xr.Dataset, name: str) -> Tensor:
    """Fields (samples, channel, *grid) of one split, physical units, float32."""
    chosen = (dataset["split"] == name).values
    return torch.from_numpy(dataset["field"].values[chosen])


def normalised_split(path: Path, name: str) -> Tensor:
    """Fields of one split of a data set's file at zero mean and unit mean square."""
    with storage.read(path) as dataset:
        return Statistics.of(dataset).normalise(split(dataset, name))
