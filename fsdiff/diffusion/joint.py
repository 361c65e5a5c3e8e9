"""The Wiener filter of channels that know of each other."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from fsdiff.spaces import symbols
from fsdiff.spaces.basis import Basis

LEAST_NOISE = 1e-10
"""Of the data's variance in a mode, what its noise counts as if it has less."""


class JointModes(NamedTuple):
    """Combinations of channels, mode by mode, in which data and noise are independent.

    û = A ŷ with ŷ ~ N(0, D) for data and N(0, 1) for noise: ``into`` is A⁻¹ and ``back`` is A,
    (channel, channel, *coefficients); ``ratio`` is D, (channel, *coefficients).
    """

    into: Tensor
    back: Tensor
    ratio: Tensor

    @classmethod
    def of(cls, covariance: Tensor, noise: Tensor, basis: Basis) -> "JointModes":
        """Those of a joint covariance C and the variances λ of noise, (channel, *coefficients).

        Combinations are of channels that share a basis, and so the scales of a process.
        """
        own = covariance.diagonal().movedim(-1, 0).real
        least = noise.maximum(LEAST_NOISE * own)
        root = torch.where(least > 0, least, 1.0).sqrt()
        scaled = (covariance / root[:, None] / root).movedim((0, 1), (-2, -1))
        values, vectors = own.movedim(0, -1).clone(), torch.zeros_like(scaled)
        bases = basis.by_channel(len(own))
        for shared in dict.fromkeys(bases):
            group = torch.tensor([c for c, other in enumerate(bases) if other == shared])
            place = group[:, None], group
            found = torch.linalg.eigh(scaled[..., *place])
            values[..., group], vectors[..., *place] = found
        back = vectors.movedim((-2, -1), (0, 1)) * root[:, None]
        into = vectors.mH.movedim((-2, -1), (0, 1)) / root
        return cls(into, back, values.movedim(-1, 0).clamp_min(0))

    def to(self, device: torch.device, dtype: torch.dtype) -> "JointModes":
        """The same elsewhere and in another precision."""
        kind = dtype.to_complex() if self.into.is_complex() else dtype
        return JointModes(
            self.into.to(device, kind), self.back.to(device, kind), self.ratio.to(device, dtype)
        )


@dataclass(frozen=True)
class JointFilter:
    """E[X_0 | X_t] of Gaussian data whose channels know of each other, and what it leaves.

    ``mean_scale`` m and ``noise_scale`` r are those of a marginal.
    """

    basis: Basis
    modes: JointModes
    multiplicity: Tensor
    mean_scale: Tensor
    noise_scale: Tensor

    def filtered(self, x: Tensor) -> Tensor:
        """G x of fields (batch, channel, *grid), G = m C (m² C + r² Λ)⁻¹."""
        inside = symbols.on_coefficients(self.modes.into, self.basis.forward(x))
        gain = self.mean_scale * self.modes.ratio / self._variance
        known = symbols.on_coefficients(self.modes.back, gain * inside)
        return self.basis.inverse(known, self.basis.resolution(x))

    @cached_property
    def wiener_output(self) -> Tensor:
        """E‖G x‖², (batch, channel, 1, …)."""
        return self._energy((self.mean_scale * self.modes.ratio).square() / self._variance)

    @cached_property
    def wiener_residual(self) -> Tensor:
        """s² = E‖X_0 − G x‖², (batch, channel, 1, …)."""
        return self._energy(self.modes.ratio * self.noise_scale.square() / self._variance)

    @cached_property
    def _variance(self) -> Tensor:
        """m² D + r², (batch, channel, *modes)."""
        return self.mean_scale.square() * self.modes.ratio + self.noise_scale.square()

    def _energy(self, values: Tensor) -> Tensor:
        """Σ_k Σ_j |A_aj|² v_j of channels a, for v (batch, channel, *modes)."""
        weights = self.multiplicity * self.modes.back.abs().square()
        axes = self.basis.grid_axes()
        return (weights * values[:, None]).sum((2, *axes), keepdim=True).squeeze(2).clamp_min(1e-30)
