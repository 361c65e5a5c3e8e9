"""Functions of time that several processes run on."""

import math

from torch import Tensor


def linear_rate_integral(t: Tensor, beta_min: float, beta_max: float) -> Tensor:
    """B(t) = ∫₀ᵗ β with β growing linearly from ``beta_min`` at 0 to ``beta_max`` at 1."""
    return beta_min * t + 0.5 * (beta_max - beta_min) * t.square()


def geometric(t: Tensor, start: float, end: float) -> Tensor:
    """start·(end/start)^t, in equal ratios from ``start`` at 0 to ``end`` at 1."""
    return start * (math.log(end / start) * t).exp()


def check_growth(name: str, smallest: float, largest: float) -> None:
    """Raise ValueError unless ``name``_min is below ``name``_max."""
    if smallest >= largest:
        raise ValueError(f"{name}_min = {smallest:g} must be below {name}_max = {largest:g}")
