"""The best linear estimate of fields from noisy data, given the second moments of both."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from fsdiff.inverse.guidance.systems import factored


@dataclass(frozen=True, eq=False)
class JointMoments:
    """Moments of a field u and of data y = G(u) + N(0, diag(``noise``)), all in float64.

    ``mean`` and ``variance`` of u at every node are (channel, *grid); ``centre`` E G(u) and
    ``noise`` are (size,), ``gram`` Cov G(u) is (size, size), and ``gains`` Cov(G(u), u) are
    (size, channel, *grid). For several observations the last four have a first axis for them; data
    that an observation has not have no gains and unit noise.
    """

    mean: Tensor
    variance: Tensor
    centre: Tensor
    noise: Tensor
    gram: Tensor
    gains: Tensor

    def of(self, seen: Tensor) -> Self:
        """Those of some of the data, ``seen`` (observations, size) telling which."""
        there = seen.to(self.gram)
        return replace(
            self,
            centre=self.centre.expand(there.shape),
            noise=torch.where(seen, self.noise, 1.0),
            gram=self.gram * there[:, None] * there[..., None],
            gains=self.gains * there.view(*there.shape, *[1] * self.mean.ndim),
        )

    def estimate(self, data: Tensor) -> Tensor:
        """E[u | y], were all Gaussian, of data (observations, size), (observations, channel, …).

        What stands for data that are not there is of no account, as long as it is a number.
        """
        residual = data - self.centre
        if self.gram.ndim == 2:
            white = torch.linalg.solve_triangular(self._factor, residual.T, upper=False).T
            explained = white @ self._white
        else:
            white = torch.linalg.solve_triangular(self._factor, residual[..., None], upper=False)
            explained = (white * self._white).sum(1)
        return self.mean + explained.view(-1, *self.mean.shape)

    @cached_property
    def deviation(self) -> Tensor:
        """The standard deviation of u given data, whatever they are, (…, channel, *grid)."""
        known = self._white.square().sum(-2)
        known = known.view(*self.gram.shape[:-2], *self.variance.shape)
        return (self.variance - known).clamp_min(0).sqrt()

    @cached_property
    def _factor(self) -> Tensor:
        return factored(self.gram + torch.diag_embed(self.noise))

    @cached_property
    def _white(self) -> Tensor:
        """Cov(ŷ, u) of uncorrelated data ŷ of unit variance, (…, size, nodes of all channels)."""
        gains = self.gains.flatten(-self.mean.ndim)
        return torch.linalg.solve_triangular(self._factor, gains, upper=False)
