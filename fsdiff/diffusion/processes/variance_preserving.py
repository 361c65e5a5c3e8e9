"""Processes that keep the variance, m² + r² = 1, at the same rate for all modes."""

from dataclasses import dataclass
from math import pi
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from fsdiff.diffusion.processes.clocks import elapsed_at, linear_rate_integral, linear_rate_time
from fsdiff.diffusion.processes.path import GaussianPath


@dataclass(frozen=True, kw_only=True)
class VariancePreserving(GaussianPath):
    """m = exp(−½B), r² = 1 − m² with B(t) = ∫₀ᵗ β and β growing linearly; T = 1.

    Song et al. (arXiv 2011.13456); Hagemann et al. (arXiv 2303.04772), eq. (4). f = −½β, g² = β.
    """

    beta_min: PositiveFloat = 0.1
    beta_max: PositiveFloat = 20.0
    kind: Literal["vp"] = "vp"

    def log_mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """−½B(t), the same for all modes."""
        return -0.5 * linear_rate_integral(t, self.beta_min, self.beta_max)

    def noise_variance(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """1 − exp(−B(t)), the same for all modes."""
        return -torch.expm1(-linear_rate_integral(t, self.beta_min, self.beta_max))

    def _time_of(self, coordinate: Tensor) -> Tensor:
        return linear_rate_time(elapsed_at(coordinate), self.beta_min, self.beta_max)


@dataclass(frozen=True, kw_only=True)
class CosineVariancePreserving(GaussianPath):
    """m = cos a(t)/cos a(0), r² = 1 − m² with the angle a(t) = ½π (t + offset)/(1 + offset).

    Nichol & Dhariwal (arXiv 2102.09672), in continuous time as Lim et al. (NeurIPS 2023) use it on
    functions. m vanishes at t = 1; T = 0.9946 stops short of it. g² = −2f = π tan a/(1 + offset).
    """

    offset: PositiveFloat = 0.008
    final_time: Annotated[float, Field(gt=0, lt=1)] = 0.9946
    kind: Literal["vp_cosine"] = "vp_cosine"

    @property
    def T(self) -> float:
        """Final time."""
        return self.final_time

    def log_mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """ln cos a(t) − ln cos a(0), the same for all modes."""
        return self._angle(t).cos().log() - self._angle(torch.zeros_like(t)).cos().log()

    def noise_variance(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """sin(a(t) − a(0)) sin(a(t) + a(0))/cos² a(0), which is 1 − m²."""
        start = self._angle(torch.zeros_like(t))
        elapsed = 0.5 * pi * t / (1 + self.offset)
        return elapsed.sin() * (elapsed + 2 * start).sin() / start.cos().square()

    def _angle(self, t: Tensor) -> Tensor:
        return 0.5 * pi * (t + self.offset) / (1 + self.offset)

    def _time_of(self, coordinate: Tensor) -> Tensor:
        start = self._angle(torch.zeros_like(coordinate))
        kept, lost = (torch.sigmoid(2 * sign * coordinate) for sign in (1, -1))  # m² and r²
        turned = (start.sin().square() + start.cos().square() * lost).sqrt()
        angle = torch.atan2(turned, start.cos() * kept.sqrt())
        return (angle - start) * 2 * (1 + self.offset) / pi


@dataclass(frozen=True, kw_only=True)
class OrnsteinUhlenbeck(GaussianPath):
    """m = exp(−t/2), r² = 1 − exp(−t), the stationary process dX = −½X dt + dW^Q; T = 10.

    Lu, Wang & Bal (arXiv 2301.07882), whose exponential grid of times starts at 10⁻⁴.
    """

    smallest_time: PositiveFloat = 1e-4
    final_time: PositiveFloat = 10.0
    kind: Literal["ou"] = "ou"

    @property
    def T(self) -> float:
        """Final time."""
        return self.final_time

    def log_mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """−½t, the same for all modes."""
        return -0.5 * t

    def noise_variance(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """1 − exp(−t), the same for all modes."""
        return -torch.expm1(-t)

    def _time_of(self, coordinate: Tensor) -> Tensor:
        return elapsed_at(coordinate)
