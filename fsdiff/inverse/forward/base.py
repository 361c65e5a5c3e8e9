"""What every forward map has: values, and the derivative applied forwards and backwards.

A map takes fields u (..., channels, *grid) to data (..., size), sample by sample. Adjoints are
those of the inner product of this package, the mean over nodes, summed over channels; derivatives
with respect to node values, which ``torch.autograd`` gives, are those over the number of nodes.
"""

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.spaces.basis import Basis


class ImpossibleFieldError(ValueError, ArithmeticError):
    """A field that a map has no value for; Markov chains never go there."""


@dataclass(frozen=True)
class Linearisation:
    """G(u) and its derivative at u, made once for any number of directions.

    ``value`` is (batch, size); ``jvp`` takes directions (batch, channels, *grid) to (batch, size)
    and ``vjp``, its adjoint, data to fields.
    """

    value: Tensor
    jvp: Callable[[Tensor], Tensor]
    vjp: Callable[[Tensor], Tensor]


class ForwardMap(ABC):
    """A map G from fields to data.

    ``rank`` is how many trailing axes a field has, its channels included. ``affine`` tells whether
    the derivative is the same at all fields, ``differentiable`` whether there is one. ``places``
    (size, axes) says where each datum lies in the box of the fields, None if data have no place.
    """

    affine: bool = False
    differentiable: bool = True
    rank: int = 3
    places: np.ndarray | None = None

    @property
    @abstractmethod
    def size(self) -> int:
        """How many numbers the data are."""

    def check(self, basis: Basis, channels: int) -> None:  # noqa: B027 (most suit every basis)
        """Raise ValueError where fields are none that the map is of."""

    @abstractmethod
    def evaluate(self, u: Tensor) -> Tensor:
        """G(u) of fields (batch, channels, *grid), (batch, size), without a derivative."""

    @abstractmethod
    def linearise(self, u: Tensor) -> Linearisation:
        """G(u) and the derivative at u (batch, channels, *grid); ValueError if there is none."""

    def forward(self, u: Tensor) -> Tensor:
        """G(u), (..., size); ``torch.autograd`` differentiates it through ``linearise``."""
        v = self._batch(u)
        recorded = torch.is_grad_enabled() and u.requires_grad
        value = _Recorded.apply(v, self) if recorded else self.evaluate(v)
        return value.reshape(*u.shape[: -self.rank], self.size)

    __call__ = forward

    def jvp(self, u: Tensor, direction: Tensor) -> Tensor:
        """G'(u) applied to fields like u, (..., size)."""
        value = self._linearised(u).jvp(self._batch(direction))
        return value.reshape(*u.shape[: -self.rank], self.size)

    def vjp(self, u: Tensor, data: Tensor) -> Tensor:
        """G'(u)*, the adjoint, applied to data (..., size), fields like u."""
        return self._linearised(u).vjp(data.reshape(-1, self.size)).reshape(u.shape)

    def jacobian(self, u: Tensor) -> Tensor:
        """G'(u) as fields whose inner products with a direction it gives.

        (batch, size, channels, *grid) for u (batch, channels, *grid); one ``vjp`` for each.
        """
        linear = self._linearised(u)
        units = torch.eye(self.size, dtype=u.dtype, device=u.device)
        return torch.stack([linear.vjp(unit.expand(len(u), -1)) for unit in units], 1)

    def _batch(self, u: Tensor) -> Tensor:
        """Fields (..., channels, *grid) as (batch, channels, *grid)."""
        return u.reshape(-1, *u.shape[-self.rank :])

    def _linearised(self, u: Tensor) -> Linearisation:
        """The linearisation at u; that at the field before it is kept, for solvers that iterate."""
        known = self.__dict__.get("_known")
        if known is None or known[0]() is not u or known[1] != u._version:
            linear = self.linearise(self._batch(u.detach()))
            known = weakref.ref(u), u._version, linear
            self.__dict__["_known"] = known
        return known[2]


class Differentiable(ForwardMap):
    """Any function of fields (batch, channels, *grid) that torch can differentiate."""

    def __init__(self, function: Callable[[Tensor], Tensor], size: int, rank: int = 3) -> None:
        self.function, self._size, self.rank = function, size, rank

    @property
    def size(self) -> int:
        """How many numbers the data are."""
        return self._size

    def evaluate(self, u: Tensor) -> Tensor:
        """G(u), (batch, size)."""
        with torch.no_grad():
            return self.function(u)

    def linearise(self, u: Tensor) -> Linearisation:
        """Derivatives from ``torch.func``."""
        value, vjp, *_ = torch.func.vjp(self.function, u.detach())

        def jvp(direction: Tensor) -> Tensor:
            return torch.func.jvp(self.function, (u.detach(),), (direction,))[1]

        return Linearisation(value.detach(), jvp, lambda data: nodes(u) * vjp(data)[0])


class Linear(ForwardMap):
    """u ↦ ⟨rows, u⟩ with ``rows`` (size, channels, *grid): the fastest for many fields."""

    affine = True

    def __init__(self, rows: Tensor) -> None:
        self.rows, self.rank = rows, rows.ndim - 1
        self._columns = rows.flatten(1).T / nodes(rows)

    @classmethod
    def of(cls, map: ForwardMap, like: Tensor) -> Self:
        """The rows of a linear map of fields ``like`` (channels, *grid)."""
        return cls(map.jacobian(torch.zeros_like(like)[None])[0])

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def evaluate(self, u: Tensor) -> Tensor:
        """The inner products, (batch, size)."""
        return u.flatten(1) @ self._columns

    def linearise(self, u: Tensor) -> Linearisation:
        """The rows, whatever u is."""

        def vjp(data: Tensor) -> Tensor:
            return torch.tensordot(data, self.rows, 1)

        return Linearisation(self.evaluate(u), self.evaluate, vjp)


class Adapted(ForwardMap):
    """What an observation is on a grid as a forward map; ``rank`` is that of its fields."""

    def __init__(self, map: ForwardMapLike, rank: int = 3) -> None:
        self.map, self.affine, self.rank = map, map.affine, rank

    @property
    def size(self) -> int:
        """How many numbers the data are."""
        return self.map.size

    def evaluate(self, u: Tensor) -> Tensor:
        """G(u), (batch, size)."""
        with torch.no_grad():
            return self.map.forward(u)

    def linearise(self, u: Tensor) -> Linearisation:
        """The map's own derivatives."""
        return Linearisation(self.evaluate(u), partial(self.map.jvp, u), partial(self.map.vjp, u))


def check_unit_square(kind: str, basis: Basis, channels: int) -> None:
    """Refuse fields that are not of one channel on the cells of the unit square."""
    if channels != 1:
        raise ValueError(
            f"map of kind {kind} is of one channel, and fields have {channels}: use kind: channel "
            "with it as the observation of one of them"
        )
    axes = basis.axes
    alike = {(axis.side, axis.nodes, axis.periodic, axis.held) for axis in axes}
    if len(axes) != 2 or len(alike) > 1 or axes[0].side != 1 or axes[0].periodic or axes[0].held:
        sides = ", ".join(f"{axis.name} from 0 to {axis.side:g}, {axis.kind}" for axis in axes)
        raise ValueError(
            f"map of kind {kind} is of fields on cells of the unit square, with walls and as many "
            f"nodes along each axis, and these have {sides}"
        )


def nodes(u: Tensor) -> int:
    """How many nodes fields (batch, channels, *grid) have."""
    return torch.Size(u.shape[2:]).numel()


class _Recorded(torch.autograd.Function):
    """One node of torch's graph for a whole solver, whose iterations are not recorded."""

    @staticmethod
    def forward(context: Any, u: Tensor, map: ForwardMap) -> Tensor:
        linear = map.linearise(u.detach())
        context.vjp, context.nodes = linear.vjp, nodes(u)
        return linear.value

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return context.vjp(gradients[0]) / context.nodes, None
