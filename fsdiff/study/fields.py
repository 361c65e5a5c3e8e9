"""Names, counts and lists, as many blocks have them."""

import re
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field, Strict

from fsdiff.blocks.types import LARGEST
from fsdiff.spaces import bases

REPETITION = "it ends in a repetition of twenty or more, which Snakemake refuses"


def repeats_itself(name: str) -> bool:
    """Whether Snakemake would take a name for one that grows without end."""
    return re.search(r"(.+)\1{19}$", name) is not None


def _no_repetition(name: str) -> str:
    if repeats_itself(name):
        raise ValueError(REPETITION)
    return name


Name = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100), AfterValidator(_no_repetition)
]
"""What files are called after; with suffixes it stays below the 255 bytes that they may have."""
Seed = Annotated[int, Strict(), Field(ge=0, le=LARGEST)]
"""What random numbers are named by: exact in every file, tables with gaps and JSON included."""
Count = Annotated[int, Strict(), Field(gt=0, le=LARGEST)]
"""A number of things."""
Nodes = Annotated[bases.Nodes, Strict()]
"""Nodes per axis."""


def increasing(resolutions: tuple[int, ...]) -> tuple[int, ...]:
    """The resolutions, if each is finer than the one before."""
    if any(a >= b for a, b in pairwise(resolutions)):
        raise ValueError("resolutions must be strictly increasing")
    return resolutions


def distinct(values: tuple[int, ...]) -> tuple[int, ...]:
    """The values, if no two are the same."""
    if len(set(values)) < len(values):
        raise ValueError("name each one once")
    return values


def consecutive(count: int, shards: int) -> tuple[tuple[int, int], ...]:
    """First and last (inclusive) number in each of these shards, as equal as can be."""
    edges = [count * i // shards for i in range(shards + 1)]
    return tuple((first, after - 1) for first, after in pairwise(edges))


def too_many_shards(shards: int, count: int, what: str) -> str | None:
    """Why so few things cannot be divided so; or None."""
    return f"there are only {count} {what}; use shards <= {count}" if shards > count else None
