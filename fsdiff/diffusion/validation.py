"""The denoising loss as a number to compare: on fixed data, times and noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.measures.priors.spectral import white_noise
from fsdiff.randomness import generator

VALIDATION_STREAM = 13
"""Stream number of validation times and noise."""


@dataclass(frozen=True)
class ValidationSet:
    """Normalised fields (samples, channel, *grid) with a time and a noise field for each."""

    data: Tensor
    t: Tensor
    noise: Tensor

    @classmethod
    def of(cls, denoiser: Denoiser, data: Tensor) -> "ValidationSet":
        """Times and noise that depend on the sample's index only.

        They are the same functions at every resolution, so losses compare across resolutions too.
        """
        count, n, basis = len(data), data.shape[-1], denoiser.basis
        order = generator(0, VALIDATION_STREAM, count).permutation(count)
        t = denoiser.times(torch.from_numpy((order + 0.5) / count)).to(data)
        scale = denoiser.prior.eigenvalues(basis, n).sqrt()
        noise = torch.empty_like(data)
        # Coefficients are of double precision: those of a few fields at a time take little memory.
        size = max(1, 2**22 // data.shape[1:].numel())
        for first in range(0, count, size):
            indices = range(first, min(first + size, count))
            white = white_noise(basis, n, indices, 0, VALIDATION_STREAM, channels=data.shape[1])
            noise[indices.start : indices.stop] = basis.inverse(white * scale, n)
        return cls(data, t, noise)

    def __len__(self) -> int:
        return len(self.data)

    def part(self, samples: slice) -> "ValidationSet":
        """Some of the fields, with their times and noise."""
        return ValidationSet(self.data[samples], self.t[samples], self.noise[samples])

    @torch.no_grad()
    def loss(self, denoiser: Denoiser) -> float:
        """The mean denoising loss, 0 of no fields."""
        size = max(1, 2**17 // self.data.shape[1:].numel())
        parts = zip(
            *(tensor.split(size) for tensor in (self.data, self.t, self.noise)), strict=True
        )
        total = sum(float(denoiser.loss_at(*part).double().sum()) for part in parts)
        return total / max(1, len(self))
