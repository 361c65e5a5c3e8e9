"""Random symmetries of training fields."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis

ELEMENTS = {"flips": 4, "square": 8}
"""How many symmetries there are, the identity among them; the first four are flips."""


def check_augmentation(augmentation: str, bases: Iterable[Basis]) -> None:
    """Refuse symmetries that the domain of a channel, one of ``bases``, does not have."""
    if augmentation == "none":
        return
    for basis in bases:
        names = " × ".join(axis.name for axis in basis.axes)
        if augmentation == "flips" and len(basis.axes) < 2:
            raise ValueError(
                f"augmentation: flips turns the last two axes around, and the box of the data, "
                f"{names}, has one: use none"
            )
        if augmentation == "square" and not _ends_in_square(basis.axes):
            raise ValueError(
                f"augmentation: {augmentation} turns the last two axes into each other, which are "
                f"to be alike, and the box of the data, {names}, has no such two: use none"
            )


def _ends_in_square(axes: tuple[Axis, ...]) -> bool:
    """Whether the last two axes differ in nothing but their names."""
    alike = {replace(axis, name="x") for axis in axes[-2:]}
    return len(axes) > 1 and len(alike) == 1


def random_symmetry(augmentation: str, fields: Tensor, random: torch.Generator) -> Tensor:
    """Each of the fields (..., n, m) under a random symmetry: of the 8 of the ``square``, n = m.

    With ``flips``, each of the last two axes is turned around or not.
    """
    element = torch.randint(ELEMENTS[augmentation], (len(fields),), generator=random)
    result = torch.empty_like(fields)
    for code in range(ELEMENTS[augmentation]):
        chosen = element == code
        image = fields[chosen]
        if code & 1:
            image = image.flip(-1)
        if code & 2:
            image = image.flip(-2)
        if code & 4:
            image = image.transpose(-1, -2)
        result[chosen] = image
    return result
