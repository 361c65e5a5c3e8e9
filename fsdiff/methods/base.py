"""What training, storage and sampling ask of a method, be it a diffusion or not."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import torch
from torch import Tensor, nn

from fsdiff.data.statistics import Statistics
from fsdiff.data.tensors import Shapes
from fsdiff.methods.weights import conditioning_of, network_of
from fsdiff.parts import build
from fsdiff.spaces.axes import AxisKind
from fsdiff.spaces.bases import Basis

if TYPE_CHECKING:
    from fsdiff.data.labels import Labels
    from fsdiff.diffusion.denoiser import Conditions
    from fsdiff.diffusion.samplers.base import Sampler
    from fsdiff.diffusion.samplers.samples import Samples
    from fsdiff.inverse.conditions.base import Condition
    from fsdiff.inverse.observations.base import Observation


class Validation(Protocol):
    """Fields whose loss is the same number whenever it is asked for with the same weights."""

    def __len__(self) -> int:
        """How many fields there are."""

    def mean_loss(self) -> float:
        """The mean loss, 0 of no fields."""


class Method(ABC):
    """A model of fields (batch, channel, *grid) at zero mean and unit mean square.

    ``needs`` are the blocks that an experiment must have for it, ``takes`` those that it may have
    besides; all others are refused. ``autocast`` tells whether it may be trained in bfloat16, and
    ``everywhere`` whether it needs values at all nodes. All that is trained are the parameters of
    ``network``; where there are none, the model is made of the statistics of the data alone.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    takes: ClassVar[tuple[str, ...]] = ()
    autocast: ClassVar[bool] = True
    everywhere: ClassVar[bool] = False

    basis: Basis
    network: nn.Module
    conditions: "Conditions | None" = None

    @classmethod
    @abstractmethod
    def configured(cls, config: Mapping[str, Any], statistics: Statistics, seed: int) -> Self:
        """The method from an experiment's blocks, its first weights drawn from ``seed``."""

    @classmethod
    def untrained(cls, config: Mapping[str, Any], statistics: Statistics) -> nn.Module:
        """A network like that of the method, with any weights."""
        basis = build("basis", config["basis"])
        conditioning = conditioning_of(config, basis, statistics)
        return network_of(config["network"], basis, len(statistics.mean), conditioning)

    @classmethod
    def trains(cls) -> bool:
        """Whether there is anything to train."""
        return "levels" in cls.needs

    @classmethod
    def check_condition(cls, condition: "Condition") -> None:
        """Raise ValueError where the method cannot be told that; by default these are classes."""
        if condition.of_classes:
            raise ValueError(
                f"kind = {condition.kind}: models of this method cannot be told classes; use "
                "method: {kind: diffusion}, or {kind: imitating}"
            )

    @classmethod  # noqa: B027 (most draw any)
    def check_samples(cls, basis: Basis, n: int, **settings: Any) -> None:
        """Raise ValueError where it draws no fields of level n; ``settings`` are of its block."""

    @classmethod
    def check_grid(
        cls, axes: Sequence[AxisKind], grid: Sequence[int], **settings: Any
    ) -> Iterator[str]:
        """What the method has against training on fields on a grid; nothing by default."""
        yield from ()

    @classmethod
    def shapes(cls, found: Shapes, config: Mapping[str, Any], statistics: Statistics) -> Shapes:
        """What a file has to hold beside the statistics, of a method without a block network.

        ``found`` is what it does hold, which tells how much of that there is.
        """
        return {}

    def make_room(self, found: Shapes) -> None:  # noqa: B027 (most hold what they are made with)
        """Let the network hold what a file has, whose ``shapes`` are those expected."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters in the groups of an optimiser; a group may scale the rate by ``factor``."""
        return [{"params": list(self.network.parameters())}]

    @property
    def labels(self) -> "Labels | None":
        """The classes that data have to come with, None where it is told of none.

        Data then are fields with the number of their class as a further channel.
        """
        return None if self.conditions is None else self.conditions.labels

    @property
    def prepared(self) -> bool:
        """Whether nothing has to be measured of fields before the first step of training."""
        return self.conditions is None or self.conditions.prepared

    def prepare(self, fields: Tensor) -> None:
        """Measure what the statistics do not tell of training fields (samples, channel, *grid)."""
        if self.conditions is not None:
            self.conditions.prepare(fields)

    def condition(self, observation: "Observation", data: Tensor, n: int) -> Tensor:
        """Fields at level n, (..., condition channel, *grid), that stand for data (..., size).

        Data are in the unit of the fields, and NaN where nothing was observed. ValueError for
        models that were not trained with a condition.
        """
        if self.conditions is None:
            raise ValueError(
                "this model knows no observations: train it with a condition, or guide its samples"
            )
        return self.conditions.given(observation, data, n)

    @abstractmethod
    def loss(
        self,
        data: Tensor,
        random: torch.Generator,
        part: slice = slice(None),
        *,
        condition: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> Tensor:
        """The loss of each field of a ``part`` of a batch, with the network in a precision.

        What is random is drawn for the whole batch, so that parts may be worked on separately.
        """

    @abstractmethod
    def validation(self, data: Tensor, *, first: int = 0, count: int | None = None) -> Validation:
        """Fields to measure the loss on, with all that is random fixed by their index.

        These are numbers ``first`` and on of ``count``, by default all.
        """

    @abstractmethod
    def sample(
        self,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        sampler: "Sampler | None" = None,
        condition: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> "Samples":
        """Fields at level n, one per index; sample i depends on (seed, i) and its condition only.

        ``sampler`` is that of the experiment, where the method needs one.
        """
