"""From a real field to a permeability, node by node."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Exponential:
    """a = ``median`` · exp(g): a log-normal permeability where g is Gaussian."""

    median: PositiveFloat = 1.0
    kind: Literal["exponential"] = "exponential"
    differentiable = True

    def value(self, g: Tensor) -> Tensor:
        """a at values g."""
        return self.median * g.exp()

    def derivative(self, g: Tensor) -> Tensor:
        """da/dg."""
        return self.value(g)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The field is the permeability itself, which must be positive."""

    kind: Literal["identity"] = "identity"
    differentiable = True

    def value(self, g: Tensor) -> Tensor:
        """The values."""
        return g

    def derivative(self, g: Tensor) -> Tensor:
        """One."""
        return torch.ones_like(g)


@dataclass(frozen=True, kw_only=True)
class LevelSet:
    """a = ``high`` where g ≥ 0 and ``low`` elsewhere, as ``fsdiff.measures.permeability`` has it.

    Its derivative is zero almost everywhere, so that it has none to follow.
    """

    high: PositiveFloat = 12.0
    low: PositiveFloat = 3.0
    kind: Literal["level_set"] = "level_set"
    differentiable = False

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} must be smaller than high = {self.high:g}")

    def value(self, g: Tensor) -> Tensor:
        """a at values g."""
        return torch.full_like(g, self.low).masked_fill_(g >= 0, self.high)

    def derivative(self, g: Tensor) -> Tensor:
        """Zero; maps that ask refuse instead."""
        return torch.zeros_like(g)


Link = Annotated[Exponential | Identity | LevelSet, Field(discriminator="kind")]
"""Any link of this module, told apart by ``kind``."""
