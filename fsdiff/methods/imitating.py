"""Baselines that know training fields and nothing else: what a model has to be better than."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from fsdiff.data.labels import Class
from fsdiff.data.statistics import Statistics
from fsdiff.data.tensors import Shapes
from fsdiff.measures.imitations import Imitation, Law
from fsdiff.methods.measured import Measured
from fsdiff.methods.weights import conditioning_of
from fsdiff.parts import build
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream

if TYPE_CHECKING:
    from fsdiff.inverse.conditions.base import Condition


class Imitating(Measured):
    """Fields of the law that an ``imitation`` makes of the training fields.

    There is nothing to train; all training fields are kept. At another level they are restricted,
    or prolonged, before the law is made of them. With a ``condition`` on classes each class has a
    law of its own.
    """

    takes: ClassVar[tuple[str, ...]] = ("condition",)
    kind: Literal["imitating"] = "imitating"
    called: ClassVar[str] = "an imitation"
    held: ClassVar[str] = "fields"

    def __init__(self, basis: Basis, *, imitation: Imitation) -> None:
        self.basis, self.imitation, self.network = basis, imitation, nn.Module()
        self._laws: dict[tuple[int, int | None], Law] = {}
        self._hold(torch.empty(0))

    @classmethod
    def configured(cls, config: Mapping[str, Any], statistics: Statistics, seed: int) -> Self:
        """From the blocks of the basis, of the condition and of the method."""
        imitation = build("imitation", config["method"]["imitation"])
        basis = build("basis", config["basis"])
        made = cls(basis, imitation=imitation)
        made.conditions = conditioning_of(config, basis, statistics)
        return made

    @classmethod
    def check_condition(cls, condition: "Condition") -> None:
        """Refuse all but classes."""
        if not condition.of_classes:
            raise ValueError(
                f"kind = {condition.kind}: imitations can be told classes, kind: label, and no "
                "observations; leave it out"
            )
        if (scale := getattr(condition, "guidance_scale", 1.0)) != 1:
            raise ValueError(
                f"guidance_scale = {scale:g}: imitations are of their class and no more; leave it "
                "out"
            )

    @classmethod
    def check_samples(cls, basis: Basis, n: int, **settings: Any) -> None:
        """As the imitation."""
        settings["imitation"].part.check_grid(basis, n)

    @classmethod
    def shapes(cls, found: Shapes, config: Mapping[str, Any], statistics: Statistics) -> Shapes:
        """Normalised fields on the grid of the statistics, however many, with their classes."""
        count = found[cls.held][1][0] if cls.held in found and found[cls.held][1] else 0
        grid = build("basis", config["basis"]).grid(statistics.resolution)
        channels = len(statistics.mean) + (config.get("condition") is not None)
        return {cls.held: (torch.float32, (count, channels, *grid))}

    def make_room(self, found: Shapes) -> None:
        """For as many fields as there are."""
        self._hold(torch.empty(found[self.held][1]))

    @property
    def prepared(self) -> bool:
        """Whether it has training fields."""
        return len(self._fields) > 0

    def prepare(self, fields: Tensor) -> None:
        """Keep training fields (samples, channel, *grid), with their classes if told."""
        self._hold(fields.float())

    def draw(
        self, n: int, indices: Sequence[int], seed: int, condition: Tensor | None = None
    ) -> Tensor:
        """Of the law at level n, or of those of the classes that a condition tells."""
        classes: list[int | None] = [None] * len(indices)
        if condition is not None:
            classes = condition.flatten(2)[:, :, 0].argmax(1).tolist()
        drawn = [
            self._law(n, number)(1, generator(seed, index, Stream.SURROGATE))
            for index, number in zip(indices, classes, strict=True)
        ]
        return torch.cat(drawn).float()

    def _law(self, n: int, number: int | None) -> Law:
        """That of all fields at level n, or of those of a class."""
        if (n, number) not in self._laws:
            batch = self._fields.cpu()  # where random numbers are drawn
            fields = batch if self.conditions is None else self.conditions.fields_in(batch)
            if number is not None:
                fields = fields[batch[:, -1].flatten(1)[:, 0] == number]
                if not len(fields):
                    raise ValueError(
                        f"no training field is of class {self._called(number)!r}, and there is "
                        "nothing to imitate: give it a share of 0, and ask for no samples of it"
                    )
            at_level = self.basis.resample(fields.double(), n)
            self._laws[n, number] = self.imitation.fit(at_level, self.basis)
        return self._laws[n, number]

    def _called(self, number: int) -> Class:
        """The name of a class in the data."""
        assert self.labels is not None  # as a condition has told classes
        return self.labels.classes[number]

    @property
    def _fields(self) -> Tensor:
        return self.network.get_buffer(self.held)

    def _hold(self, fields: Tensor) -> None:
        self.network.register_buffer(self.held, fields)
        self._laws.clear()
