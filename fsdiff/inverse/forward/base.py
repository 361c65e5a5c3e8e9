"""What every forward map has: values, and the derivative applied forwards and backwards.

A map takes fields u (batch, channels, *grid) to observations (batch, count), sample by sample.
Derivatives are with respect to node values, as those of ``torch.autograd``: ``vjp`` is the
transpose of ``jvp`` in the sum over nodes. The gradient as a function, in the inner product of this
package, is ``vjp`` times the number of nodes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor


class ImpossibleFieldError(ValueError, ArithmeticError):
    """A field that a map has no value for; Markov chains never go there."""


@dataclass(frozen=True)
class Linearisation:
    """G(u) and its derivative at u, made once for any number of directions.

    ``value`` is (batch, count); ``jvp`` takes (batch, channels, *grid) to (batch, count) and
    ``vjp`` the other way.
    """

    value: Tensor
    jvp: Callable[[Tensor], Tensor]
    vjp: Callable[[Tensor], Tensor]


class ForwardMap(ABC):
    """A map G from fields to observations; ``differentiable`` tells whether it has a derivative."""

    differentiable: bool = True

    @property
    @abstractmethod
    def count(self) -> int:
        """How many numbers are observed."""

    @abstractmethod
    def evaluate(self, u: Tensor) -> Tensor:
        """G(u), (batch, count), without a derivative."""

    @abstractmethod
    def linearise(self, u: Tensor) -> Linearisation:
        """G(u) and the derivative at u; ValueError for maps that have none."""

    def forward(self, u: Tensor) -> Tensor:
        """G(u), (batch, count); ``torch.autograd`` differentiates it through ``linearise``."""
        if torch.is_grad_enabled() and u.requires_grad:
            return _Recorded.apply(u, self)
        return self.evaluate(u)

    __call__ = forward

    def jvp(self, u: Tensor, direction: Tensor) -> Tensor:
        """G'(u) applied to fields like u, (batch, count)."""
        return self.linearise(u).jvp(direction)

    def vjp(self, u: Tensor, weights: Tensor) -> Tensor:
        """G'(u)ᵀ applied to weights (batch, count), fields like u."""
        return self.linearise(u).vjp(weights)

    def jacobian(self, u: Tensor) -> Tensor:
        """The rows of G'(u), (batch, count, channels, *grid); one ``vjp`` for each of them."""
        linear = self.linearise(u)
        units = torch.eye(self.count, dtype=u.dtype, device=u.device)
        return torch.stack([linear.vjp(unit.expand(len(u), -1)) for unit in units], 1)


class Differentiable(ForwardMap):
    """Any function of fields that torch can differentiate, such as a linear observation.

    ``function`` takes fields (batch, channels, *grid) to observations (batch, ``count``).
    """

    def __init__(self, function: Callable[[Tensor], Tensor], count: int) -> None:
        self.function, self._count = function, count

    @property
    def count(self) -> int:
        """How many numbers are observed."""
        return self._count

    def evaluate(self, u: Tensor) -> Tensor:
        """G(u), (batch, count)."""
        with torch.no_grad():
            return self.function(u)

    def linearise(self, u: Tensor) -> Linearisation:
        """Derivatives from ``torch.func``."""
        value, vjp, *_ = torch.func.vjp(self.function, u.detach())

        def jvp(direction: Tensor) -> Tensor:
            return torch.func.jvp(self.function, (u.detach(),), (direction,))[1]

        return Linearisation(value.detach(), jvp, lambda weights: vjp(weights)[0])


class Linear(ForwardMap):
    """u ↦ Σ_x rows(x) u(x), from ``rows`` (count, channels, *grid): the fastest for many fields."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    @classmethod
    def of(cls, map: ForwardMap, u: Tensor) -> Self:
        """The rows of a linear map on fields like u (channels, *grid)."""
        return cls(map.jacobian(torch.zeros_like(u)[None])[0])

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def evaluate(self, u: Tensor) -> Tensor:
        """The sums, (batch, count)."""
        return u.flatten(1) @ self.rows.flatten(1).T

    def linearise(self, u: Tensor) -> Linearisation:
        """The rows, whatever u is."""

        def vjp(weights: Tensor) -> Tensor:
            return torch.tensordot(weights, self.rows, 1)

        return Linearisation(self.evaluate(u), self.evaluate, vjp)


class _Recorded(torch.autograd.Function):
    """One node of torch's graph for a whole solver, whose iterations are not recorded."""

    @staticmethod
    def forward(context: Any, u: Tensor, map: ForwardMap) -> Tensor:
        linear = map.linearise(u.detach())
        context.vjp = linear.vjp
        return linear.value

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return context.vjp(gradients[0]), None
