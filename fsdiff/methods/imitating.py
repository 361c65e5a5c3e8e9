"""Baselines that know training fields and nothing else: what a model has to be better than."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from fsdiff.data.statistics import Statistics
from fsdiff.data.tensors import Shapes
from fsdiff.measures.imitations import Imitation, Law
from fsdiff.methods.measured import Measured
from fsdiff.parts import build
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream


class Imitating(Measured):
    """Fields of the law that an ``imitation`` makes of the training fields.

    There is nothing to train; all training fields are kept. At another level they are restricted,
    or prolonged, before the law is made of them.
    """

    kind: Literal["imitating"] = "imitating"
    called: ClassVar[str] = "an imitation"
    held: ClassVar[str] = "fields"

    def __init__(self, basis: Basis, *, imitation: Imitation) -> None:
        self.basis, self.imitation, self.network = basis, imitation, nn.Module()
        self._laws: dict[int, Law] = {}
        self._hold(torch.empty(0))

    @classmethod
    def configured(cls, config: Mapping[str, Any], statistics: Statistics, seed: int) -> Self:
        """From the blocks of the basis and of the method."""
        imitation = build("imitation", config["method"]["imitation"])
        return cls(build("basis", config["basis"]), imitation=imitation)

    @classmethod
    def shapes(cls, found: Shapes, config: Mapping[str, Any], statistics: Statistics) -> Shapes:
        """Normalised fields on the grid of the statistics, however many."""
        count = found[cls.held][1][0] if cls.held in found and found[cls.held][1] else 0
        grid = build("basis", config["basis"]).grid(statistics.resolution)
        return {cls.held: (torch.float32, (count, len(statistics.mean), *grid))}

    def make_room(self, found: Shapes) -> None:
        """For as many fields as there are."""
        self._hold(torch.empty(found[self.held][1]))

    @property
    def prepared(self) -> bool:
        """Whether it has training fields."""
        return len(self._fields) > 0

    def prepare(self, fields: Tensor) -> None:
        """Keep training fields (samples, channel, *grid)."""
        self._hold(fields.float())

    def draw(self, n: int, indices: Sequence[int], seed: int) -> Tensor:
        """Of the law at level n."""
        if n not in self._laws:
            fields = self.basis.resample(self._fields.double(), n)
            self._laws[n] = self.imitation.fit(fields, self.basis)
        law = self._laws[n]
        drawn = [law(1, generator(seed, index, Stream.SURROGATE)) for index in indices]
        return torch.cat(drawn).float()

    @property
    def _fields(self) -> Tensor:
        return self.network.get_buffer(self.held)

    def _hold(self, fields: Tensor) -> None:
        self.network.register_buffer(self.held, fields)
        self._laws.clear()
