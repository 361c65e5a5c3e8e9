"""Laws of random fields: initial states of evolution equations, forcings, fields in themselves."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from fsdiff.randomness import normals
from fsdiff.spaces.bases import Basis
from fsdiff.streams import Stream
from fsdiff.threads import single_thread

_REFERENCE_LEVEL, _REFERENCE_NODES = 512, 2**18
"""The level on which the mean square of Matérn fields is measured; coarser in three dimensions."""


@dataclass(frozen=True)
class Zero:
    """Zero everywhere: a fluid at rest, or no forcing."""

    kind: Literal["zero"] = "zero"

    def sample(
        self,
        basis: Basis,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        channels: int,
        stream: int = Stream.INITIAL_STATE,
    ) -> Tensor:
        """Fields (len(indices), channels, *grid), float64."""
        return torch.zeros(len(indices), channels, *basis.grid(n), dtype=torch.float64)


@dataclass(frozen=True)
class WhiteNoise:
    """Independent N(0, 1) in every cell, as PDEBench draws its initial states.

    The law depends on the grid: fields on different grids are unrelated, and as functions they
    have no limit as the grid is refined.
    """

    kind: Literal["white_noise"] = "white_noise"

    def sample(
        self,
        basis: Basis,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        channels: int,
        stream: int = Stream.INITIAL_STATE,
    ) -> Tensor:
        """Fields (len(indices), channels, *grid), float64; field i depends on (seed, i) only."""
        shape = (channels, *basis.grid(n))
        return torch.from_numpy(normals(seed, indices, shape, stream))


class _Gaussian(ABC):
    """Gaussian fields whose coefficients in the basis are independent."""

    @single_thread()
    def eigenvalues(self, basis: Basis, n: int) -> Tensor:
        """λ_k over the coefficients at level n, float64; they do not depend on n."""
        return basis.symbol(lambda own: self._eigenvalues(own, n))

    @abstractmethod
    def _eigenvalues(self, basis: Basis, n: int) -> Tensor:
        """λ_k in the basis of a channel."""

    @single_thread()
    def sample(
        self,
        basis: Basis,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        channels: int,
        stream: int = Stream.INITIAL_STATE,
    ) -> Tensor:
        """Fields (len(indices), channels, *grid), float64; field i depends on (seed, i) only."""
        count = (basis.size(n),)
        # A stream for each channel, so that neither channel depends on how many modes there are.
        draws = [normals(seed, indices, count, stream, c) for c in range(channels)]
        noise = basis.white_noise(np.stack(draws, axis=1), n)
        scale = self.eigenvalues(basis, n).sqrt()
        # One field at a time: matrix products round in a way that depends on the batch's size.
        return torch.stack([basis.inverse(scale * field, n) for field in noise])


@dataclass(frozen=True)
class GaussianRandomField(_Gaussian):
    """Zero-mean Gaussian fields with a Matérn spectrum, the same functions on every grid.

    Eigenvalues λ_k ∝ (2ν/ℓ² + |ω_k|²)^(−ν − d/2) in the data's basis, where ν is ``smoothness`` and
    ℓ is ``correlation_length`` in the unit of the box's sides; their sum, the mean square of the
    field, is ``variance``. With the same seed and index, the field on a coarser grid is the
    restriction of the field on a finer one; channels are independent.

    Good values: ℓ = 0.05–0.15 leaves several domains of each phase in the box after
    reaction–diffusion to t = 2.5; ℓ ≥ 0.25 leaves one or two.
    """

    variance: PositiveFloat = 1.0
    correlation_length: PositiveFloat = 0.1
    smoothness: PositiveFloat = 1.0
    kind: Literal["gaussian_random_field"] = "gaussian_random_field"

    def _eigenvalues(self, basis: Basis, n: int) -> Tensor:
        """λ_k in the basis of a channel."""
        trace = _matern_trace(basis, self.correlation_length, self.smoothness)
        values = _matern(basis, n, self.correlation_length, self.smoothness)
        return self.variance / trace * values


@dataclass(frozen=True)
class PowerLawField(_Gaussian):
    """Zero-mean Gaussian fields N(0, scale · (−Δ + τ²)^(−α)).

    Eigenvalues λ_k = scale · (|ω_k|² + τ²)^(−α) in the data's basis, with τ² the ``shift`` and α
    the ``power``; λ_0 = 0, so that the mean over the box of every field is zero, as that of a
    vorticity on a torus must be. With the same seed and index, the field on a coarser grid is the
    restriction of the field on a finer one; channels are independent. For a given mean square
    rather than a given scale, use ``GaussianRandomField``.

    Good values: the defaults are the initial vorticity of Li et al. (arXiv 2010.08895, A.3.3) as
    the paper states it, with a root mean square of 0.043. The code published with it draws
    independent complex normals for both modes of each conjugate pair and scales by τ³ rather than
    τ^(3/2), which amounts to scale = 2 · 7³ and a root mean square of 0.26.
    """

    scale: PositiveFloat = 7**1.5
    shift: PositiveFloat = 49.0
    power: Annotated[float, Field(gt=1)] = 2.5
    kind: Literal["power_law_field"] = "power_law_field"

    def _eigenvalues(self, basis: Basis, n: int) -> Tensor:
        """λ_k in the basis of a channel."""
        squared = basis.omega_squared(n)
        return self.scale * (squared + self.shift) ** -self.power * (squared > 0)


FieldLaw = Annotated[
    Zero | WhiteNoise | GaussianRandomField | PowerLawField, Field(discriminator="kind")
]
"""Any law of this module, told apart by ``kind``."""


def check_random(**laws: FieldLaw) -> None:
    """Refuse laws of which all, by the names of their settings, are zero: samples would not vary.

    All channels would be constant, or of all samples the same.
    """
    if all(isinstance(law, Zero) for law in laws.values()):
        named = ", ".join(f"{name}.kind = zero" for name in laws)
        raise ValueError(
            f"{named}: nothing is random, so that all channels are constant or the same in all "
            "samples; use another law, such as gaussian_random_field"
        )


def _matern(basis: Basis, n: int, correlation_length: float, smoothness: float) -> Tensor:
    shift = 2 * smoothness / correlation_length**2
    return (1 + basis.omega_squared(n) / shift) ** (-smoothness - basis.dimension / 2)


@lru_cache
def _matern_trace(basis: Basis, correlation_length: float, smoothness: float) -> float:
    """Sum over a fixed, large number of modes, so that it is the same for every grid."""
    n = basis.reference_level(min(_REFERENCE_LEVEL, basis.finest(_REFERENCE_NODES)))
    values = _matern(basis, n, correlation_length, smoothness)
    return float((basis.multiplicity(n) * values).sum())
