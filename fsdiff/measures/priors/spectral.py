"""Gaussian measures N(0, Q) that are diagonal in a basis: the noise of a diffusion model.

A prior is its eigenvalues λ_k; a sample is Σ_k √λ_k ξ_k e_k with independent ξ_k ~ N(0, 1), and
E‖X‖² = tr Q = Σ_k λ_k. Q is trace class, i.e. N(0, Q) is a measure on functions rather than on the
nodes of one grid, when that sum converges as the grid is refined.

Eigenvalues do not depend on the grid, so a sample restricted to a coarser grid is a sample there,
and the same seed gives the same function on every grid.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.randomness import normals
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream
from fsdiff.threads import single_thread


@dataclass(frozen=True, kw_only=True)
class SpectralPrior(ABC):
    """N(0, Q) with Q diagonal in a basis.

    With ``normalize``, Q is scaled to unit trace at the level ``reference_resolution``; without,
    eigenvalues are those of the published scaling at that resolution. Frequencies ω, and so all
    lengths, are in the unit of the sides of the box.
    With ``zero_mean`` constants have λ = 0 and no part in the trace: every sample has mean zero
    over the box, as data may have, such as vorticity on a torus.
    ``symbol`` chooses |ω_k|² of the Laplacian itself or of its second-order stencil, which depends
    on the grid and is there for comparison with published code.
    """

    normalize: bool = True
    zero_mean: bool = False
    reference_resolution: Nodes = 64
    symbol: Literal["continuous", "five_point"] = "continuous"
    allow_non_trace_class: bool = False

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its name in configurations."""

    @abstractmethod
    def unnormalised(self, basis: Basis, n: int) -> Tensor:
        """λ_k of the published scaling over the coefficients on n nodes, resolved or not."""

    def check(self, dimension: int) -> None:  # noqa: B027 (most measures refuse nothing)
        """Raise ValueError, naming the field, where the measure does not live on functions.

        ``dimension`` is the number of axes that are refined.
        """

    def eigenvalues(self, basis: Basis, n: int) -> Tensor:
        """λ_k over the coefficients on n nodes per axis, float64; 0 on modes not resolved."""
        return basis.symbol(lambda own: self._eigenvalues(own, n))

    def _eigenvalues(self, basis: Basis, n: int) -> Tensor:
        values = self._unnormalised(basis, n) * basis.resolved(n)
        if not self.normalize:
            return values
        reference = basis.reference_level(self.reference_resolution)
        return values / float(
            (basis.multiplicity(reference) * self._unnormalised(basis, reference)).sum()
        )

    def _unnormalised(self, basis: Basis, n: int) -> Tensor:
        values = self.unnormalised(basis, n)
        if not self.zero_mean:
            return values
        constants = basis.constant_modes(n)
        if not constants.any():
            raise ValueError(
                f"zero_mean: no mode of a {basis.kind} basis is a constant, and others have means; "
                "leave it out"
            )
        return torch.where(constants, 0.0, values)

    def trace(self, basis: Basis, n: int) -> float:
        """tr Q on n nodes, the mean square E‖X‖² of a sample."""
        return float((basis.multiplicity(n) * self.eigenvalues(basis, n)).sum())

    def sample(
        self, basis: Basis, n: int, indices: Sequence[int], seed: int, *, channels: int = 1
    ) -> Tensor:
        """Independent samples, one per index and channel, (len(indices), channels, *grid) float64.

        Sample i depends on (seed, i) only, and is the same function on every grid. The noise that
        models start from is other noise, with the same seed as well.
        """
        noise = white_noise(basis, n, indices, seed, Stream.PRIOR, channels=channels)
        with single_thread():
            return basis.inverse(noise * self.eigenvalues(basis, n).sqrt(), n)

    def apply_sqrt(self, u: Tensor, basis: Basis) -> Tensor:
        """Q^½ u for fields (..., *grid)."""
        return basis.multiply(u, self.eigenvalues(basis, basis.resolution(u)).sqrt().to(u))

    def apply(self, u: Tensor, basis: Basis) -> Tensor:
        """Q u for fields (..., *grid)."""
        return basis.multiply(u, self.eigenvalues(basis, basis.resolution(u)).to(u))

    def solve(self, u: Tensor, basis: Basis) -> Tensor:
        """Q⁻¹ u on the range of Q, zero on its kernel, for fields (..., *grid)."""
        values = self.eigenvalues(basis, basis.resolution(u))
        inverse = torch.where(values > 0, 1 / values.clamp_min(torch.finfo(values.dtype).tiny), 0)
        return basis.multiply(u, inverse.to(u))

    def _omega_squared(self, basis: Basis, n: int) -> Tensor:
        if self.symbol == "five_point":
            return basis.stencil_symbol(n)
        return basis.omega_squared(n)


def white_noise(
    basis: Basis, n: int, indices: Sequence[int], seed: int, *stream: int, channels: int = 1
) -> Tensor:
    """Coefficients of white noise, (len(indices), channels, *coefficients), float64.

    Nested: the coefficients on a coarse grid are those of a finer one.
    """
    count = basis.size(n)
    draws = [normals(seed, indices, (count,), *stream, channel) for channel in range(channels)]
    return basis.white_noise(np.stack(draws, axis=1), n)


def coloured(white: Tensor, eigenvalues: Tensor, basis: Basis) -> Tensor:
    """Noise N(0, Q) from independent N(0, 1) nodes (..., *grid), and the eigenvalues λ of Q."""
    size = basis.size(basis.resolution(white))
    return basis.multiply(basis.white_nodes(white), (eigenvalues * size).sqrt())
