"""Functions of time that several processes run on."""

import math

import torch
from torch import Tensor


def linear_rate_integral(t: Tensor, beta_min: float, beta_max: float) -> Tensor:
    """B(t) = ∫₀ᵗ β with β growing linearly from ``beta_min`` at 0 to ``beta_max`` at 1."""
    return beta_min * t + 0.5 * (beta_max - beta_min) * t.square()


def linear_rate_time(integral: Tensor, beta_min: float, beta_max: float) -> Tensor:
    """The time t ≥ 0 with this ``linear_rate_integral``."""
    growth = beta_max - beta_min
    return 2 * integral / (beta_min + (beta_min**2 + 2 * growth * integral).clamp_min(0).sqrt())


def elapsed_at(half_log_ratio: Tensor) -> Tensor:
    """B with ½ ln(m²/r²) like this, where m² = exp(−B) and r² = 1 − m²: ln(1 + r²/m²)."""
    log_ratio = -2 * half_log_ratio
    return log_ratio.clamp_min(0) + torch.log1p((-log_ratio.abs()).exp())


def half_log_ratio_after(elapsed: Tensor) -> Tensor:
    """½ ln(m²/r²) after B, whose inverse is ``elapsed_at``: −½ ln(exp B − 1)."""
    return -0.5 * (elapsed + torch.log(-torch.expm1(-elapsed)))


def geometric(t: Tensor, start: float, end: float) -> Tensor:
    """start·(end/start)^t, in equal ratios from ``start`` at 0 to ``end`` at 1."""
    return start * (math.log(end / start) * t).exp()


def geometric_time(log_value: Tensor, start: float, end: float) -> Tensor:
    """The time at which ``geometric`` has a value of this logarithm."""
    return (log_value - math.log(start)) / math.log(end / start)


def turning_angle(t: Tensor, highest: float, lowest: float) -> Tensor:
    """a(t), linear from where ln(cos² a/sin² a) is ``highest`` at 0 to −``lowest`` at 1."""
    start, end = _angles(highest, lowest)
    return start + (end - start) * t


def turning_time(half_log_ratio: Tensor, highest: float, lowest: float) -> Tensor:
    """The time at which ln(cos a/sin a) of ``turning_angle`` is ``half_log_ratio``."""
    start, end = _angles(highest, lowest)
    return (torch.atan((-half_log_ratio).exp()) - start) / (end - start)


def _angles(highest: float, lowest: float) -> tuple[float, float]:
    return math.atan(math.exp(-0.5 * highest)), math.atan(math.exp(0.5 * lowest))


def check_growth(name: str, smallest: float, largest: float) -> None:
    """Raise ValueError unless ``name``_min is below ``name``_max."""
    if smallest >= largest:
        raise ValueError(f"{name}_min = {smallest:g} must be below {name}_max = {largest:g}")
