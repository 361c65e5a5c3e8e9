"""Conditions on classes: a network that draws functions of the class that it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NoReturn, Self

import numpy as np
import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from fsdiff.blocks.checks import first_problem
from fsdiff.characters import Line
from fsdiff.data.labels import Class, Labels
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.denoiser import Seen
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.marginal import Marginal
from fsdiff.inverse.conditions.base import Condition, Conditioning, Drop
from fsdiff.inverse.observations.base import Observation
from fsdiff.parts import described
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream


@dataclass(frozen=True, kw_only=True)
class Label(Condition):
    """The class of each field, for data with labels: digits, or kinds of motion.

    The network is told it by a constant function for each class, 1 for that of the field and 0 for
    all others, and all are 0 with probability ``drop``: what is told nothing draws from the law of
    all classes, as models do that data lead. ``label`` is the coordinate of the data that has the
    classes, by default the one that there is; ``classes``, by default, those of training fields,
    numbers also for text that writes them, and ``shares`` how often samples are of each, by default
    as often as training fields. The class of sample i follows from the seed and i alone, and is a
    coordinate of files of samples, called like that of the data.

    With a ``guidance_scale`` w other than one, samples are drawn with x̂_0(x, ∅) + w (x̂_0(x, c) −
    x̂_0(x, ∅)) in place of what the network estimates when it is told the class c, at twice the
    cost: classifier-free guidance (Ho and Salimans, arXiv 2207.12598, whose w is less by one). For
    w > 1 they are more typical of their class and less diverse than it. Shares and scale decide
    samples alone: nothing is trained again for them.
    """

    label: Line | None = None
    drop: Drop = 0.1
    classes: tuple[int | Line, ...] = ()
    shares: tuple[NonNegativeFloat, ...] = ()
    guidance_scale: NonNegativeFloat = 1.0
    of_classes: ClassVar[bool] = True
    kind: Literal["label"] = "label"

    def __post_init__(self) -> None:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes = {self.classes}: name each class once")
        for name in ("classes", "shares"):
            if len(getattr(self, name)) == 1:
                raise ValueError(f"{name} = {getattr(self, name)}: there are two classes or more")
        if self.classes and self.shares and len(self.classes) != len(self.shares):
            raise ValueError(f"shares = {self.shares}: give one for each of the classes")
        if self.shares and not sum(self.shares) > 0:
            raise ValueError(f"shares = {self.shares}: no samples would be of any class")
        if self.guidance_scale != 1 and not self.drop:
            raise ValueError(
                f"guidance_scale = {self.guidance_scale:g}: a model that is always told a class, "
                "drop = 0, knows no estimate without one; train it with drop > 0, such as 0.1"
            )

    def of(self, label: str, values: Sequence[Any] | np.ndarray) -> Self:
        """The same with the classes that are the ``values`` of training samples, and their shares.

        Those that it has stay; ValueError where there are others, or such as no file of a model may
        name.
        """
        labels = Labels.of(label, values, self.classes, self.shares)
        known = replace(self, label=label, classes=labels.classes, shares=labels.shares)
        if problem := first_problem(type(self), described(known)):
            raise ValueError(
                f"'{label}' of the training samples: {problem}; call classes otherwise"
            )
        return known

    def of_weights(self) -> Self:
        """Of classes, and not of how often samples are of each, or how much that counts."""
        return replace(self, shares=(), guidance_scale=1.0)

    def labelled(self, label: str | None) -> Self:
        """The same with the coordinate of the data that has labels; ValueError without any."""
        if label is None:
            raise ValueError(
                "kind = label: these samples have no labels; use labelled data, such as digits, or "
                "curves of files with a column of classes (label: its name)"
            )
        if self.label not in (None, label):
            raise ValueError(f"label = {self.label}: the labels of these data are {label}")
        return replace(self, label=label)

    def conditioning(self, basis: Basis, statistics: Statistics) -> "LabelConditioning":
        """Of fields of classes that are known by now."""
        return LabelConditioning(self, basis, len(statistics.mean))

    def check_guidance(self) -> None:
        """Refuse to be led where a class is always told."""
        if not self.drop:
            raise ValueError(
                "drop = 0: the model is always told a class, and data lead one that is told none; "
                "train it with drop > 0, such as 0.1"
            )

    def check_observation(self, observation: Observation, basis: Basis, channels: int) -> NoReturn:
        """There is none that says of which class a field is."""
        raise ValueError("a model that is told classes knows no other data: lead it by guidance")


class LabelConditioning(Conditioning):
    """A field (batch, class, *grid) that is 1 in the channel of its class and 0 in all others."""

    condition: Label
    labels: Labels

    def __init__(self, condition: Label, basis: Basis, fields: int) -> None:
        super().__init__()
        if condition.label is None or not condition.classes or not condition.shares:
            raise ValueError("classes: fit the model to labelled fields first")
        self.condition, self.basis, self.fields = condition, basis, fields
        self.labels = Labels(condition.label, condition.classes, condition.shares)
        self.guidance_scale = condition.guidance_scale

    @property
    def channels(self) -> int:
        """One for each class."""
        return len(self.labels.classes)

    def drawn(self, batch: Tensor, seeds: Sequence[int]) -> Tensor:
        """Of the classes of a batch, but nothing where a seed decides so."""
        numbers = batch[:, self.fields].flatten(1)[:, 0].round().long()
        drop = self.condition.drop
        told = [float(generator(seed, Stream.CONDITION).random() >= drop) for seed in seeds]
        kept = torch.tensor(told, device=batch.device)
        return self._fields(numbers, self.basis.resolution(batch), kept)

    def draw_as(self, condition: Condition) -> None:
        """Samples have the shares of a condition, if it says any, and its guidance scale."""
        assert isinstance(condition, Label)
        self.guidance_scale = condition.guidance_scale
        if condition.shares:
            self.labels = self.labels.with_shares(condition.shares)

    def of_class(self, which: Class, count: int, n: int) -> Tensor:
        """What samples at level n are told that all are of one class; ValueError if it is none."""
        (number,) = self.labels.numbers([which])
        return self._fields(torch.full((count,), int(number)), n)

    def dealt(self, n: int, indices: Sequence[int], seed: int) -> Tensor:
        """The classes that samples have by their index."""
        return self._fields(torch.from_numpy(self.labels.dealt(indices, seed)), n)

    def class_told(self, condition: Tensor) -> int | None:
        """The number of the class that a condition (class, *grid) is about; None if of none."""
        told = condition.flatten(1)[:, 0]
        return int(told.argmax()) if bool(told.any()) else None

    def at(self, condition: Tensor, n: int) -> Tensor:
        """Constants have the same value on every grid."""
        if self.basis.resolution(condition) == n:
            return condition
        return self._constant(condition.flatten(2)[:, :, 0], n)

    def given(self, observation: Observation, data: Tensor, n: int) -> NoReturn:
        """There is none that says of which class a field is."""
        self.condition.check_observation(observation, self.basis, self.fields)

    def nothing(self, n: int, device: torch.device) -> Tensor:
        """Zero; ValueError where the network has not learned to be told nothing."""
        self.condition.check_guidance()
        return torch.zeros(self.channels, *self.basis.grid(n), device=device)

    def seen(self, law: Law, x: Tensor, marginal: Marginal, condition: Tensor) -> Seen:
        """Fields as they are, beside the classes."""
        return Seen(x, marginal, condition)

    def _fields(self, numbers: Tensor, n: int, kept: Tensor | None = None) -> Tensor:
        one = torch.nn.functional.one_hot(numbers, self.channels).float()
        return self._constant(one if kept is None else one * kept[:, None], n)

    def _constant(self, values: Tensor, n: int) -> Tensor:
        """Values (batch, class) at all nodes of level n."""
        grid = self.basis.grid(n)
        return values.view(*values.shape, *[1] * len(grid)).expand(*values.shape, *grid)
