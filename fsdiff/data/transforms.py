"""What is done to the fields of a channel before a model sees them, and undone in its samples.

A transform is T(u)(x) = (f(u(x)) − μ(x)) / σ(x), node by node, with a link f and functions μ and σ
that training data tell. It is fitted on the finest grid and means the same functions on every grid:
there, μ is the restriction or prolongation of μ in the data's basis, and σ, which must stay
positive, the exponential of that of log σ.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.parts import build
from fsdiff.spaces.bases import Basis

ALL = "all"
"""The key of the transform of channels that have none of their own."""

FUNCTIONS = ("pointwise_mean", "pointwise_deviation")
"""What μ and σ are called in files."""

Blocks = Mapping[str, Mapping[str, Any]]
"""Name of a channel, or ``ALL`` → the block of its transform."""


@dataclass(frozen=True)
class Transform:
    """A transform of a channel: by itself the identity.

    A new one sets what it subtracts and divides by, or defines ``link`` with its inverse and the
    values that have one.
    """

    centred: ClassVar[bool] = False
    """Whether μ is the mean of f(u) over the training samples, node by node; else zero."""

    scaled: ClassVar[bool] = False
    """Whether σ is the deviation of f(u) over the training samples, node by node; else one."""

    needs_constants: ClassVar[bool] = False
    """Whether transformed fields do not vanish at walls where the fields themselves do."""

    domain: ClassVar[str] = "finite"
    """The values that have a link, for messages."""

    def link(self, u: Tensor) -> Tensor:
        """f(u), not finite outside the domain."""
        return u

    def inverse_link(self, v: Tensor) -> Tensor:
        """u of f(u) = v, for any v."""
        return v

    def check(self, basis: Basis) -> None:
        """Refuse bases in which transformed fields cannot be expanded."""
        if self.needs_constants and not basis.constants:
            raise ValueError(
                "transformed fields do not vanish at the walls, as functions of this basis do; "
                "use a basis with constants, such as cosine"
            )


@dataclass(frozen=True)
class Log(Transform):
    """log u, of positive fields such as permeabilities: samples are exponentials, and positive."""

    needs_constants: ClassVar[bool] = True
    domain: ClassVar[str] = "positive"

    kind: Literal["log"] = "log"

    def link(self, u: Tensor) -> Tensor:
        """Log u, not finite where u ≤ 0."""
        return u.log()

    def inverse_link(self, v: Tensor) -> Tensor:
        """Exp v."""
        return v.exp()


@dataclass(frozen=True)
class SquareRoot(Transform):
    """√u, of counts: they scatter then alike whatever their mean, and samples are not negative."""

    needs_constants: ClassVar[bool] = True
    domain: ClassVar[str] = "not negative"

    kind: Literal["square_root"] = "square_root"

    def link(self, u: Tensor) -> Tensor:
        """√u, not finite where u < 0."""
        return u.sqrt()

    def inverse_link(self, v: Tensor) -> Tensor:
        """v², and nothing where v < 0."""
        return v.clamp_min(0).square()


@dataclass(frozen=True)
class Anomaly(Transform):
    """u − μ: what is left of a field without the mean field of the training set, its climate."""

    centred: ClassVar[bool] = True

    kind: Literal["anomaly"] = "anomaly"


@dataclass(frozen=True)
class Standardise(Transform):
    """(u − μ)/σ: zero mean and unit variance over the training set at each node."""

    centred: ClassVar[bool] = True
    scaled: ClassVar[bool] = True
    needs_constants: ClassVar[bool] = True

    kind: Literal["standardise"] = "standardise"


@dataclass(frozen=True)
class Transforms:
    """The transforms of all channels, fitted.

    ``channels`` has one for each channel of a field; ``mean`` and ``deviation`` (channel, *grid),
    float64, are μ and σ on the finest grid of ``basis``, None where no channel has such a function.
    """

    channels: tuple[Transform, ...]
    basis: Basis
    mean: Tensor | None = None
    deviation: Tensor | None = None

    @property
    def functions(self) -> dict[str, Tensor]:
        """Those of μ and σ that there are, by the names that files give them."""
        found = zip(FUNCTIONS, (self.mean, self.deviation), strict=True)
        return {name: function for name, function in found if function is not None}

    @property
    def blocks(self) -> list[dict[str, Any] | None]:
        """The configuration of each channel's transform, None where there is none."""
        return [dataclasses.asdict(channel) or None for channel in self.channels]

    def forward(self, fields: Tensor) -> Tensor:
        """T(u) of fields (…, channel, *grid) on any grid, float64."""
        values = self.link(fields)
        mean, deviation = self._functions(values)
        values = values if mean is None else values - mean
        return values if deviation is None else values / deviation

    def inverse(self, fields: Tensor) -> Tensor:
        """u of T(u), for any fields (…, channel, *grid), float64."""
        values = fields.double()
        mean, deviation = self._functions(values)
        values = values if deviation is None else values * deviation
        values = values if mean is None else values + mean
        return self._by_channel(values, [channel.inverse_link for channel in self.channels])

    def link(self, fields: Tensor) -> Tensor:
        """f(u), float64: what the functions are fitted to."""
        return self._by_channel(fields.double(), [channel.link for channel in self.channels])

    def problem(self) -> str | None:
        """What is wrong with functions that come from anywhere, or None."""
        for name, function, flag in zip(
            FUNCTIONS, (self.mean, self.deviation), ("centred", "scaled"), strict=True
        ):
            if any(getattr(channel, flag) for channel in self.channels) != (function is not None):
                return f"{name} is {'absent' if function is None else 'of no use'}"
            if function is not None and (
                function.ndim != 1 + self.basis.dimension
                or len(function) != len(self.channels)
                or function.dtype != torch.float64
            ):
                return f"{name} is {function.dtype} of shape {tuple(function.shape)}"
        if self.deviation is not None and not (self.deviation > 0).all():
            return f"{FUNCTIONS[1]} is not positive"
        return None

    def rounding(self, mean: Tensor, scale: Tensor) -> np.ndarray:
        """The share of each channel's ``scale`` that rounding to float32 takes.

        Largest over the grid, of transformed values ``mean`` ± ``scale`` (channel).
        """
        grid = (1,) * self.basis.dimension if self.mean is None else self.mean.shape[1:]
        typical = torch.stack([mean - scale, mean + scale])
        typical = typical.reshape(2, -1, *(1 for _ in grid)).expand(2, -1, *grid)
        values = self.inverse(typical).numpy()
        with np.errstate(all="ignore"):
            error = np.spacing(np.abs(values).astype(np.float32)).astype(np.float64) / 2
        moved = self.forward(torch.from_numpy(values + error)) - self.forward(
            torch.from_numpy(values)
        )
        return moved.abs().amax((0, *range(2, moved.ndim))).numpy() / scale.numpy()

    def _functions(self, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """μ and σ on the grid of some fields."""
        logarithm = None if self.deviation is None else self.deviation.log()
        mean, logarithm = (self._on_grid(u, like) for u in (self.mean, logarithm))
        return mean, None if logarithm is None else logarithm.exp()

    def _on_grid(self, function: Tensor | None, like: Tensor) -> Tensor | None:
        """A function on the grid of some fields; as it is where that is its own."""
        axes = self.basis.dimension
        if function is None or function.shape[-axes:] == like.shape[-axes:]:
            return function
        return self.basis.resample(function, self.basis.resolution(like))

    def _by_channel(self, fields: Tensor, maps: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
        axis = fields.ndim - self.basis.dimension - 1
        pieces = fields.unbind(axis)
        return torch.stack([f(piece) for f, piece in zip(maps, pieces, strict=True)], axis)


def transforms_of(blocks: Blocks, channels: Sequence[str], frames: int = 1) -> list[Transform]:
    """That of each channel, time by time for series; ValueError for names that no channel has."""
    if unknown := blocks.keys() - {*channels, ALL}:
        raise ValueError(
            f"transforms.{min(unknown)}: no such channel; use one of {', '.join(channels)}, or "
            f"'{ALL}' for all of them"
        )
    own = [blocks.get(name, blocks.get(ALL)) for name in channels]
    return [build("transforms", block) if block else Transform() for block in own] * frames
