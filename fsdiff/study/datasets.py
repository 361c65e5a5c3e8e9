"""Blocks of data sets."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    Strict,
    ValidationInfo,
    field_validator,
    model_validator,
)

from fsdiff.blocks.explain import Problem, refuse, suggest
from fsdiff.blocks.types import Block, PartBlock, PartOf
from fsdiff.data.transforms import ALL
from fsdiff.spaces.basis import Basis
from fsdiff.study.evaluation import too_few, unlabelled
from fsdiff.study.fields import Count, Nodes, Seed, consecutive, increasing, too_many_shards
from fsdiff.study.sizes import unaffordable_data

if TYPE_CHECKING:
    from fsdiff.inverse.conditions.base import Condition
    from fsdiff.inverse.observations.base import Observation

InNames = TypeVar("InNames", "Condition", "Observation")


class Split(Block):
    """How many samples are for training, validation and test, in this order of sample index."""

    train: Count
    """Samples that models are trained on and statistics are measured on."""
    validation: Count
    """Samples that choose the best weights of a training run."""
    test: Annotated[int, Strict(), Field(ge=2)]
    """Samples to judge by: half are the reference, half show how far real data are from it."""

    @property
    def total(self) -> int:
        """Number of samples."""
        return self.train + self.validation + self.test


class Dataset(Block):
    """A data set and its hierarchy of resolutions."""

    source: Annotated[PartBlock, PartOf("source")]
    """The law that samples are drawn from, or the files that they are read from."""
    seed: Seed = 0
    """Sample i depends on this seed and i only."""
    split: Split
    shards: Count = 1
    """In how many jobs the samples are made; changes nothing in them."""
    transforms: dict[str, Annotated[PartBlock, PartOf("transforms")]] = Field({})
    """What models see of a channel, by its name, or of ``all``; undone in samples."""
    downsampling: Annotated[PartBlock, PartOf("downsampling")] = Field(
        {"kind": "spectral"}, validate_default=True
    )
    """How fields are taken to coarser grids."""
    resolutions: Annotated[tuple[Nodes, ...], Field(min_length=1), AfterValidator(increasing)]
    """Nodes per axis of the hierarchy, increasing, up to the resolution of the source."""

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: PartBlock, info: ValidationInfo) -> PartBlock:
        source.part.check()
        if problem := unlabelled(source.part.label, info):
            raise ValueError(problem)
        return source

    @field_validator("split")
    @classmethod
    def _check_split(cls, split: Split, info: ValidationInfo) -> Split:
        source = info.data.get("source")
        available = source.part.available if source else None
        if available is not None and split.total > available:
            raise ValueError(
                f"{split.total} samples in all, but the source holds {available}; use "
                f"train + validation + test <= {available}"
            )
        if wanted := too_few(split.test // 2, info):
            metric, least = wanted
            needs = f"half of them are the reference, and {metric} needs at least {least} fields"
            refuse([(("test",), f"{needs}; use test >= {2 * least}")])
        return split

    @field_validator("shards")
    @classmethod
    def _check_shards(cls, shards: int, info: ValidationInfo) -> int:
        split = info.data.get("split")
        if split and (problem := too_many_shards(shards, split.total, "samples")):
            raise ValueError(problem)
        return shards

    @field_validator("transforms")
    @classmethod
    def _check_transforms(
        cls, transforms: dict[str, PartBlock], info: ValidationInfo
    ) -> dict[str, PartBlock]:
        source = info.data.get("source")
        if source:
            refuse(_unfit_transforms(transforms, source.part))
        return transforms

    @field_validator("downsampling")
    @classmethod
    def _check_downsampling(cls, downsampling: PartBlock, info: ValidationInfo) -> PartBlock:
        source, transforms = info.data.get("source"), info.data.get("transforms")
        if source:
            channels = max(1, len(source.part.names))
            downsampling.part.check_fields(channels, transformed=bool(transforms))
        return downsampling

    @field_validator("resolutions")
    @classmethod
    def _check_resolutions(
        cls, resolutions: tuple[int, ...], info: ValidationInfo
    ) -> tuple[int, ...]:
        source, downsampling = info.data.get("source"), info.data.get("downsampling")
        if source:
            refuse(_unreachable(resolutions, source.part, downsampling))
        return resolutions

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        refuse(unaffordable_data(self))
        return self

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        refuse(_divided_groups(self.split, self.source.part.boundaries(self.seed)))
        return self

    def own(self, part: InNames) -> InNames:
        """An observation or a condition in numbers of the data's channels and places of its box.

        Of data with nodes without values, what is seen at the others; ValueError if nothing can be.
        """
        source = self.source.part
        named: InNames = part.named(source.names)
        placed = named.placed(list(source.node_positions.values()), source.basis)
        return placed if source.mask is None else placed.where_present(source.mask, self.basis)

    def told(self, condition: "Condition") -> "Condition":
        """A condition as these data have it, with their labels; ValueError if they have none."""
        return self.own(condition.labelled(self.source.part.label))

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.split.total

    @property
    def basis(self) -> Basis:
        """That of the data; of series, the frames of which are channels of models."""
        source = self.source.part
        frames = source.values // max(1, len(source.names))
        return source.basis.repeated(frames)

    def shard_ranges(self) -> tuple[tuple[int, int], ...]:
        """First and last (inclusive) sample of each shard, as the shards' file names have them."""
        return consecutive(self.samples, self.shards)


def _divided_groups(split: Split, boundaries: Sequence[int]) -> Iterator[Problem]:
    """Parts that end amid samples that belong together, such as those of one date."""
    start = 0
    for name in ("train", "validation"):
        start += (count := getattr(split, name))
        if boundaries and start not in boundaries:
            ends = [end - start + count for end in boundaries]
            below = max((end for end in ends if 0 < end < count), default=None)
            above = min(end for end in ends if end > count)
            choices = " or ".join(str(end) for end in (below, above) if end)
            yield (
                ("split", name),
                f"samples of one group would be in two parts; with this seed, use {choices}",
            )
            return


def _unfit_transforms(transforms: dict[str, PartBlock], source: Any) -> Iterator[Problem]:
    """Transforms of channels that there are not, or that the basis of the data excludes."""
    channels = source.names or (ALL,)
    bases = dict(zip(channels, source.basis.by_channel(len(channels)), strict=True))
    for name, block in transforms.items():
        if name not in (*source.names, ALL):
            yield (name,), f"no such channel; known: {suggest([*source.names, ALL], name)}"
            continue
        try:
            for channel, basis in bases.items():
                if name == channel or (name == ALL and channel not in transforms):
                    block.part.check(basis)
        except ValueError as error:
            yield (name,), str(error)


def _unreachable(
    resolutions: tuple[int, ...], source: Any, downsampling: PartBlock | None
) -> Iterator[Problem]:
    finest = source.resolution
    for i, resolution in enumerate(resolutions):
        if resolution > finest:
            remedy = f"use resolutions <= {finest}"
            chosen = "resolution" in {item.name for item in dataclasses.fields(source)}
            remedy += " or raise source.resolution" if chosen else ""
            yield (i,), f"finer than the data; {remedy}"
        elif downsampling:
            try:
                source.basis.grid(resolution)
                downsampling.part.check(finest, resolution, source.basis)
            except ValueError as error:
                yield (i,), str(error)
