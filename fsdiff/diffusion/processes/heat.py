"""Processes that smooth: the heat equation with much noise, or hardly any."""

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.diffusion.processes.clocks import check_growth, geometric, linear_rate_integral
from fsdiff.diffusion.processes.path import GaussianPath


@dataclass(frozen=True, kw_only=True)
class StochasticHeat(GaussianPath):
    """The stochastic heat equation dX = −a_k X dτ + ε√2 dW^Q with a_k = shift + length²·|ω_k|².

    m = exp(−τ a_k), r² = ε² (1 − exp(−2τ a_k))/a_k with the clock τ = ½∫₀ᵗβ of ``vp``; T = 1. So
    f = −τ′a_k and g² = 2ε²τ′. Lim et al. (NeurIPS 2023, Hilbert diffusion model), with ε = 1. With
    less ``noise`` ε fields are blurred as before and hardly disturbed, as in inverse heat
    dissipation; X_T then keeps what m leaves of the data.

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
    kind: Literal["stochastic_heat"] = "stochastic_heat"

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
        return 0.5 * linear_rate_integral(t, self.beta_min, self.beta_max)


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
