"""Forward processes: Gaussian paths X_t = M_t X_0 + R_t η, η ~ N(0, Q), diagonal in a basis.

A process is ln m(t, |ω_k|²) and r²(t, |ω_k|²) for t in [0, T]; everything else follows from these
two. Mode by mode it solves dX = f X dt + g dW^Q with f = (ln m)′ and g² = (r²)′ − 2 f r², and its
reverse-time equation has the score S(x, t) = Q ∇ log p_t(x) in place of the unpreconditioned one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import PositiveFloat
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class GaussianPath(ABC):
    """A forward process. ``t`` and ``omega_squared`` are tensors that broadcast.

    Scales that are the same for all modes may leave the axes of ``omega_squared`` at length one.
    """

    smallest_time: PositiveFloat = 1e-3
    """Training and sampling stop here, short of t = 0, at which r may vanish."""

    def __post_init__(self) -> None:
        """Refuse an empty range of times."""
        if self.smallest_time >= self.T:
            raise ValueError(
                f"smallest_time = {self.smallest_time:g} must be below the final time {self.T:g}"
            )

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its name in configurations."""

    @property
    def T(self) -> float:
        """Final time."""
        return 1.0

    @abstractmethod
    def log_mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """ln m(t, |ω_k|²), finite also where m underflows."""

    @abstractmethod
    def noise_variance(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """r²(t, |ω_k|²), without cancellation as t → 0."""

    def mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """m(t, |ω_k|²), how much of each mode of the data is left; 0 where that underflows."""
        return self.log_mean_scale(t, omega_squared).exp()

    def noise_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """r(t, |ω_k|²), how much noise each mode has, in units of √λ_k."""
        return self.noise_variance(t, omega_squared).sqrt()

    def drift(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """f = (ln m)′, the linear drift of each mode."""
        return _value_and_rate(self.log_mean_scale, t, omega_squared)[1]

    def diffusion(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """g = √((r²)′ − 2 f r²), the diffusion of each mode, in units of √λ_k."""
        variance, rate = _value_and_rate(self.noise_variance, t, omega_squared)
        squared = rate - 2 * self.drift(t, omega_squared) * variance
        return squared.clamp_min(0).sqrt()

    def mean_rate(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """m′ = m f."""
        log_mean, drift = _value_and_rate(self.log_mean_scale, t, omega_squared)
        return log_mean.exp() * drift

    def noise_rate(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """r′ = (r²)′/2r."""
        variance, rate = _value_and_rate(self.noise_variance, t, omega_squared)
        return rate / (2 * variance.sqrt())

    def log_ratio(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """ln(m/r) of each mode, finite also where m underflows."""
        noise = self.noise_variance(t, omega_squared)
        return self.log_mean_scale(t, omega_squared) - 0.5 * noise.log()

    def half_log_signal_to_noise(self, t: Tensor) -> Tensor:
        """The natural coordinate of noise, which decreases in t: ½ ln(m²/r²) of the mode ω = 0.

        Grids of times are spaced in it and networks are told it. A process that leaves the mode
        ω = 0 alone has to name another.
        """
        return self.log_ratio(t, torch.zeros((), dtype=t.dtype, device=t.device))

    def time_of(self, coordinate: Tensor) -> Tensor:
        """The time with this ``half_log_signal_to_noise``, within [smallest_time, T]."""
        return self._time_of(coordinate).clamp(self.smallest_time, self.T)

    def time_of_ratio(self, log_ratio: Tensor, omega_squared: Tensor) -> Tensor:
        """The time when ln(m/r) of modes is ``log_ratio``, within [smallest_time, T]."""
        return self._solve(lambda t: self.log_ratio(t, omega_squared), log_ratio)

    def _time_of(self, coordinate: Tensor) -> Tensor:
        """The same, which may lie beyond the ends: each step of training wants it in closed form.

        A process for which there is none has it by bisection.
        """
        return self._solve(self.half_log_signal_to_noise, coordinate)

    def _solve(self, decreasing: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
        """Where a function of time has a value, by bisection."""
        low = torch.full_like(value, self.smallest_time)
        high = torch.full_like(value, self.T)
        for _ in range(60):
            middle = 0.5 * (low + high)
            too_early = decreasing(middle) > value
            low, high = torch.where(too_early, middle, low), torch.where(too_early, high, middle)
        return 0.5 * (low + high)


def _value_and_rate(
    function: Callable[[Tensor, Tensor], Tensor], t: Tensor, omega_squared: Tensor
) -> tuple[Tensor, Tensor]:
    """A function of (t, |ω_k|²) and its derivative in t, by automatic differentiation."""
    with torch.enable_grad():
        time = t.detach().clone().requires_grad_()
        value = function(time, omega_squared)
        if value.shape != time.shape:  # modes differ: each has a time, and so a rate, of its own
            time = t.detach().expand(value.shape).clone().requires_grad_()
            value = function(time, omega_squared)
        if not value.requires_grad:
            return value, torch.zeros_like(value)
        rate = torch.autograd.grad(value.sum(), time)[0]
    return value.detach(), rate
