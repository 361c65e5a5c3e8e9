"""The spectrum that is left of fields once data have told part of them."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

DECADES, POINTS = 12, 512
"""How far beyond the spectrum levels of noise are tabulated, either way, and at how many."""


@dataclass(frozen=True, eq=False)
class SpectrumLeft:
    """p_k = c_k θ/(c_k + θ): a spectrum c_k (channel, *coefficients), every mode seen with noise θ.

    So it is with many sensors spread evenly, θ being the variance of their noise over their number.
    """

    spectrum: Tensor
    multiplicity: Tensor

    def __call__(self, energy: Tensor) -> Tensor:
        """That of which the energy (batch, channel) is left, (batch, channel, *coefficients)."""
        number = torch.arange(self._energies.shape[1]).to(self._energies)
        columns = zip(energy.to(self._energies).T.contiguous(), self._energies, strict=True)
        places = torch.stack([_interpolated(left, known, number) for left, known in columns], 1)
        noise = self._largest * 10 ** self._exponent(places)
        noise = noise.view(*energy.shape, *[1] * (self.spectrum.ndim - 1))
        return self.spectrum * (noise / (self.spectrum + noise))

    @cached_property
    def total(self) -> Tensor:
        """Σ_k c_k, (channel)."""
        return self._energy(self.spectrum)

    @cached_property
    def _energies(self) -> Tensor:
        """What is left at each of the tabulated levels of noise, (channel, levels), increasing."""
        numbers = torch.arange(POINTS).to(self.spectrum)
        levels = self._largest[:, None] * 10 ** self._exponent(numbers)
        left = [
            self._energy(self.spectrum * (noise / (self.spectrum + noise)))
            for noise in levels.T.view(POINTS, -1, *[1] * (self.spectrum.ndim - 1))
        ]
        return torch.stack(left, 1)

    @cached_property
    def _largest(self) -> Tensor:
        return self.spectrum.flatten(1).amax(1)

    def _exponent(self, number: Tensor) -> Tensor:
        return DECADES * (2 * number / (POINTS - 1) - 1)

    def _energy(self, spectrum: Tensor) -> Tensor:
        return (self.multiplicity * spectrum).flatten(1).sum(1)


def _interpolated(x: Tensor, known: Tensor, values: Tensor) -> Tensor:
    """Linear between known places, which increase; constant beyond them."""
    after = torch.searchsorted(known, x).clamp(1, len(known) - 1)
    low, high = known[after - 1], known[after]
    share = ((x - low) / (high - low).clamp_min(1e-300)).clamp(0, 1)
    return torch.lerp(values[after - 1], values[after], share)
