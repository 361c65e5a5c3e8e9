"""A classifier without training by gradients: random convolutions, and ridge regression on them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fsdiff.randomness import generator
from fsdiff.streams import Stream
from fsdiff.threads import single_thread

REACH = {1: 9, 2: 5, 3: 3}
"""Nodes of a kernel along each axis, by the dimension of the fields."""

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}

PENALTIES = 10.0 ** np.arange(-3, 4)
"""Of the squares of coefficients, in units of the mean square of the features."""

BLOCK = 2**22
"""Numbers of responses that are held at once."""


class _Kernels(NamedTuple):
    """Kernels (kernel, channel, *reach) of one dilation, their biases, and whether edges count."""

    weights: Tensor
    biases: Tensor
    dilation: int
    padded: bool


@dataclass(frozen=True, eq=False)
class RandomConvolutions:
    """Features of fields: of each random kernel's responses the maximum, and how many are positive.

    Weights are normal numbers whose mean is subtracted, of a random choice of channels, biases
    uniform in (−1, 1); nodes of a kernel lie 2^j apart with j uniform up to the size of the grid,
    and for half of the kernels fields continue as zero at the walls. Dempster, Petitjean and Webb,
    "ROCKET" (doi:10.1007/s10618-020-00701-z), for fields of several variables and channels.
    """

    kernels: Sequence[_Kernels]

    @classmethod
    def drawn(cls, count: int, channels: int, grid: Sequence[int], seed: int) -> Self:
        """As many kernels for fields (N, channels, *grid)."""
        random, reach = generator(seed, Stream.CONVOLUTIONS), REACH[len(grid)]
        reach = min(reach, *grid)
        longest = int(math.log2(max(1, (min(grid) - 1) // max(1, reach - 1))))
        dilations = 2 ** random.integers(longest + 1, size=count)
        padded = random.random(count) < 0.5
        weights = random.standard_normal((count, channels, *[reach] * len(grid)))
        weights -= weights.mean(axis=tuple(range(2, weights.ndim)), keepdims=True)
        # Of one channel up to all of them, each number's logarithm being as likely.
        number = np.floor(2 ** random.uniform(0, math.log2(channels + 1), count))
        order = random.random((count, channels)).argsort(1).argsort(1)
        weights *= (order < number[:, None]).reshape(count, channels, *[1] * len(grid))
        biases = random.uniform(-1, 1, count)
        groups = sorted({*zip(dilations.tolist(), padded.tolist(), strict=True)})
        found = []
        for dilation, edges in groups:
            own = (dilations == dilation) & (padded == edges)
            own_weights, own_biases = (
                torch.from_numpy(part[own]).float() for part in (weights, biases)
            )
            found.append(_Kernels(own_weights, own_biases, dilation, edges))
        return cls(found)

    @single_thread()
    @torch.no_grad()
    def __call__(self, fields: Tensor) -> Tensor:
        """Features (N, two for each kernel) of fields, float64."""
        size = max(1, BLOCK // (fields[0, 0].numel() * max(len(k.biases) for k in self.kernels)))
        return torch.cat([self._of(block.float()) for block in fields.split(size)])

    def _of(self, fields: Tensor) -> Tensor:
        found = [feature for own in self.kernels for feature in _features(fields, own)]
        return torch.cat(found, 1).double()


def _features(fields: Tensor, kernels: _Kernels) -> Iterator[Tensor]:
    dimension, reach = fields.ndim - 2, kernels.weights.shape[2]
    responses = CONVOLUTIONS[dimension](
        fields,
        kernels.weights.to(fields.device),
        kernels.biases.to(fields.device),
        padding=kernels.dilation * (reach - 1) // 2 if kernels.padded else 0,
        dilation=kernels.dilation,
    ).flatten(2)
    yield responses.amax(2)
    yield (responses > 0).float().mean(2)


@dataclass(frozen=True, eq=False)
class RidgeClassifier:
    """Ridge regression of ±1 for each class on standardised features; the largest value decides.

    ``centre`` and ``size`` of features are those of the training features, (feature,).
    """

    centre: Tensor
    size: Tensor
    means: Tensor
    coefficients: Tensor

    @classmethod
    def fitted(cls, features: Tensor, classes: Tensor, count: int) -> Self:
        """To features (N, feature) with classes (N,) of ``count``, float64.

        The penalty is that with the least squared error of each field if it is left out.
        """
        centre, size = features.mean(0), features.std(0, correction=0)
        size = torch.where(size > 0, size, 1.0)
        z = (features - centre) / size
        targets = 2 * functional.one_hot(classes, count).to(z) - 1
        means = targets.mean(0)
        values, vectors = torch.linalg.eigh(z @ z.T / z.shape[1])
        values, seen = values.clamp_min(0), vectors.T @ (targets - means)
        errors = []
        for penalty in PENALTIES:
            shrunk = values / (values + penalty)
            residual = targets - means - vectors @ (shrunk[:, None] * seen)
            leverage = vectors.square() @ shrunk + 1 / len(z)
            left_out = residual / (1 - leverage).clamp_min(1e-12)[:, None]
            errors.append(float(left_out.square().sum()))
        penalty = float(PENALTIES[int(np.argmin(errors))])
        dual = vectors @ (seen / (values + penalty)[:, None])
        return cls(centre, size, means, z.T @ dual / z.shape[1])

    def __call__(self, features: Tensor) -> Tensor:
        """The classes (N,) of features (N, feature)."""
        z = (features - self.centre) / self.size
        return (self.means + z @ self.coefficients).argmax(1)
