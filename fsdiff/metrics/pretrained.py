"""Distances of pictures in features of networks that were trained on photographs."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import safetensors.torch
import torch
from torch import Tensor, nn

from fsdiff.jobs.failures import StorageError
from fsdiff.metrics.base import Metric
from fsdiff.metrics.frechet import fewest_for_limit, frechet_distance, has_limit, in_the_limit
from fsdiff.metrics.frechet_classifier import kernel_distance
from fsdiff.spaces.bases import Basis
from fsdiff.threads import single_thread

BLOCK = 32
"""Pictures that are looked at together."""

WHITE, BEYOND, SHARE = 255, 0.05, 0.05
"""How far beyond black and white values of a picture may lie, and which share of them farther."""


@dataclass(frozen=True)
class PictureMetric(Metric):
    """Kernel and Fréchet distances of features of pictures, one grey channel or three colours.

    Fields are physical, from 0 to 1 with y pointing upwards, cut to that range and rounded to
    whole numbers of 255, as in files. Both sets are cut to one number of fields, of which there
    must be ``enough`` for a Fréchet distance: the covariance of features wants more fields than
    there are features. Its limit wants more than four times as many as there are features. The
    kernel distance is unbiased for any number.
    """

    physical: ClassVar[bool] = True
    joint: ClassVar[bool] = True
    continued: ClassVar[bool] = True
    at_least: ClassVar[int] = 2
    enough: ClassVar[int] = 2000
    features: ClassVar[int]

    @property
    def results(self) -> tuple[str, ...]:
        """The kernel distance, the Fréchet distance and its limit for many fields."""
        return tuple(words.name for words in self.words)

    @abstractmethod
    def network(self) -> nn.Module:
        """What makes features (N, feature) of pictures (N, 3, y, x) from 0 to 1."""

    def fewest(self, result: str, basis: Basis, n: int, channels: int) -> int:
        """Some thousand for a Fréchet distance, and more for its limit."""
        _kernel, distance, limit = self.results
        many = {distance: self.enough, limit: max(self.enough, fewest_for_limit(self.features))}
        return many.get(result, self.at_least)

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse what is no picture."""
        if basis.dimension != 2:
            raise ValueError(f"{self.kind} looks at pictures: functions of two variables")

    def check_channels(self, channels: int, *, masked: bool) -> None:
        """Refuse what is neither grey nor has three colours."""
        if channels not in (1, 3):
            raise ValueError(
                f"{self.kind} looks at pictures of one channel or three; there are {channels}: "
                "leave it out"
            )

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The numbers of two sets of fields (N, channels, y, x)."""
        self.check(samples, reference, basis)
        self._check_values(reference)
        count = min(len(samples), len(reference))
        x, y = (self._features(fields[:count]) for fields in (samples, reference))
        found = [kernel_distance(x, y)]
        if count >= self.enough:
            found.append(frechet_distance(x, y))
            if has_limit(x):
                found.append(in_the_limit(frechet_distance, x, y))
        return dict(zip(self.results, found, strict=False))

    def _check_values(self, fields: Tensor) -> None:
        self.check_channels(fields.shape[1], masked=False)
        far = ((fields < -BEYOND) | (fields > 1 + BEYOND)).double().mean()
        if far > SHARE:
            raise ValueError(
                f"{self.kind} looks at pictures from 0 to 1, and {float(far):.0%} of these values "
                "lie beyond that: leave it out, or scale the data"
            )

    @single_thread()
    @torch.no_grad()
    def _features(self, fields: Tensor) -> Tensor:
        """Features (N, feature), float64."""
        network = self.network().to(fields.device)
        upright = (fields.clamp(0, 1) * WHITE).round().float() / WHITE
        pictures = upright.flip(-2).expand(-1, 3, -1, -1)
        return torch.cat([network(block).double() for block in pictures.split(BLOCK)])


def with_weights(network: nn.Module, path: Path, beside: Sequence[str]) -> nn.Module:
    """A network with the weights in a file: safetensors, or what ``torch.save`` wrote.

    Of the latter nothing is executed. Weights that begin with one of ``beside`` are of layers that
    are not used. StorageError that names the file where it does not hold all others.
    """
    try:
        held = _read(path)
        own = {name: held[name] for name in held if not name.startswith(tuple(beside))}
        network.load_state_dict(own)
    except Exception as error:  # what foreign files can be is without end
        raise StorageError(
            f"{path} holds no weights of this network ({type(error).__name__}): fetch it again, or "
            "name another"
        ) from error
    return network.eval()


@lru_cache(maxsize=2)
def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found
