"""Gaussian measures N(0, Q) that are diagonal in a basis: the noise of a diffusion model.

A prior is its eigenvalues λ_k; a sample is Σ_k √λ_k ξ_k e_k with independent ξ_k ~ N(0, 1), and
E‖X‖² = tr Q = Σ_k λ_k. Q is trace class, i.e. N(0, Q) is a measure on functions rather than on the
nodes of one grid, when that sum converges as the grid is refined.

Priors are given by the symbol μ_k of a convolution K applied to white noise on a grid of n_ref
nodes per axis, λ_k = |μ_k|² / n_ref^d (Hagemann et al., arXiv 2303.04772, §4 and its published
code). Eigenvalues do not depend on the grid, so a sample restricted to a coarser grid is a sample
there, and the same seed gives the same function on every grid.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.bases import Basis
from fsdiff.randomness import generator, normals
from fsdiff.threads import single_thread

PRIOR_STREAM = 1
"""Stream number of initial noise; samplers use others for the noise of their steps."""


@dataclass(frozen=True, kw_only=True)
class SpectralPrior(ABC):
    """N(0, Q) with Q diagonal in a basis.

    With ``normalize``, Q is scaled to unit trace on ``reference_resolution`` nodes per axis;
    without, eigenvalues are those of the published scaling at that resolution.
    ``symbol`` chooses |ω_k|² of the Laplacian itself or of its second-order stencil, which depends
    on the grid and is there for comparison with published code.
    """

    normalize: bool = True
    reference_resolution: PositiveInt = 64
    symbol: Literal["continuous", "five_point"] = "continuous"
    allow_non_trace_class: bool = False

    @abstractmethod
    def multiplier(self, basis: Basis, n: int) -> Tensor:
        """The symbol μ_k over the coefficients on n nodes, real or complex."""

    def check(self, dimension: int) -> None:  # noqa: B027 (most measures refuse nothing)
        """Raise ValueError, naming the field, where the measure does not live on functions."""

    def eigenvalues(self, basis: Basis, n: int) -> Tensor:
        """λ_k over the coefficients on n nodes per axis, float64; 0 on modes not resolved."""
        scale = 1.0 / self.reference_resolution**basis.dimension
        if self.normalize:
            reference = self._squared(basis, self.reference_resolution)
            scale = 1.0 / float((basis.multiplicity(self.reference_resolution) * reference).sum())
        return self._squared(basis, n) * scale

    def trace(self, basis: Basis, n: int) -> float:
        """tr Q on n nodes, the mean square E‖X‖² of a sample."""
        return float((basis.multiplicity(n) * self.eigenvalues(basis, n)).sum())

    def sample(
        self, basis: Basis, n: int, indices: Sequence[int], seed: int, *, channels: int = 1
    ) -> Tensor:
        """Independent samples, one per index and channel, (len(indices), channels, *grid) float64.

        Sample i depends on (seed, i) only, and is the same function on every grid.
        """
        noise = white_noise(basis, n, indices, seed, PRIOR_STREAM, channels=channels)
        with single_thread():
            return basis.inverse(noise * self.eigenvalues(basis, n).sqrt(), n)

    def apply_sqrt(self, u: Tensor, basis: Basis) -> Tensor:
        """Q^½ u for fields (..., *grid)."""
        return basis.multiply(u, self.eigenvalues(basis, u.shape[-1]).sqrt().to(u))

    def apply(self, u: Tensor, basis: Basis) -> Tensor:
        """Q u for fields (..., *grid)."""
        return basis.multiply(u, self.eigenvalues(basis, u.shape[-1]).to(u))

    def solve(self, u: Tensor, basis: Basis) -> Tensor:
        """Q⁻¹ u on the range of Q, zero on its kernel, for fields (..., *grid)."""
        values = self.eigenvalues(basis, u.shape[-1])
        inverse = torch.where(values > 0, 1 / values.clamp_min(torch.finfo(values.dtype).tiny), 0)
        return basis.multiply(u, inverse.to(u))

    def _squared(self, basis: Basis, n: int) -> Tensor:
        return self.multiplier(basis, n).abs().square() * basis.resolved(n)

    def _omega_squared(self, basis: Basis, n: int) -> Tensor:
        if self.symbol == "five_point":
            return basis.five_point_symbol(n)
        return basis.omega_squared(n)


def white_noise(
    basis: Basis, n: int, indices: Sequence[int], seed: int, *stream: int, channels: int = 1
) -> Tensor:
    """Coefficients of white noise, (len(indices), channels, *coefficients), float64.

    Nested: the coefficients on a coarse grid are those of a finer one.
    """
    count = n**basis.dimension
    draws = [normals(seed, indices, (count,), *stream, channel) for channel in range(channels)]
    return basis.white_noise(np.stack(draws, axis=1), n)


@dataclass(frozen=True, kw_only=True)
class Standard(SpectralPrior):
    """White noise, μ_k = 1: not trace class, the benchmark of finite-dimensional diffusion."""

    kind: Literal["standard"] = "standard"

    def multiplier(self, basis: Basis, n: int) -> Tensor:
        """1 on every mode."""
        return torch.ones(basis.coefficient_shape(n), dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class _LaplacianPower(SpectralPrior):
    """Priors whose symbol decays like |ω_k|^(−2·power): trace class iff 4·power > d."""

    power: PositiveFloat = 0.55

    def check(self, dimension: int) -> None:
        """Refuse powers that are not trace class in the given dimension."""
        if 4 * self.power <= dimension and not self.allow_non_trace_class:
            raise ValueError(
                f"power = {self.power:g}: not trace class in {dimension}-D, needs power > "
                f"{dimension / 4:g} (set allow_non_trace_class: true to use it anyway)"
            )


@dataclass(frozen=True, kw_only=True)
class Laplacian(_LaplacianPower):
    """μ_k = scale · |ω_k|^(−2·power), μ_0 = 0."""

    scale: PositiveFloat = 1.0
    kind: Literal["laplacian"] = "laplacian"

    def multiplier(self, basis: Basis, n: int) -> Tensor:
        """The symbol over modes."""
        omega_squared = self._omega_squared(basis, n)
        powers = omega_squared.clamp_min(torch.finfo(torch.float64).tiny) ** -self.power
        return torch.where(omega_squared > 0, self.scale * powers, 0.0)


@dataclass(frozen=True, kw_only=True)
class Bessel(_LaplacianPower):
    """μ_k = (shift + |ω_k|²)^(−power), the symbol of a Bessel potential."""

    shift: PositiveFloat = 8.0
    kind: Literal["bessel"] = "bessel"

    def multiplier(self, basis: Basis, n: int) -> Tensor:
        """The symbol over modes."""
        return (self.shift + self._omega_squared(basis, n)) ** -self.power


@dataclass(frozen=True, kw_only=True)
class FNO(SpectralPrior):
    """Fixed random weights on the modes |k_i| < modes_i, zero elsewhere: a measure of finite rank.

    Real and imaginary parts are 0.2 + 0.8·U with U uniform on [0, 1], drawn from ``seed``; the last
    entry of ``modes`` serves all further axes.
    """

    modes: tuple[PositiveInt, ...] = (32, 16)
    seed: NonNegativeInt = 0
    kind: Literal["fno"] = "fno"

    def multiplier(self, basis: Basis, n: int) -> Tensor:
        """The symbol over modes, complex."""
        return random_low_modes(basis, n, self.modes, self.seed)


@dataclass(frozen=True, kw_only=True)
class Combined(_LaplacianPower):
    """fno_scale · FNO + laplacian_scale · |ω_k|^(−2·power): rough, with lively low modes."""

    fno_scale: NonNegativeFloat = 0.5
    laplacian_scale: PositiveFloat = 10.0
    modes: tuple[PositiveInt, ...] = (32, 16)
    seed: NonNegativeInt = 0
    kind: Literal["combined"] = "combined"

    def multiplier(self, basis: Basis, n: int) -> Tensor:
        """The sum of the two symbols, complex."""
        rough = Laplacian(scale=self.laplacian_scale, power=self.power, symbol=self.symbol)
        low = random_low_modes(basis, n, self.modes, self.seed)
        return self.fno_scale * low + rough.multiplier(basis, n)


def random_low_modes(basis: Basis, n: int, modes: tuple[int, ...], seed: int) -> Tensor:
    """Random weights on the low modes, the same on every grid, complex128."""
    bounds = tuple(modes[min(axis, len(modes) - 1)] for axis in range(basis.dimension))
    table_shape = tuple(2 * bound - 1 for bound in bounds)
    uniform = generator(seed).random((2, *table_shape))
    table = (0.2 + 0.8 * uniform[0]) + 1j * (0.2 + 0.8 * uniform[1])
    grids = np.meshgrid(*basis.axis_modes(n), indexing="ij")
    # A mode and its conjugate carry one weight: on k_d = 0 both are stored, so use |k| there.
    inside = np.ones(basis.coefficient_shape(n), dtype=bool)
    index = []
    for k, bound in zip(grids, bounds, strict=True):
        k = np.where(grids[-1] == 0, np.abs(k), k)
        inside &= np.abs(k) < bound
        index.append(np.clip(k, 1 - bound, bound - 1) % (2 * bound - 1))
    return torch.from_numpy(np.where(inside, table[tuple(index)], 0.0))
