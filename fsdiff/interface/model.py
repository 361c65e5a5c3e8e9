"""What all models have in common: fitting, sampling and saving."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.labels import with_classes
from fsdiff.data.statistics import Statistics
from fsdiff.data.transforms import Transform
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.errors import Error
from fsdiff.interface.checks import (
    check_indices,
    check_level,
    check_levels,
    check_part,
    check_saved,
    check_seed,
    check_trainable,
    check_transforms,
    device_of,
)
from fsdiff.interface.fields import (
    Classes,
    Fields,
    Labelled,
    classes_of,
    labelled,
    labelled_like,
    mask_of,
    real_numbers,
    tensor_of,
    transforms_for,
)
from fsdiff.jobs.devices import CPU
from fsdiff.methods import models
from fsdiff.methods.base import Method
from fsdiff.parts import described
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.downsampling import Downsampling, Spectral
from fsdiff.spaces.masks import Mask
from fsdiff.stages.labels import describe_fields, label
from fsdiff.training.augmentation import check_augmentation, check_signs
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.trainer import Trainer


class NotFittedError(Error, RuntimeError):
    """A model that has seen no data is asked for what follows from data."""


class Model(ABC):
    """A model of functions of ``basis``: fit it to fields, draw samples of them, save it.

    ``kind`` is that of its method, by which ``load`` finds the class. ``history`` has the loss
    curves of each level after fitting.
    """

    kind: str

    def __init__(self, basis: Basis) -> None:
        check_part("basis", basis, Basis, "fs.CosineBasis(2)")
        self.basis = basis
        self.history: list[xr.Dataset] = []
        self._fitted: models.Model | None = None
        self._training: Tensor | None = None  # physical fields that it was fitted to
        self._classes: Labelled | None = None  # of these

    @property
    def told_classes(self) -> bool:
        """Whether it has to be told the classes of fields."""
        return False

    @abstractmethod
    def _method(self, statistics: Statistics, seed: int, classes: Labelled | None = None) -> Method:
        """The method for data of these statistics, its first weights drawn from ``seed``.

        ``classes`` are those of the training samples where it is told them.
        """

    def _check_at(self, method: Any, n: int) -> None:  # noqa: B027 (most suit all levels)
        """Raise ValueError where the method cannot be trained, or sampled, at level n."""

    @abstractmethod
    def _blocks(self) -> dict[str, Any]:
        """The blocks that describe it, but the basis and the method."""

    def _saved(self) -> dict[str, Any]:
        """The parts that a file names, as they are called here."""
        return {"basis": self.basis}

    @classmethod
    @abstractmethod
    def of(cls, fitted: models.Model) -> Self:
        """The model of a method that was read from files."""

    @property
    def fitted(self) -> models.Model:
        """The method and the statistics of the data; NotFittedError where there are none yet."""
        if self._fitted is None:
            raise NotFittedError(f"this {type(self).__name__} has seen no data: call fit first")
        return self._fitted

    def fit(
        self,
        fields: Fields,
        levels: Sequence[Level] = (),
        *,
        labels: Classes | None = None,
        seed: int = 0,
        validation: Fields | float = 0.1,
        options: TrainingOptions | None = None,
        downsampling: Downsampling | None = None,
        transforms: Mapping[str, Transform] | None = None,
        device: torch.device | str = CPU,
    ) -> Self:
        """Measure fields (samples, channel, *grid), and train on them level by level.

        The weights that are kept are those with the least loss on ``validation``: fields, or a
        share of the given ones, the last of them, which are then not trained on; with
        ``validation=0`` all are, and the last averaged weights are kept. Levels coarser than the
        data get fields from ``downsampling``, by default the projection.

        ``transforms`` are what the model sees of a channel, by its name, or of ``all`` channels,
        such as ``{"permeability": fs.Log()}``; they are fitted to the fields that are trained on,
        saved with the model and undone in samples. Nodes at which all samples are NaN are left out
        of the loss, and NaN in samples; values that are missing elsewhere are refused.

        ``labels`` are the classes of the fields, (samples,), numbers or texts, or the name of a
        coordinate of the fields that has them, for models that are told classes.
        """
        check_levels(levels)
        check_seed(seed)
        device, transforms = device_of(device), transforms or {}
        options, downsampling = options or TrainingOptions(), downsampling or Spectral()
        check_part("options", options, TrainingOptions)
        check_part("downsampling", downsampling, Downsampling, "Spectral()")
        check_transforms(transforms)
        data, basis = labelled(fields, self.basis), self.basis
        about = describe_fields(data, basis)
        classes = classes_of(labels, fields, data["field"], told=self.told_classes)
        if classes and not isinstance(validation, int | float):
            raise ValueError("validation: give the share of the labelled fields that is left out")
        train, held_out = self._divided(data, validation if levels else 0.0)
        seen, mask = transforms_for(data, transforms, basis, len(train)), mask_of(data, basis)
        statistics = Statistics.measure(train, basis, seen, mask)
        method = self._method(statistics, seed, classes and classes.first(len(train)))
        self._check_at(method, levels[0].resolution if levels else statistics.resolution)
        if levels:
            check_trainable(method.network)

        def at(n: int, part: Tensor, first: int) -> Tensor:
            """A part of the data at level n, from a sample on, with their classes if told."""
            found = self._normalised(part, n, downsampling, statistics)
            if classes is None or method.labels is None:
                return found
            numbers = method.labels.numbers(classes.values[first : first + len(part)])
            return with_classes(found, torch.from_numpy(numbers))

        downsampling.check_fields(data.sizes["channel"], transformed=seen is not None)
        bases, transformed = basis.by_channel(data.sizes["channel"]), seen is not None
        check_augmentation(options.augmentation, bases, transformed=transformed)
        check_signs(options.augmentation, statistics)
        if mask is not None and options.augmentation != "none":
            raise ValueError(
                f"augmentation: {options.augmentation} moves the nodes without values: use none"
            )
        self.history = []
        for level in levels:
            trainer = Trainer(
                method,
                level,
                options,
                data=at(level.resolution, train, 0),
                validation={
                    n: at(n, held_out, len(train))
                    for n in sorted({level.resolution, *options.validate_at})
                },
                seed=seed,
                device=device,
            )
            self.history.append(trainer.run())
        self._fitted = models.Model(method, statistics, {"data": about}, device)
        self._training, self._classes = train, classes and classes.first(len(train))
        return self

    def _sample(
        self, sampler: Any, n: int, indices: Sequence[int], seed: int, condition: Tensor | None
    ) -> Samples:
        """Physical fields (len(indices), channel, *grid at level n), and what they cost."""
        check_level(n)
        check_seed(seed)

        def draw(those: Sequence[int]) -> Samples:
            return self.fitted.sample(sampler, n, those, seed, condition)

        return self._drawn(draw, indices)

    def _drawn(self, draw: Callable[[Sequence[int]], Samples], indices: Sequence[int]) -> Samples:
        """Samples, called by their indices."""
        if isinstance(indices, Tensor | np.ndarray):
            indices = indices.tolist()
        check_indices(indices)
        return draw(indices)._replace(indices=tuple(indices))

    def label(self, samples: Samples | Tensor | np.ndarray) -> xr.Dataset:
        """Samples with the names, units and coordinates of the data, in the variable ``field``.

        Those of a model that is told classes have these as a coordinate. They are called by the
        indices that they were drawn for; those of an array count from 0.
        """
        about, mask = self.fitted.description["data"], self.fitted.statistics.mask
        if not isinstance(samples, Samples):
            return label(self._fields(samples), self.basis, about, mask)
        found = label(samples.fields, self.basis, about, mask, samples.indices)
        labels = self.fitted.method.labels
        if labels is None or not samples.classes:
            return found
        return found.assign_coords(labels.coordinate(labels.numbers(samples.classes)))

    def _fields(self, samples: Tensor | np.ndarray) -> Tensor:
        """An array of samples; ValueError where it has another shape."""
        fields = torch.from_numpy(np.array(real_numbers(samples, "samples")))
        channels, axes = len(self.fitted.statistics.mean), self.basis.axes
        if fields.ndim != len(axes) + 2 or fields.shape[1] != channels:
            expected = ", ".join(["samples", str(channels), *(axis.name for axis in axes)])
            raise ValueError(f"samples of shape {tuple(fields.shape)}; expected ({expected})")
        return fields

    def save(self, path: str | Path) -> None:
        """Write PATH.safetensors with weights and statistics, and PATH.json that describes them."""
        fitted = self.fitted
        for name, part in self._saved().items():
            check_saved(name, part)
        seconds = sum(float(curves["seconds"][-1]) for curves in self.history)
        parameters = sum(p.numel() for p in fitted.method.network.parameters())
        method = {"kind": self.kind}
        config = {"basis": described(self.basis), "method": method, **self._blocks()}
        known = {"parameters": parameters, "training_seconds": seconds, **fitted.description}
        weights = files(path)
        sidecar = weights.with_suffix(".json")
        description = {**known, "config": config}
        models.save(fitted.method, fitted.statistics, description, weights=weights, sidecar=sidecar)

    def _divided(self, data: xr.Dataset, validation: Fields | float) -> tuple[Tensor, Tensor]:
        """Fields to train on, and fields to validate with."""
        fields = tensor_of(data)
        if not isinstance(validation, int | float):
            held_out = labelled_like(data, validation, self.basis)
            masks = [mask_of(part, self.basis) for part in (data, held_out)]
            if not _alike(*masks):
                raise ValueError("validation: values are missing at other nodes than in fields")
            return fields, tensor_of(held_out)
        if not 0 <= validation < 1:
            raise ValueError(
                f"validation = {validation}: give fields, or the share of those to train on that "
                "is left out, such as 0.1"
            )
        count = int(np.ceil(validation * len(fields)))
        if count == len(fields):
            raise ValueError(f"validation = {validation}: {len(fields)} fields leave none to train")
        return fields[: len(fields) - count], fields[len(fields) - count :]

    def _normalised(
        self, fields: Tensor, n: int, downsampling: Downsampling, statistics: Statistics
    ) -> Tensor:
        """Fields at level n at zero mean and unit mean square, float32."""
        if not len(fields):  # of which Fourier transforms may fail
            return torch.empty((0, fields.shape[1], *self.basis.grid(n)))
        kind = torch.promote_types(fields.dtype, statistics.precision)
        transforms = statistics.transforms
        if transforms is None:
            coarse = downsampling(fields.double(), n, self.basis).to(kind)
        else:
            seen = downsampling(transforms.forward(fields), n, self.basis)
            coarse = transforms.inverse(seen).to(kind)
        return statistics.normalise(coarse).float()


def _alike(first: Mask | None, second: Mask | None) -> bool:
    """Whether the same nodes have values."""
    if first is None or second is None:
        return first is second
    return torch.equal(first.present, second.present)


def files(path: str | Path) -> Path:
    """The file of weights that a path means: without a suffix, or with that of either file."""
    path = Path(path)
    if path.suffix == ".json":
        return path.with_suffix(".safetensors")
    return path if path.suffix == ".safetensors" else path.with_name(f"{path.name}.safetensors")
