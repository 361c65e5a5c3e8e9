"""What conditions share: what a network is told of the functions that it is trained on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from fsdiff.data.labels import Labels
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.denoiser import Seen
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.predictions import Prediction
from fsdiff.inverse.observations.base import Observation
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.masks import Mask
from fsdiff.streams import Stream

Drop = Annotated[float, Field(ge=0, lt=1)]
"""The probability that a network is told nothing."""


@dataclass(frozen=True, kw_only=True)
class Condition(ABC):
    """What is told in training; ``of_classes`` if that is of which class a field is."""

    of_classes: ClassVar[bool] = False

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its name in configurations."""

    @abstractmethod
    def conditioning(self, basis: Basis, statistics: Statistics) -> "Conditioning":
        """The condition of normalised fields of a basis."""

    def check(  # noqa: B027 (some suit all)
        self, basis: Basis, channels: int, *, transformed: bool
    ) -> None:
        """Raise ValueError, naming the setting, where there is no such condition on the data.

        ``transformed`` are data of which models see transforms.
        """

    def check_prediction(  # noqa: B027 (most suit all)
        self, prediction: Prediction | None
    ) -> None:
        """Raise ValueError where networks with this condition cannot predict that.

        None is what networks do that see no fields with noise.
        """

    def check_grid(self, basis: Basis, n: int) -> None:  # noqa: B027 (most suit all)
        """Raise ValueError where fields of level n cannot be told what the condition says."""

    def check_guidance(self) -> None:  # noqa: B027 (most may be led)
        """Raise ValueError where data cannot lead a model that is told nothing of it."""

    @abstractmethod
    def check_observation(self, observation: Observation, basis: Basis, channels: int) -> None:
        """Raise ValueError where a model with this condition can be told nothing of its data."""

    def labelled(self, label: str | None) -> Self:
        """The same for data whose coordinate ``label`` has classes; ValueError if it needs one."""
        return self

    def of(self, label: str, values: Sequence[Any] | np.ndarray) -> Self:
        """The same with the classes that are the ``values`` of training samples."""
        return self

    def of_weights(self) -> Self:
        """The same without what it says of samples alone, which decides no weights."""
        return self

    def named(self, names: Sequence[str]) -> Self:
        """The same with numbers for names of channels; ``names`` are those of the fields."""
        return self

    def placed(self, nodes: Sequence[np.ndarray], basis: Basis) -> Self:
        """The same with coordinates of the box for those of the data, as observations have it."""
        return self

    def where_present(self, mask: Mask, basis: Basis) -> Self:
        """The same on what can be seen of data with nodes without values; ValueError if nothing."""
        return self


class Conditioning(nn.Module, ABC):
    """A condition on normalised fields of a basis, as networks are told it.

    Batches are fields (batch, channel, *grid), with the number of their class as a further channel,
    the same at all nodes, where the condition is about ``labels``.
    """

    condition: Condition
    fields: int
    labels: Labels | None = None
    guidance_scale: float = 1.0

    @property
    @abstractmethod
    def channels(self) -> int:
        """Of what the network is told."""

    def prepare(self, batch: Tensor) -> None:
        """Measure what is not known of normalised training fields."""

    @property
    def prepared(self) -> bool:
        """Whether nothing is left to be measured."""
        return True

    def fields_in(self, batch: Tensor) -> Tensor:
        """The fields of a batch."""
        return batch[:, : self.fields]

    @abstractmethod
    def at(self, condition: Tensor, n: int) -> Tensor:
        """Conditions (batch, condition channel, *grid) at level n, unchanged where it is theirs."""

    @abstractmethod
    def drawn(self, batch: Tensor, seeds: Sequence[int]) -> Tensor:
        """Conditions (batch, channel, *grid) of a batch, as each seed decides."""

    def fixed(self, batch: Tensor, first: int = 0) -> Tensor:
        """Conditions of a batch that depend on their index only, at every level."""
        return self.drawn(batch, [_seed(first + place) for place in range(len(batch))])

    @abstractmethod
    def given(self, observation: Observation, data: Tensor, n: int) -> Tensor:
        """The condition at level n that stands for data (..., size)."""

    def draw_as(self, condition: Condition) -> None:
        """Draw samples as a condition says; ValueError where the weights know none such."""

    def dealt(self, n: int, indices: Sequence[int], seed: int) -> Tensor | None:
        """What samples are told of which nothing is said, by seed and index; None if nothing."""
        return None

    def class_told(self, condition: Tensor) -> int | None:
        """The number of the class that one condition (channel, *grid) is about; None if of none."""
        return None

    @abstractmethod
    def nothing(self, n: int, device: torch.device) -> Tensor:
        """The condition (channel, *grid at level n) of fields of which nothing is said."""

    @abstractmethod
    def seen(self, law: Law, x: Tensor, marginal: Marginal, condition: Tensor) -> Seen:
        """What the network sees of fields x of a law given conditions (batch, …)."""


def _seed(index: int) -> int:
    return int(generator(0, Stream.VALIDATION, Stream.CONDITION, index).integers(2**53))
