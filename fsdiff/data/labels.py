"""Classes of labelled fields: how many there are, and which of them each field and sample has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.jobs.failures import StorageError
from fsdiff.randomness import generator
from fsdiff.streams import Stream

MOST_CLASSES = 1000
"""More than that are no classes, but numbers of samples or the like."""

EXACT = 2**53
"""Floating numbers below that are whole numbers exactly."""

GOLDEN = (5**0.5 - 1) / 2
"""Its multiples, modulo 1, leave no large gaps, however many of them there are."""

Class = int | str
"""What a class is called in data."""


@dataclass(frozen=True)
class Labels:
    """Classes, by the coordinate ``name`` of data that says of which class a sample is.

    ``shares`` are how often samples of models are of each.
    """

    name: str
    classes: tuple[Class, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(
        cls,
        name: str,
        values: Sequence[Any] | np.ndarray,
        classes: Sequence[Class] = (),
        shares: Sequence[float] = (),
    ) -> Self:
        """Those of the labels of training samples: all that occur, as often as they do.

        ``classes``, or their ``shares``, may be given, numbers also for labels that are text, as
        those of tables are; ValueError where labels are of others or no labels at all, and where a
        class has a share and no samples.
        """
        found = plain(values, name)
        occurring = tuple(sorted(set(found)))
        known = tuple(meant(one, occurring) for one in classes) or occurring
        if len(set(known)) < len(known):
            raise ValueError(f"classes = {tuple(classes)}: name each class once")
        if not 2 <= len(known) <= MOST_CLASSES:
            raise ValueError(
                f"'{name}' of the training samples has {len(known)} different values: classes are "
                f"2 to {MOST_CLASSES}"
            )
        counts = np.bincount(cls(name, known, ()).numbers(values), minlength=len(known))
        labels = cls(name, known, tuple((counts / counts.sum()).tolist()))
        return labels.with_shares(shares) if shares else labels

    def with_shares(self, shares: Sequence[float]) -> Self:
        """The same, of which samples are so often; ValueError for shares of classes without any."""
        if len(shares) != len(self.classes):
            count = len(self.classes)
            raise ValueError(f"{len(shares)} shares for {count} classes of '{self.name}'")
        for one, share, before in zip(self.classes, shares, self.shares, strict=True):
            if share and not before:
                raise ValueError(
                    f"shares: samples would be of '{self.name}' = {one!r}, and no training sample "
                    "is; give this class a share of 0"
                )
        return replace(self, shares=tuple(shares))

    def numbers(self, values: Iterable[Any]) -> np.ndarray:
        """The places of classes among all, (samples,); ValueError for others."""
        places = {one: place for place, one in enumerate(self.classes)}
        found = plain(values, self.name)
        if unknown := sorted({repr(one) for one in found if one not in places}):
            known = ", ".join(map(repr, self.classes[:20]))  # '1' is not 1
            raise ValueError(
                f"'{self.name}' = {unknown[0]} is no class of the training samples, which are of "
                f"{known}: choose another split, or name all of them (classes)"
            )
        return np.array([places[one] for one in found], np.int64)

    def dealt(self, indices: Sequence[int], seed: int) -> np.ndarray:
        """The places of the classes of samples, (samples,), that seed and index alone decide.

        Sample i is of the class in whose share of [0, 1) lies u + iφ modulo 1 with the golden ratio
        φ and a number u of the seed: any samples that follow each other have the shares to within
        few samples.
        """
        start = float(generator(seed, Stream.LABELS).random())
        places = (start + np.asarray(indices, float) * GOLDEN) % 1
        ends = np.cumsum(self.shares) / np.sum(self.shares)
        return np.minimum(np.searchsorted(ends, places, side="right"), len(self.classes) - 1)

    def coordinate(self, numbers: np.ndarray) -> dict[str, xr.Variable]:
        """The classes at some places, by the name of the coordinate of data that has them."""
        about = {"long_name": "class that the model was told"}
        return {self.name: xr.Variable("sample", np.array(self.classes)[numbers], about)}


def meant(given: Class, labels: Sequence[Class]) -> Class:
    """A class as data write it that have some ``labels``: 1 for '1' or '01', and '1' for 1.

    One that does not occur is written like all others.
    """
    if given in labels:
        return given
    number = _number(given)
    same = [one for one in labels if number is not None and _number(one) == number]
    if len(same) == 1:
        return same[0]
    if all(isinstance(one, str) for one in labels):
        return str(given)
    return int(number) if number is not None and number.is_integer() else given


def _number(label: Class) -> float | None:
    """The number that a label is, or writes."""
    try:
        return float(label)
    except (TypeError, ValueError):
        return None


def of_split(dataset: xr.Dataset, name: str, split: str) -> np.ndarray:
    """The labels of the samples of one split, (samples,); StorageError where there are none."""
    if name not in dataset.variables:
        raise StorageError(f"these samples have no labels '{name}': make the data again")
    return np.asarray(dataset[name].values[(dataset["split"] == split).values])


def with_classes(fields: Tensor, numbers: Tensor) -> Tensor:
    """Fields (batch, channel, *grid) with the numbers of their classes as a further channel."""
    places = numbers.to(fields).view(-1, *[1] * (fields.ndim - 1))
    return torch.cat([fields, places.expand_as(fields[:, :1])], 1)


def plain(values: Iterable[Any], name: str) -> list[Class]:
    """Labels as numbers and text; ValueError where they are none.

    Whole numbers may be floating, as many files have them.
    """
    array = np.asarray(values)
    if array.dtype.kind == "S":
        array = array.astype(str)
    if array.dtype.kind == "f" and (abs(array) < EXACT).all() and (array % 1 == 0).all():
        array = array.astype(np.int64)
    found: list[Any] = array.tolist() if array.ndim == 1 else [None]
    if not (all(isinstance(one, str) for one in found) or array.dtype.kind in "iub"):
        raise ValueError(f"'{name}' has no labels: give each sample a whole number or a text")
    return [one if isinstance(one, str) else int(one) for one in found]
