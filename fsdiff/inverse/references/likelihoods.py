"""How probable data are, given what the forward map says of a field: −log of it is Φ.

With errors that are β^−½ times as wide, Φ is β times the ``misfit`` where that is at most
``limit``, and ∞ elsewhere.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class GaussianNoise:
    """Independent errors N(0, ``noise``²): Φ = ½ Σ (G(u) − y)²/noise².

    ``noise`` is one deviation for all observations or one for each.
    """

    noise: PositiveFloat | tuple[PositiveFloat, ...]
    kind: Literal["gaussian"] = "gaussian"
    differentiable = True
    limit = math.inf

    def deviations(self, like: Tensor) -> Tensor:
        """As many as observations, or one."""
        return torch.as_tensor(self.noise, dtype=like.dtype, device=like.device)

    def widened(self, factor: float) -> "GaussianNoise":
        """With errors that are ``factor`` times as wide."""
        noise = self.noise
        wide = tuple(factor * x for x in noise) if isinstance(noise, tuple) else factor * noise
        return replace(self, noise=wide)

    def misfit(self, observed: Tensor, data: Tensor) -> Tensor:
        """Φ itself."""
        return self.potential(observed, data)

    def potential(self, observed: Tensor, data: Tensor) -> Tensor:
        """Φ of observations (batch, count), a number each."""
        return 0.5 * ((observed - data) / self.deviations(observed)).square().sum(-1)

    def slope(self, observed: Tensor, data: Tensor) -> Tensor:
        """The derivative of Φ with respect to observations."""
        return (observed - data) / self.deviations(observed).square()

    def corrupt(self, observed: Tensor, normals: Tensor) -> Tensor:
        """Observations with errors, from N(0, 1) numbers of their shape."""
        return observed + self.deviations(observed) * normals


@dataclass(frozen=True, kw_only=True)
class MeanAbsoluteError:
    """Φ = MAE²/(2 scale²) where the mean absolute error is at most ``tolerance``, ∞ elsewhere.

    An approximate Bayesian computation and no likelihood of the observations: what it tells does
    not grow with their number. It is the reference of PosteriorBench (arXiv 2609.20794), where
    tolerance = 3e-4 and scale = tolerance/3.
    """

    tolerance: PositiveFloat
    scale: PositiveFloat
    kind: Literal["abc_mae"] = "abc_mae"
    differentiable = False

    def widened(self, factor: float) -> "MeanAbsoluteError":
        """With errors that are ``factor`` times as wide."""
        return replace(self, tolerance=factor * self.tolerance, scale=factor * self.scale)

    @property
    def limit(self) -> float:
        """The largest misfit."""
        return 0.5 * (self.tolerance / self.scale) ** 2

    def misfit(self, observed: Tensor, data: Tensor) -> Tensor:
        """Φ as if there were no tolerance."""
        return 0.5 * ((observed - data).abs().mean(-1) / self.scale).square()

    def potential(self, observed: Tensor, data: Tensor) -> Tensor:
        """Φ of observations (batch, count), a number each."""
        error = (observed - data).abs().mean(-1)
        return torch.where(error <= self.tolerance, 0.5 * (error / self.scale).square(), torch.inf)


Likelihood = Annotated[GaussianNoise | MeanAbsoluteError, Field(discriminator="kind")]
"""Any likelihood of this module, told apart by ``kind``."""
