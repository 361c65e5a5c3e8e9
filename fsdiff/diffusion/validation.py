"""The denoising loss as a number to compare: on fixed data, times and noise."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.measures.priors.spectral import white_noise
from fsdiff.randomness import generator
from fsdiff.streams import Stream


@dataclass(frozen=True)
class ValidationSet:
    """Normalised fields (samples, channel, *grid) with a time and a noise field for each.

    ``condition`` are fields (samples, condition channel, *grid), if the loss is conditional.
    """

    loss: DenoisingLoss
    data: Tensor
    t: Tensor
    noise: Tensor
    condition: Tensor | None = None

    @classmethod
    def of(
        cls,
        loss: DenoisingLoss,
        data: Tensor,
        condition: Tensor | None = None,
        *,
        first: int = 0,
        count: int | None = None,
    ) -> "ValidationSet":
        """Times, noise and, if the network is conditional, data, by the sample's index only.

        They are the same functions at every resolution, so losses compare across resolutions too.
        The fields are numbers ``first`` and on of ``count``, by default all.
        """
        if (conditions := loss.denoiser.conditions) is not None:
            condition = conditions.fixed(data, first) if condition is None else condition
            data = conditions.fields_in(data)
        law = loss.denoiser.law
        basis, n = law.basis, law.basis.resolution(data)
        indices = range(first, first + len(data))
        count = indices.stop if count is None else count
        order = generator(0, Stream.VALIDATION, count).permutation(count)
        t = loss.times(torch.from_numpy((order[first : indices.stop] + 0.5) / count)).to(data)
        scale = law.noise_spectrum(n).sqrt()
        noise = torch.empty_like(data)
        # Coefficients are of double precision: those of a few fields at a time take little memory.
        size = max(1, 2**22 // data.shape[1:].numel())
        for start in range(0, len(data), size):
            some = indices[start : start + size]
            white = white_noise(basis, n, some, 0, Stream.VALIDATION, channels=data.shape[1])
            noise[start : start + len(some)] = basis.inverse(white * scale, n)
        return cls(loss, data, t, noise, condition)

    def __len__(self) -> int:
        return len(self.data)

    def part(self, samples: slice) -> "ValidationSet":
        """Some of the fields, with their times and noise."""
        condition = None if self.condition is None else self.condition[samples]
        return replace(
            self,
            data=self.data[samples],
            t=self.t[samples],
            noise=self.noise[samples],
            condition=condition,
        )

    @torch.no_grad()
    def mean_loss(self) -> float:
        """The mean denoising loss, 0 of no fields."""
        size = max(1, 2**17 // self.data.shape[1:].numel())
        starts = range(0, len(self), size)
        parts = [self.part(slice(first, first + size)) for first in starts]
        total = sum(
            float(self.loss.at(part.data, part.t, part.noise, part.condition).double().sum())
            for part in parts
        )
        return total / max(1, len(self))
