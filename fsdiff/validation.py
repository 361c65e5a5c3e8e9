"""The denoising loss as a number to compare: on fixed data, times and noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fsdiff.denoiser import Denoiser
from fsdiff.priors.spectral import white_noise
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
        channels = data.shape[1]
        white = white_noise(basis, n, range(count), 0, VALIDATION_STREAM, channels=channels)
        noise = basis.inverse(white * denoiser.prior.eigenvalues(basis, n).sqrt(), n)
        return cls(data, t, noise.to(data))

    @torch.no_grad()
    def loss(self, denoiser: Denoiser) -> float:
        """The mean denoising loss."""
        size = max(1, 2**17 // self.data[0].numel())
        parts = zip(
            *(tensor.split(size) for tensor in (self.data, self.t, self.noise)), strict=True
        )
        total = sum(float(denoiser.loss_at(*part).double().sum()) for part in parts)
        return total / len(self.data)
