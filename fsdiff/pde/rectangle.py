"""Rectangles with equal cells: their sides, and grids on which these are nearly squares."""

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, FiniteFloat

_Side = Annotated[FiniteFloat, Field(gt=0)]
Length = _Side | tuple[_Side, _Side]
"""The side of a square, or the sides along (y, x) of a rectangle."""

_FLATTEST = 1.5
"""The largest ratio of the spacings of nodes along two axes."""


def sides(length: Length) -> tuple[float, float]:
    """Sides along (y, x)."""
    return length if isinstance(length, tuple) else (length, length)


def grid(resolution: int, length: Length) -> tuple[int, int]:
    """Nodes along (y, x): ``resolution`` along the longer side, about as dense along the other."""
    longest = max(sides(length))
    y, x = (math.floor(resolution * side / longest + 0.5) for side in sides(length))
    return y, x


def check_spacing(nodes: Sequence[int], length: Length) -> None:
    """Refuse numbers of nodes along (y, x) that are not about as the sides."""
    spacings = [side / n for side, n in zip(sides(length), nodes, strict=True)]
    if max(spacings) > _FLATTEST * min(spacings):
        n_y, n_x = nodes
        y, x = sides(length)
        fitting = grid(max(nodes), length)
        raise ValueError(
            f"{n_y} × {n_x} nodes on {y:g} × {x:g}: spacings {spacings[0]:.3g} and "
            f"{spacings[1]:.3g} differ by more than a factor of {_FLATTEST:g}; use numbers of "
            f"nodes in proportion to the sides, such as {max(1, fitting[0])} × {max(1, fitting[1])}"
        )
