"""The denoising loss, which trains the network of a denoiser."""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.time_sampling import Quantiles, TimeSampling


class DenoisingLoss:
    """The squared norm of the prediction's residual at times that ``time_sampling`` chooses.

    Where nodes have no values the norm is that of functions on all others.
    """

    def __init__(self, denoiser: Denoiser, time_sampling: TimeSampling) -> None:
        self.denoiser, self.time_sampling = denoiser, time_sampling

    def __call__(
        self,
        data: Tensor,
        generator: torch.Generator,
        part: slice = slice(None),
        condition: Tensor | None = None,
    ) -> Tensor:
        """The loss of each sample of normalised fields (batch, channel, *grid), (batch,).

        Numbers are drawn where the generator lives, so that they are the same for data on every
        device; and for the whole batch, so that they are the same where just a ``part`` of it is
        worked on here. ``condition`` are fields (batch, condition channel, *grid); those of a
        conditional network are drawn unless they are given, of the class of each field where a last
        channel of the data says what that is.
        """
        batch, conditions = data, self.denoiser.conditions
        if conditions is not None:
            data = conditions.fields_in(batch)
        like: dict[str, Any] = {
            "generator": generator,
            "dtype": data.dtype,
            "device": generator.device,
        }
        uniform = self.time_sampling.spread(torch.rand(len(data), **like))
        white = torch.randn(data.shape, **like)[part].to(data.device)
        times = self.times(uniform[part]).to(data.device)
        if condition is not None:
            condition = condition[part]
        elif conditions is not None:
            seeds = torch.randint(2**53, (len(data),), generator=generator, device=generator.device)
            condition = conditions.drawn(batch[part], seeds[part].tolist())
        return self.at(data[part], times, self.denoiser.law.colour(white), condition)

    def at(self, data: Tensor, t: Tensor, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """The loss, (batch,), for given times (batch,) and noise η ~ N(0, Q) shaped like data.

        The squared function-space norm of the prediction's residual, summed over channels.
        """
        denoiser, law = self.denoiser, self.denoiser.law
        basis, mask = law.basis, law.mask
        marginal = law.marginal(t, basis.resolution(data))
        x = marginal.apply(marginal.mean_scale, data) + marginal.apply(marginal.noise_scale, noise)
        seen = denoiser.seen(x, marginal, condition)
        output, target = denoiser.output(seen), seen.about_centre(data)
        residual = denoiser.prediction.residual(output, seen.x, target, noise, seen.marginal)
        squares = residual.square()
        means = basis.mean(squares) if mask is None else mask.mean(squares)
        return means.sum(1)

    def times(self, uniform: Tensor) -> Tensor:
        """Training times for numbers in (0, 1), the same on all grids."""
        return self._quantiles(uniform.clamp(1e-6, 1 - 1e-6))

    @cached_property
    def _quantiles(self) -> Quantiles:
        """Those of the law of times, which is that at the level where the data were measured."""
        law = self.denoiser.law
        end = torch.tensor([law.process.T])
        return self.time_sampling.quantiles(law.marginal(end, law.data.resolution))
