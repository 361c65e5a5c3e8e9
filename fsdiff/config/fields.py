"""Names, counts and lists, as many blocks have them."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, Strict

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Seed = Annotated[int, Strict(), Field(ge=0)]
Count = Annotated[int, Strict(), Field(gt=0)]
EvenCount = Annotated[int, Strict(), Field(gt=0, multiple_of=2)]


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
