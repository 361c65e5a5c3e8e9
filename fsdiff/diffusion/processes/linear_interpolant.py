"""The straight path of flow matching."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.diffusion.processes.path import GaussianPath


@dataclass(frozen=True, kw_only=True)
class LinearInterpolant(GaussianPath):
    """m = 1 − t, r = sigma_min + (1 − sigma_min) t, the straight path of flow matching.

    Lipman et al. (arXiv 2210.02747); Kerrigan, Migliorini & Smyth (arXiv 2305.17209), whose time
    runs the other way. At t = 1 nothing of the data is left and f = −1/(1 − t) is singular;
    T = 0.999 stops short of it, at m = 0.001. g² = 2 r (r′ + r/(1 − t)).
    """

    sigma_min: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    final_time: Annotated[float, Field(gt=0, lt=1)] = 0.999
    kind: Literal["linear_interpolant"] = "linear_interpolant"

    @property
    def T(self) -> float:
        """Final time."""
        return self.final_time

    def log_mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """ln(1 − t), the same for all modes."""
        return torch.log1p(-t)

    def noise_variance(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """(sigma_min + (1 − sigma_min) t)², the same for all modes."""
        return (self.sigma_min + (1 - self.sigma_min) * t).square()

    def _time_of(self, coordinate: Tensor) -> Tensor:
        ratio = (-coordinate).exp()  # r/m = sigma_min + t/(1 − t)
        return 1 - 1 / (1 + ratio - self.sigma_min)
