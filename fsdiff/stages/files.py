"""What the stages share: jobs, their states, splits of a data set as tensors."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.data import json_files, storage
from fsdiff.data.labels import Labels, of_split, with_classes
from fsdiff.data.masking import mask_in
from fsdiff.data.statistics import Statistics
from fsdiff.data.stored_fields import StoredFields
from fsdiff.stages.job import Job


def state_path(job: Job, inputs: Sequence[Path], folder: Path, name: str) -> Path:
    """Where an interrupted job keeps its state: another job or other inputs, another name.

    What is left of a job is of no use once its configuration, its code or what it read changed. The
    lineage stands in the name, so that what a study no longer needs can be told.
    """
    digest = hashlib.sha256(json_files.canonical(job).encode())
    for path in inputs:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    lineage = job.get("lineage", "")
    return Path(folder) / f"{name}-{lineage}-{digest.hexdigest()[:16]}.safetensors"


def fields_of(path: Path) -> Tensor:
    """All fields (samples, channel, *grid) of a file, physical units, as precise as stored."""
    with storage.read(path) as dataset:
        return frames_as_channels(dataset["field"])


def split(dataset: xr.Dataset, name: str) -> Tensor:
    """Fields (samples, channel, *grid) of one split, physical units, as precise as stored.

    Of a lazy data set no more is read than that. Nodes without values are filled.
    """
    return frames_as_channels(dataset["field"][(dataset["split"] == name).values])


def shown(dataset: xr.Dataset, name: str) -> Tensor:
    """The same as people are shown it: NaN at nodes without values."""
    fields, mask = split(dataset, name), mask_in(dataset)
    return fields if mask is None else mask.emptied(fields)


def reference_halves(dataset: xr.Dataset) -> tuple[Tensor, Tensor]:
    """Two disjoint halves of the test split: what samples are compared with, and the rest."""
    return halves(split(dataset, "test"))


def halves(fields: Tensor) -> tuple[Tensor, Tensor]:
    """The first half and the second; of an odd number of fields the last one is in neither."""
    half = len(fields) // 2
    return fields[:half], fields[half : 2 * half]


def frames_as_channels(field: xr.DataArray) -> Tensor:
    """Fields (samples, channel, *grid); the frames of series are channels, time by time."""
    values = torch.from_numpy(field.values)
    return values.flatten(1, 2) if storage.is_series(field) else values


class StoredSplit:
    """One split of a data set's file at zero mean and unit mean square, read as it is asked for.

    ``shape`` is (samples, channel, *grid); ``block`` samples are best read together. Any thread may
    read. With ``labels`` a further channel has the number of each sample's class, at all nodes.
    """

    def __init__(self, path: Path, name: str, labels: Labels | None = None) -> None:
        with storage.read(path, chunks="auto") as dataset:
            chosen = np.flatnonzero(dataset["split"] == name)
            self._statistics = Statistics.of(dataset)
            field = dataset["field"]
            self.block = storage.samples_per_chunk(field)
            grid = [field.sizes[axis] for axis in storage.grid_axes(field)]
            channels = len(self._statistics.mean) + (labels is not None)
            self.shape = (len(chosen), channels, *grid)
            self._classes: Tensor | None = None
            if labels is not None:
                numbers = labels.numbers(of_split(dataset, labels.name, name))
                self._classes = torch.from_numpy(numbers)
            self._dimensions = field.dims
        self._fields = StoredFields.of(path)
        self._first = int(chosen[0])  # the samples of a split follow one another in the file

    def read(self, samples: range) -> Tensor:
        """Consecutive samples of the split, float32; StorageError where some are damaged."""
        held = range(self._first + samples.start, self._first + samples.stop)
        field = xr.DataArray(self._fields.read(held), dims=self._dimensions)
        fields = self._statistics.normalise(frames_as_channels(field)).float()
        if self._classes is None:
            return fields
        return with_classes(fields, self._classes[samples.start : samples.stop])

    def whole(self, part: slice = slice(None)) -> Tensor:
        """All of it, or a part, with hardly more memory than it takes."""
        samples = range(self.shape[0])[part]
        fields = torch.empty(len(samples), *self.shape[1:])
        for first in range(0, len(fields), self.block):
            held = samples[first : first + self.block]
            fields[first : first + len(held)] = self.read(held)
        return fields


def normalised_split(path: Path, name: str, labels: Labels | None = None) -> Tensor:
    """Fields of one split of a data set's file, as ``StoredSplit`` has them."""
    return StoredSplit(path, name, labels).whole()
