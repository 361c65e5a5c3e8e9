"""The process that adds noise and leaves the data as they are."""

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.diffusion.processes.clocks import check_growth, geometric, geometric_time
from fsdiff.diffusion.processes.path import GaussianPath


@dataclass(frozen=True, kw_only=True)
class VarianceExploding(GaussianPath):
    """m = 1, r = σ(t) geometric from sigma_min at t = 0 to sigma_max at T = 1.

    Song et al. (arXiv 2011.13456); Lim et al. (arXiv 2302.07400) with 0.01 … 30. A grid of times
    uniform in t, or in the signal-to-noise ratio, is their geometric ladder. g² = (σ²)′.
    """

    smallest_time: PositiveFloat = 1e-5
    sigma_min: PositiveFloat = 0.01
    sigma_max: PositiveFloat = 30.0
    kind: Literal["ve"] = "ve"

    def __post_init__(self) -> None:
        """Refuse noise that does not grow."""
        super().__post_init__()
        check_growth("sigma", self.sigma_min, self.sigma_max)

    def log_mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """0: nothing is lost."""
        return torch.zeros_like(t)

    def _time_of(self, coordinate: Tensor) -> Tensor:
        return geometric_time(-coordinate, self.sigma_min, self.sigma_max)

    def noise_variance(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """σ(t)², the same for all modes."""
        return geometric(t, self.sigma_min, self.sigma_max).square()
