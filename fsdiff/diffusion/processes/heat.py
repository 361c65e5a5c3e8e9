"""Processes that smooth: the heat equation with much noise, or hardly any."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.diffusion.processes.clocks import (
    check_growth,
    elapsed_at,
    geometric,
    geometric_time,
    half_log_ratio_after,
    linear_rate_integral,
    linear_rate_time,
)
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import CosineVariancePreserving
from fsdiff.parts import check_defaults

COSINE = CosineVariancePreserving()
"""The process whose ln m is the cosine clock."""


@dataclass(frozen=True, kw_only=True)
class StochasticHeat(GaussianPath):
    """The stochastic heat equation dX = −a_k X dτ + ε√2 dW^Q with a_k = shift + length²·|ω_k|².

    m = exp(−τ a_k), r² = ε² (1 − exp(−2τ a_k))/a_k, so f = −τ′a_k and g² = 2ε²τ′. The ``clock`` τ
    is −ln m of another process: ½∫₀ᵗβ as of ``vp`` with β growing linearly up to T = 1, or that of
    ``vp_cosine``, whose β = 2τ′ is 370 at T = 0.9946 and which has no settings. Lim et al. (NeurIPS
    2023, Hilbert diffusion model), with the cosine and ε = 1. With less ``noise`` ε fields are
    blurred as before and hardly disturbed, as in inverse heat dissipation; X_T then keeps what m
    leaves of the data.

    They measure |ω| in pixels, πk/n, which on n nodes is ``length`` = 1/n and makes a process of
    its own on every grid. Here length is a fraction of the side, the same on all grids: 1/32 (the
    default) is theirs on 32 nodes per axis, 1 measures |ω| on the unit box. Their noise is
    ``standard``, or ``bessel`` with shift = shift/length² and half their index as its power.
    """

    beta_min: PositiveFloat = 0.1
    beta_max: PositiveFloat = 20.0
    shift: PositiveFloat = 1.0
    length: PositiveFloat = 1 / 32
    noise: PositiveFloat = 1.0
    clock: Literal["linear", "cosine"] = "linear"
    kind: Literal["stochastic_heat"] = "stochastic_heat"

    def __post_init__(self) -> None:
        """Refuse settings that the cosine does not have."""
        super().__post_init__()
        if self.clock == "cosine":
            check_defaults(self, "beta_min", "beta_max", where="clock: cosine")

    @property
    def T(self) -> float:
        """Final time of the clock."""
        return 1.0 if self.clock == "linear" else COSINE.T

    def log_mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """−τ a_k."""
        return -self._clock(t) * self.rate(omega_squared)

    def noise_variance(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """ε² (1 − exp(−2τ a_k))/a_k."""
        rate = self.rate(omega_squared)
        return -(self.noise**2) * torch.expm1(-2 * self._clock(t) * rate) / rate

    def rate(self, omega_squared: Tensor) -> Tensor:
        """a_k, the rate at which each mode decays."""
        return self.shift + self.length**2 * omega_squared

    def _clock(self, t: Tensor) -> Tensor:
        if self.clock == "linear":
            return 0.5 * linear_rate_integral(t, self.beta_min, self.beta_max)
        nothing = torch.zeros((), dtype=t.dtype, device=t.device)
        lost = COSINE.noise_variance(t, nothing)  # 1 − m², which is exact where m is nearly one
        late = lost > 0.5
        early = -0.5 * torch.log1p(-torch.where(late, 0.0, lost))
        return torch.where(late, -COSINE.log_mean_scale(t, nothing), early)

    def _time_of(self, coordinate: Tensor) -> Tensor:
        # The mode ω = 0 has m² and r²·shift/ε² that add up to one.
        of_unit_noise = coordinate + 0.5 * math.log(self.noise**2 / self.shift)
        if self.clock == "linear":
            twice_tau = elapsed_at(of_unit_noise) / self.shift
            return linear_rate_time(twice_tau, self.beta_min, self.beta_max)
        return COSINE.time_of(half_log_ratio_after(elapsed_at(of_unit_noise) / self.shift))


@dataclass(frozen=True, kw_only=True)
class HeatDissipation(GaussianPath):
    """m = exp(−½σ²|ω_k|²), r = noise: blur by a Gaussian of width σ(t), and a little fixed noise.

    Rissanen et al. (arXiv 2206.13397), T = 1. The width, a fraction of the side, is geometric from
    ``blur_min`` to ``blur_max``; the defaults are theirs on CIFAR-10, 0.5 to 24 of 32 pixels. The
    mode ω = 0 is never blurred, so the coordinate of noise is −ln σ, the logarithm of the
    frequency at which m falls, and X_T is not N(0, r²Q): it keeps the mean of the data. At t = 0
    fields are blurred by blur_min already. f = −½(σ²)′|ω_k|², g² = (σ²)′|ω_k|² r².
    """

    smallest_time: PositiveFloat = 1e-5
    blur_min: PositiveFloat = 0.5 / 32
    blur_max: PositiveFloat = 24 / 32
    noise: PositiveFloat = 0.01
    kind: Literal["heat_dissipation"] = "heat_dissipation"

    def __post_init__(self) -> None:
        """Refuse blur that does not grow."""
        super().__post_init__()
        check_growth("blur", self.blur_min, self.blur_max)

    def log_mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """−½σ(t)²|ω_k|²."""
        return -0.5 * geometric(t, self.blur_min, self.blur_max).square() * omega_squared

    def noise_variance(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """noise², at all times and modes."""
        return torch.full_like(t, self.noise**2)

    def half_log_signal_to_noise(self, t: Tensor) -> Tensor:
        """−ln σ(t), which is −ln blur_max at T = 1."""
        return -geometric(t, self.blur_min, self.blur_max).log()

    def _time_of(self, coordinate: Tensor) -> Tensor:
        return geometric_time(-coordinate, self.blur_min, self.blur_max)
