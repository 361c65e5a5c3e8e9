"""The variance-preserving process whose data are blurred as noise comes in."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor

from fsdiff.diffusion.processes.clocks import turning_angle, turning_time
from fsdiff.diffusion.processes.path import GaussianPath

LogRatio = Annotated[float, Field(gt=0, le=100)]


@dataclass(frozen=True, kw_only=True)
class BlurringVariancePreserving(GaussianPath):
    """m_k = cos(a) exp(−½σ²|ω_k|²/π²), r = sin(a): less of each mode is left than noise replaces.

    The angle a(t) grows linearly so that ln(cos²a/sin²a) falls from ``highest`` at t = 0 to
    −``lowest`` at T = 1; the blur σ(t) goes from ``blur_start`` to ``blur_end`` like sin²(πt/2). It
    counts in units of the side over π, so that in the cosine basis it stands beside integer
    wavenumbers. This is the path of the published experiment on signed distances of Lim et al.
    (arXiv 2302.07400), with their values; it is neither of their paper's processes.

    As ``blur_start`` > 0 samples are data blurred by σ/π = 0.016 sides, which is not undone unless
    the estimate of the data is; 0 leaves them as they are. At T modes are lost although noise may
    have none to put in their place. The mode ω = 0 is that of ``vp_cosine`` but for the ends.
    """

    smallest_time: PositiveFloat = 1e-5
    highest: LogRatio = 10.0
    lowest: LogRatio = 10.0
    blur_start: NonNegativeFloat = 0.05
    blur_end: NonNegativeFloat = 0.25
    kind: Literal["blurring_vp"] = "blurring_vp"

    def __post_init__(self) -> None:
        """Refuse blur that goes away."""
        super().__post_init__()
        if self.blur_start > self.blur_end:
            raise ValueError(
                f"blur_start = {self.blur_start:g} must not be above blur_end = {self.blur_end:g}"
            )

    def log_mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """ln cos(a) − ½σ²|ω_k|²/π²."""
        blurred = 0.5 * (self._blur(t) / math.pi).square() * omega_squared
        return self._angle(t).cos().log() - blurred

    def noise_variance(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """sin²(a), the same for all modes."""
        return self._angle(t).sin().square()

    def _time_of(self, coordinate: Tensor) -> Tensor:
        return turning_time(coordinate, self.highest, self.lowest)

    def _angle(self, t: Tensor) -> Tensor:
        return turning_angle(t, self.highest, self.lowest)

    def _blur(self, t: Tensor) -> Tensor:
        grown = torch.sin(0.5 * math.pi * t).square()
        return self.blur_start + (self.blur_end - self.blur_start) * grown
