"""Laws of permeability: positive random fields on the square, for flow through porous media."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from fsdiff.measures.initial import GaussianRandomField, PowerLawField
from fsdiff.spaces.bases import Basis


@dataclass(frozen=True)
class Threshold:
    """Two media, ``high`` where a Gaussian field is at least 0 and ``low`` elsewhere.

    The field is N(0, (−Δ + τ²)^(−α)), τ² the ``shift`` and α the ``power``, without its constant
    mode, so that every sample has both media. With the same seed and index it is the same function
    on every grid; the media differ only in cells that the interface crosses.

    Good values: the defaults are the published law of Darcy flow (Li et al., arXiv 2010.08895,
    A.3.2). The paper does not mention that the constant mode is left out; the code published with
    it does so, and the data have it so.
    """

    high: PositiveFloat = 12.0
    low: PositiveFloat = 3.0
    shift: PositiveFloat = 9.0
    power: Annotated[float, Field(gt=1)] = 2.0
    kind: Literal["threshold"] = "threshold"

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} must be smaller than high = {self.high:g}")

    def sample(self, basis: Basis, n: int, indices: Sequence[int], seed: int) -> Tensor:
        """Fields (len(indices), 1, *grid), float64; field i depends on (seed, i) only."""
        law = PowerLawField(1.0, self.shift, self.power)
        gaussian = law.sample(basis, n, indices, seed, channels=1)
        return torch.full_like(gaussian, self.low).masked_fill_(gaussian >= 0, self.high)


@dataclass(frozen=True)
class LogNormal:
    """``median`` · exp(g) with g a Gaussian field of mean zero and the given ``variance``.

    g is Matérn with ``smoothness`` ν and ``correlation_length`` ℓ in units of the box's side, and
    the same function on every grid for the same seed and index.

    Good values: a variance of 1 spreads permeability over two orders of magnitude; the solver takes
    contrasts up to 1e6, a variance of about 6.
    """

    variance: PositiveFloat = 1.0
    correlation_length: PositiveFloat = 0.2
    smoothness: PositiveFloat = 1.5
    median: PositiveFloat = 1.0
    kind: Literal["log_normal"] = "log_normal"

    def sample(self, basis: Basis, n: int, indices: Sequence[int], seed: int) -> Tensor:
        """Fields (len(indices), 1, *grid), float64; field i depends on (seed, i) only."""
        law = GaussianRandomField(self.variance, self.correlation_length, self.smoothness)
        return self.median * law.sample(basis, n, indices, seed, channels=1).exp()


Permeability = Annotated[Threshold | LogNormal, Field(discriminator="kind")]
"""Any law of this module, told apart by ``kind``."""
