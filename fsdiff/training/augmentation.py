"""Random symmetries of training fields."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from fsdiff.data.statistics import Statistics
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis

Augmentation = Literal["none", "flips", "square", "pseudoscalar"]

ELEMENTS = {"flips": 4, "square": 8, "pseudoscalar": 8}
"""How many symmetries there are, the identity among them; the first four are flips."""

LARGEST_MEAN = 0.1
"""In deviations: what the mean of a pseudoscalar, which is zero, may be by chance."""


def check_augmentation(
    augmentation: Augmentation, bases: Iterable[Basis], *, transformed: bool
) -> None:
    """Refuse symmetries that the domain of a channel, one of ``bases``, does not have.

    Fields that are ``transformed`` are no pseudoscalars, whatever they were before.
    """
    if augmentation == "none":
        return
    if augmentation == "pseudoscalar" and transformed:
        raise ValueError(
            "augmentation: pseudoscalar changes signs, and transforms do not keep them: use square "
            "or none"
        )
    for basis in bases:
        names = " × ".join(axis.name for axis in basis.axes)
        if augmentation == "flips" and len(basis.axes) < 2:
            raise ValueError(
                f"augmentation: flips turns the last two axes around, and the box of the data, "
                f"{names}, has one: use none"
            )
        if augmentation == "flips" and any(axis.held for axis in basis.axes[-2:]):
            raise ValueError(
                f"augmentation: flips turns the last two axes around, and in the box of the data, "
                f"{names}, one of them is held, as time is: use none"
            )
        if augmentation != "flips" and not _ends_in_square(basis.axes):
            raise ValueError(
                f"augmentation: {augmentation} turns the last two axes into each other, which are "
                f"to be alike, and the box of the data, {names}, has no such two: use none"
            )


def _ends_in_square(axes: tuple[Axis, ...]) -> bool:
    """Whether the last two axes differ in nothing but their names."""
    alike = {replace(axis, name="x") for axis in axes[-2:]}
    return len(axes) > 1 and len(alike) == 1


def check_signs(augmentation: Augmentation, statistics: Statistics) -> None:
    """Refuse to change the sign of fields whose mean is not zero."""
    if augmentation != "pseudoscalar":
        return
    means = (statistics.mean / statistics.scale).tolist()
    for channel, mean in enumerate(means):
        if abs(mean) > LARGEST_MEAN:
            raise ValueError(
                f"augmentation: pseudoscalar changes signs with reflections, and the mean of "
                f"channel {channel} is {mean:.2g} of its deviations instead of zero: use square or "
                "none"
            )


def random_symmetry(
    augmentation: Augmentation,
    fields: Tensor,
    random: torch.Generator,
    axes: Sequence[Axis],
    *,
    channels: int | None = None,
) -> Tensor:
    """Each of the fields (batch, channel, ..., n, m) under a random symmetry of the last two axes.

    With ``flips``, each of them is turned around or not, and with ``square``, n = m, they may be
    exchanged, too. Reflections of a ``pseudoscalar`` change the sign of the first ``channels``, of
    all if absent. A reflection of a periodic axis leaves its first node where it is.
    """
    element = torch.randint(ELEMENTS[augmentation], (len(fields),), generator=random)
    result = torch.empty_like(fields)
    for code in range(ELEMENTS[augmentation]):
        chosen = element == code
        image = fields[chosen]
        if code & 1:
            image = _reflected(image, -1, axes[-1])
        if code & 2:
            image = _reflected(image, -2, axes[-2])
        if code & 4:
            image = image.transpose(-1, -2)
        if augmentation == "pseudoscalar" and code.bit_count() % 2:
            image[:, :channels] *= -1  # a copy, as chosen ones are
        result[chosen] = image
    return result


def _reflected(fields: Tensor, at: int, axis: Axis) -> Tensor:
    """x ↦ −x of a periodic axis, x ↦ L − x of others."""
    turned = fields.flip(at)
    return turned.roll(1, at) if axis.periodic else turned
