"""Priors whose samples are white noise convolved with a kernel that is given by its symbol."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.randomness import generator
from fsdiff.spaces.basis import Basis


@dataclass(frozen=True, kw_only=True)
class ConvolutionPrior(SpectralPrior):
    """The law of K z with a convolution K of symbol μ_k, and z independent N(0, 1) nodes.

    In function values on the N_ref nodes of the level ``reference_resolution`` this is
    λ_k = |μ_k|²/N_ref, the scaling of Hagemann et al. (arXiv 2303.04772, §4 and published code).
    """

    @abstractmethod
    def multiplier(self, basis: Basis, n: int) -> Tensor:
        """The symbol μ_k over the coefficients on n nodes, real or complex."""

    def unnormalised(self, basis: Basis, n: int) -> Tensor:
        """|μ_k|²/N_ref."""
        nodes = basis.size(basis.reference_level(self.reference_resolution))
        return self.multiplier(basis, n).abs().square() / nodes


@dataclass(frozen=True, kw_only=True)
class Standard(ConvolutionPrior):
    """White noise, μ_k = 1: not trace class, the benchmark of finite-dimensional diffusion."""

    kind: Literal["standard"] = "standard"

    def multiplier(self, basis: Basis, n: int) -> Tensor:
        """1 on every mode."""
        return torch.ones(basis.coefficient_shape(n), dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class _LaplacianPower(ConvolutionPrior):
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
class FNO(ConvolutionPrior):
    """Fixed random weights on the modes |k_i| < modes_i, zero elsewhere: a measure of finite rank.

    Real and imaginary parts are 0.2 + 0.8·U with U uniform on [0, 1], drawn from ``seed``; the last
    entry of ``modes`` serves all further axes.
    """

    modes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 16)
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
    modes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 16)
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
    # A mode and its conjugate carry one weight: where both are stored, use |k|.
    both = False if basis.half_axis is None else grids[basis.half_axis] == 0
    inside = np.ones(basis.coefficient_shape(n), dtype=bool)
    index = []
    for k, bound in zip(grids, bounds, strict=True):
        k = np.where(both, np.abs(k), k)
        inside &= np.abs(k) < bound
        index.append(np.clip(k, 1 - bound, bound - 1) % (2 * bound - 1))
    return torch.from_numpy(np.where(inside, table[tuple(index)], 0.0))
