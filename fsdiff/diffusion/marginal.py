"""The law of X_t on one grid: what the estimates, the losses and the samplers are made of."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from fsdiff.diffusion.joint import JointFilter, JointModes
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.spaces.bases import Basis

_TINY = 1e-30


@dataclass(frozen=True)
class Marginal:
    """The law of X_t given X_0 for a batch of times on one grid.

    ``time`` (batch, 1, …) and ``omega_squared`` (*coefficients) are float64; scales have shape
    (batch, 1, *modes) and axes of length one stand for all modes. ``noise_spectrum`` λ_k has shape
    (*coefficients) and ``data_spectrum`` E|û_k|² shape (channel, *coefficients); their dtype is
    that of the scales. Where channels differ in basis or noise, ω² or λ have an axis of channels
    first, and the scales have it in place of their second axis. ``joint_modes`` tells what channels
    know of each other, if anything is known of that.
    """

    basis: Basis
    process: GaussianPath
    time: Tensor
    omega_squared: Tensor
    noise_spectrum: Tensor
    data_spectrum: Tensor
    multiplicity: Tensor = field(repr=False)
    joint_modes: Callable[[], JointModes | None] = field(default=lambda: None, repr=False)

    @cached_property
    def mean_scale(self) -> Tensor:
        """m."""
        return self.process.mean_scale(self.time, self.omega_squared).to(self.noise_spectrum)

    @cached_property
    def noise_scale(self) -> Tensor:
        """r."""
        return self.process.noise_scale(self.time, self.omega_squared).to(self.noise_spectrum)

    @cached_property
    def log_ratio(self) -> Tensor:
        """ln(m/r) in float64, finite also where m underflows."""
        return self.process.log_ratio(self.time, self.omega_squared)

    @cached_property
    def mean_rate(self) -> Tensor:
        """m′."""
        return self.process.mean_rate(self.time, self.omega_squared).to(self.noise_spectrum)

    @cached_property
    def noise_rate(self) -> Tensor:
        """r′."""
        return self.process.noise_rate(self.time, self.omega_squared).to(self.noise_spectrum)

    def apply(self, symbol: Tensor, u: Tensor) -> Tensor:
        """The diagonal operator ``symbol`` applied to fields; a product if it is constant."""
        if all(length == 1 for length in symbol.shape[2:]):
            return symbol * u
        return self.basis.multiply(u, symbol)

    def noise_from_data(self, x: Tensor, data: Tensor) -> Tensor:
        """η = (x − m x_0)/r."""
        return self.apply(1 / self.noise_scale, x - self.apply(self.mean_scale, data))

    def data_from_noise(self, x: Tensor, noise: Tensor) -> Tensor:
        """x_0 = (x − r η)/m, zero in modes that are lost."""
        inverse = torch.where(self.lost, 0.0, 1 / self.mean_scale)
        return self.apply(inverse, x - self.apply(self.noise_scale, noise))

    def data_from_velocity(self, x: Tensor, velocity: Tensor) -> Tensor:
        """x_0 = (r′ x − r v)/(m r′ − m′ r), zero in modes that are lost."""
        determinant = self.mean_scale * self.noise_rate - self.mean_rate * self.noise_scale
        inverse = torch.where(self.lost, 0.0, 1 / determinant)
        known = self.apply(inverse * self.noise_rate, x)
        return known - self.apply(inverse * self.noise_scale, velocity)

    @cached_property
    def lost(self) -> Tensor:
        """Modes of which so little is left that reading it would magnify errors: m²/r² < ε.

        ε is the precision of the scales. What is expected of such a mode is its mean, zero.
        """
        return self.log_ratio < 0.5 * math.log(torch.finfo(self.noise_spectrum.dtype).eps)

    @cached_property
    def variance(self) -> Tensor:
        """v_k = m² c_k + r² λ_k, that of X_t, (batch, channel, *modes)."""
        signal = self.mean_scale.square() * self.data_spectrum
        return signal + self.noise_scale.square() * self.noise_spectrum

    @cached_property
    def wiener_gain(self) -> Tensor:
        """G_k = m c_k/v_k, the best linear denoiser, (batch, channel, *modes)."""
        return self.mean_scale * self.data_spectrum * self._precision

    def filtered(self, x: Tensor) -> Tensor:
        """G x of fields (batch, channel, *grid)."""
        return self.apply(self.wiener_gain, x)

    @cached_property
    def joint(self) -> "Marginal | JointFilter":
        """The filter of all channels together; this one where nothing is known of that."""
        modes = self.joint_modes()
        if modes is None:
            return self
        scales = self.mean_scale, self.noise_scale
        return JointFilter(self.basis, modes, self.multiplicity, *scales)

    @cached_property
    def wiener_residual(self) -> Tensor:
        """s² = Σ_k c_k r² λ_k/v_k, what it leaves, (batch, channel, 1, …)."""
        noise = self.noise_scale.square() * self.noise_spectrum
        return self._sum_over_modes(self.data_spectrum * noise * self._precision).clamp_min(_TINY)

    @cached_property
    def wiener_output(self) -> Tensor:
        """E‖G x‖² = Σ_k m c_k G_k, (batch, channel, 1, …)."""
        kept = self.mean_scale * self.wiener_gain * self.data_spectrum
        return self._sum_over_modes(kept).clamp_min(_TINY)

    @cached_property
    def total_variance(self) -> Tensor:
        """E‖X_t‖² = Σ_k v_k, (batch, channel, 1, …)."""
        return self._sum_over_modes(self.variance)

    @cached_property
    def data_variance(self) -> Tensor:
        """E‖X_0‖² = Σ_k c_k, (1, channel, 1, …)."""
        return self._sum_over_modes(self.data_spectrum[None])

    @cached_property
    def scalar_gain(self) -> Tensor:
        """E⟨X_0, X_t⟩/E‖X_t‖² = Σ_k m c_k/Σ_k v_k, the best denoiser that is a number."""
        overlap = self._sum_over_modes(self.mean_scale * self.data_spectrum)
        return overlap / self.total_variance

    @cached_property
    def scalar_residual(self) -> Tensor:
        """Σ_k c_k − (Σ_k m c_k)²/Σ_k v_k, what that leaves, (batch, channel, 1, …).

        As the sum of (1 − g m)² c_k + g² r² λ_k, which is free of cancellation.
        """
        gain = self.scalar_gain
        signal = (1 - gain * self.mean_scale).square() * self.data_spectrum
        noise = (gain * self.noise_scale).square() * self.noise_spectrum
        return self._sum_over_modes(signal + noise).clamp_min(_TINY)

    @cached_property
    def signal_to_noise(self) -> Tensor:
        """m²/r² of the lowest mode, (batch, 1, 1, …), or of each channel's."""
        ratio = (self.mean_scale / self.noise_scale).square()
        return ratio.flatten(2)[..., :1].view(*ratio.shape[:2], *[1] * (ratio.ndim - 2))

    @cached_property
    def _precision(self) -> Tensor:
        """1/v_k, zero in modes that carry neither data nor noise."""
        return torch.where(self.variance > 0, 1 / self.variance.clamp_min(_TINY), 0.0)

    def _sum_over_modes(self, values: Tensor) -> Tensor:
        axes = self.basis.grid_axes()
        return (self.multiplicity * values).sum(axes, keepdim=True)


def noise_grows(process: GaussianPath) -> bool:
    """Whether r of the mode ω = 0 is larger at the end than at the start."""
    ends = torch.tensor([process.smallest_time, process.T], dtype=torch.float64)
    first, last = process.noise_variance(ends, torch.zeros_like(ends)).tolist()
    return first < last
