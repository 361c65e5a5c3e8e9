"""Classifiers of a data set, and measures of what these see of fields."""

import copy
import operator
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from fsdiff.data import tensors
from fsdiff.jobs.failures import DamagedError
from fsdiff.metrics.base import Metric
from fsdiff.networks.classifier import Classifier
from fsdiff.networks.shapes import shapes_alone
from fsdiff.spaces.bases import Basis
from fsdiff.threads import single_thread

BLOCK = 256
"""Fields that are looked at together."""


class Seen(NamedTuple):
    """What classifiers see of N fields, in double precision.

    ``features`` of each classifier, (N, feature), and ``probabilities`` of the classes, (N, class),
    which are means over the classifiers.
    """

    features: tuple[Tensor, ...]
    probabilities: Tensor


@dataclass(frozen=True, eq=False)
class Classifiers:
    """Several networks that classify fields on one grid, and their mean ``accuracy`` on test data.

    ``shape`` is that of a field, (channel, *grid). With ``below``, a number for each channel, they
    see masks of where fields are less than it.
    """

    networks: Sequence[Classifier]
    shape: tuple[int, ...]
    accuracy: float
    below: tuple[float, ...] | None = None

    @single_thread()
    @torch.no_grad()
    def __call__(self, fields: Tensor, basis: Basis) -> Seen:
        """What they see of normalised fields (N, channel, *grid), restricted from finer grids."""
        features, probabilities = [], []
        level = basis.resolution(self)
        if level < basis.resolution(fields):
            fields = torch.cat([basis.restrict(block, level) for block in fields.split(BLOCK)])
        fields = masks(fields, self.below)
        for network in self.networks:
            network.to(fields.device)
            found = [network.features(block.float()) for block in fields.split(BLOCK)]
            features.append(torch.cat(found))
            probabilities.append(network.logits(features[-1]).double().softmax(1))
        return Seen(tuple(one.double() for one in features), torch.stack(probabilities).mean(0))

    def write(self, path: Path, made: Mapping[str, Any]) -> None:
        """Write them to a file that says what they were ``made`` from."""
        held = {
            f"{number}.{name}": tensor
            for number, network in enumerate(self.networks)
            for name, tensor in network.state_dict().items()
        }
        count, classes = len(self.networks), self.networks[0].logits.out_features
        about = {"shape": self.shape, "classes": classes, "count": count, "accuracy": self.accuracy}
        tensors.write(path, held, {**about, "below": self.below, **made})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Those in a file; StorageError that names it where it holds none."""
        held, about = tensors.read(path)
        try:
            channels, *grid = shape = tuple(map(int, about["shape"]))
            networks = []
            for number in range(about["count"]):
                own = f"{number}."
                with shapes_alone():
                    network = Classifier(channels, grid, about["classes"])
                found = {k.removeprefix(own): held[k] for k in held if k.startswith(own)}
                network.load_state_dict(found, assign=True)
                networks.append(network.eval())
            below = None if about["below"] is None else tuple(map(float, about["below"]))
            return cls(networks, shape, float(about["accuracy"]), below)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise DamagedError(
                f"{path} holds no classifiers: delete it and run the workflow again"
            ) from error


def masks(fields: Tensor, below: Sequence[float] | None) -> Tensor:
    """1 where fields (N, channel, *grid) are less than their channel's number, and 0 elsewhere.

    The fields themselves where there are no numbers.
    """
    if below is None:
        return fields
    numbers = torch.tensor(below).to(fields)
    return (fields < numbers.view(-1, *[1] * (fields.ndim - 2))).to(fields)


@dataclass(frozen=True)
class ClassifierMetric(Metric):
    """A measure of what classifiers of the data see of fields, all channels at once."""

    joint: ClassVar[bool] = True
    continued: ClassVar[bool] = True
    classified: ClassVar[bool] = True
    _classifiers: ClassVar[Classifiers | None] = None

    def given(self, classifiers: Path) -> Self:
        """The same measure, with the classifiers in a file."""
        return self.by(Classifiers.read(classifiers))

    def by(self, classifiers: Classifiers) -> Self:
        """The same measure, with classifiers."""
        informed = copy.copy(self)
        object.__setattr__(informed, "_classifiers", classifiers)
        return informed

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The numbers of two sets of fields (N, channels, *grid), cut to one number of fields."""
        self.check(samples, reference, basis)
        if self._classifiers is None:
            raise ValueError(f"{self.kind} needs classifiers of the data: use given() first")
        known, shape = self._classifiers.shape, tuple(samples.shape[1:])
        finer = any(map(operator.gt, known[1:], shape[1:]))
        if len(known) != len(shape) or known[0] != shape[0] or finer:
            raise ValueError(
                f"{self.kind} has classifiers of fields on {known} (channels, *grid), and these "
                f"are on {shape}: use those of such channels on a grid that is not finer"
            )
        count = min(len(samples), len(reference))
        seen = (self._classifiers(u[:count], basis) for u in (samples, reference))
        return self.compare_seen(*seen)

    @property
    def accuracy(self) -> float:
        """That of the classifiers."""
        assert self._classifiers is not None
        return self._classifiers.accuracy

    @abstractmethod
    def compare_seen(self, samples: Seen, reference: Seen) -> dict[str, float]:
        """The numbers of what classifiers see of two sets of N fields."""
