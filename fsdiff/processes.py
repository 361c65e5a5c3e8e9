"""Forward processes: Gaussian paths X_t = M_t X_0 + R_t η, η ~ N(0, Q), diagonal in a basis.

A process is m(t, |ω_k|²) and r(t, |ω_k|²) for t in [0, T]; everything else follows from these two.
Mode by mode it solves dX = f X dt + g dW^Q with f = (log m)′ and g² = (r²)′ − 2 f r², and its
reverse-time equation has the score S(x, t) = Q ∇ log p_t(x) in place of the unpreconditioned one.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class GaussianPath(ABC):
    """A forward process. ``t`` and ``omega_squared`` are tensors that broadcast.

    Scales that are the same for all modes may leave the axes of ``omega_squared`` at length one.
    """

    smallest_time: PositiveFloat = 1e-3
    """Training and sampling stop here, short of t = 0, at which r vanishes."""

    @property
    @abstractmethod
    def T(self) -> float:
        """Final time."""

    @abstractmethod
    def mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """m(t, |ω_k|²), how much of each mode of the data is left."""

    @abstractmethod
    def noise_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """r(t, |ω_k|²), how much noise each mode has, in units of √λ_k."""

    def drift(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """f = (log m)′, the linear drift of each mode."""
        mean, mean_rate = self._with_rate(self.mean_scale, t, omega_squared)
        return mean_rate / mean

    def diffusion(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """g = √((r²)′ − 2 f r²), the diffusion of each mode, in units of √λ_k."""
        noise, noise_rate = self._with_rate(self.noise_scale, t, omega_squared)
        variance_rate = 2 * noise * noise_rate
        squared = variance_rate - 2 * self.drift(t, omega_squared) * noise.square()
        return squared.clamp_min(0).sqrt()

    def mean_rate(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """m′."""
        return self._with_rate(self.mean_scale, t, omega_squared)[1]

    def noise_rate(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """r′."""
        return self._with_rate(self.noise_scale, t, omega_squared)[1]

    def log_signal_to_noise(self, t: Tensor) -> Tensor:
        """ln(m/r) of the mode ω = 0, which decreases in t: the natural coordinate of noise."""
        zero = torch.zeros((), dtype=t.dtype, device=t.device)
        return (self.mean_scale(t, zero) / self.noise_scale(t, zero)).log()

    def time_of(self, log_signal_to_noise: Tensor) -> Tensor:
        """The time at which ln(m/r) of the mode ω = 0 has the given value, by bisection."""
        low = torch.full_like(log_signal_to_noise, self.smallest_time)
        high = torch.full_like(log_signal_to_noise, self.T)
        for _ in range(60):
            middle = 0.5 * (low + high)
            too_early = self.log_signal_to_noise(middle) > log_signal_to_noise
            low, high = torch.where(too_early, middle, low), torch.where(too_early, high, middle)
        return 0.5 * (low + high)

    @staticmethod
    def _with_rate(scale, t: Tensor, omega_squared: Tensor) -> tuple[Tensor, Tensor]:
        """A scale and its derivative in t, by forward-mode differentiation."""
        return torch.func.jvp(lambda s: scale(s, omega_squared), (t,), (torch.ones_like(t),))


@dataclass(frozen=True, kw_only=True)
class VariancePreserving(GaussianPath):
    """m = exp(−½B), r² = 1 − m² with B(t) = ∫₀ᵗ β and β growing linearly; T = 1.

    Song et al. (arXiv 2011.13456); Hagemann et al. (arXiv 2303.04772), eq. (4).
    """

    beta_min: PositiveFloat = 0.1
    beta_max: PositiveFloat = 20.0
    kind: Literal["vp"] = "vp"

    @property
    def T(self) -> float:
        """Final time."""
        return 1.0

    def mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """exp(−½B(t)), the same for all modes."""
        return torch.exp(-0.5 * self._integrated_rate(t))

    def noise_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """√(1 − exp(−B(t))), the same for all modes."""
        return torch.sqrt(-torch.expm1(-self._integrated_rate(t)))

    def _integrated_rate(self, t: Tensor) -> Tensor:
        return self.beta_min * t + 0.5 * (self.beta_max - self.beta_min) * t.square()
