"""Blurring diffusion: fields are blurred down to a floor while noise comes in."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from fsdiff.diffusion.processes.clocks import turning_angle, turning_time
from fsdiff.diffusion.processes.path import GaussianPath


@dataclass(frozen=True, kw_only=True)
class Blurring(GaussianPath):
    """m_k = cos(a) d_k, r = sin(a): the variance-preserving path of data that are blurred.

    d_k = (1 − floor) exp(−½σ²|ω_k|²) + floor with the width σ(t) = ``blur``·sin²(½πt), a fraction
    of the side, and an angle a(t) that grows linearly so that ln(cos² a/sin² a) falls from
    ``largest_log_snr`` to minus that. With ``floor`` the drift of all modes is bounded together,
    which that of the heat equation is not. Hoogeboom and Salimans, "Blurring diffusion models"
    (ICLR 2023), whose width is 20 pixels; the default is that of 128 pixels a side.
    """

    smallest_time: PositiveFloat = 1e-4
    blur: PositiveFloat = 20 / 128
    floor: Annotated[float, Field(gt=0, lt=1)] = 0.001
    largest_log_snr: Annotated[float, Field(gt=0, le=40)] = 10.0
    kind: Literal["blurring"] = "blurring"

    def log_mean_scale(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """ln cos(a) + ln d_k."""
        width = self.blur * torch.sin(0.5 * math.pi * t).square()
        kept = torch.exp(-0.5 * width.square() * omega_squared)
        return self._angle(t).cos().log() + torch.log(self.floor + (1 - self.floor) * kept)

    def noise_variance(self, t: Tensor, omega_squared: Tensor) -> Tensor:
        """sin²(a), the same for all modes."""
        return self._angle(t).sin().square()

    def _time_of(self, coordinate: Tensor) -> Tensor:
        return turning_time(coordinate, self.largest_log_snr, self.largest_log_snr)

    def _angle(self, t: Tensor) -> Tensor:
        return turning_angle(t, self.largest_log_snr, self.largest_log_snr)
