"""Networks that make one number of a function, such as those that judge it."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from fsdiff.networks.axes import bases_of_axes
from fsdiff.networks.embeddings import (
    coordinate_features,
    count_coordinate_features,
    scaled_linear,
)
from fsdiff.networks.spectral import Modes, Transform
from fsdiff.spaces.axes import AxisKind


class Functional(nn.Module):
    """D(u) = ∫ κ(x) N(u)(x) dx with a neural operator N and a perceptron κ of the place.

    Its value converges as the grid of u is refined. Blocks are h ← h + W gelu(Kh + Vh) with
    pointwise V and W, and K mixing the features of each of the lowest ``modes`` along each axis
    with a matrix of its own. All of it is differentiable twice, as gradient penalties need it.
    """

    def __init__(
        self, channels: int, axes: Sequence[AxisKind], *, width: int, modes: int, layers: int
    ) -> None:
        super().__init__()
        self.bases = bases_of_axes(None, None, axes)
        self.modes = Modes(self.bases, (modes,) * len(self.bases))
        places = count_coordinate_features(self.bases)
        coefficients = math.prod(2 * modes if b == "fourier" else modes for b in self.bases)
        self.lift = scaled_linear(channels + places, width)
        self.blocks = nn.ModuleList(_Block(width, coefficients) for _ in range(layers))
        self.project = nn.Sequential(
            scaled_linear(width, width), nn.GELU(), scaled_linear(width, 1)
        )
        self.weight = nn.Sequential(
            scaled_linear(places, width), nn.GELU(), scaled_linear(width, 1)
        )

    def forward(self, u: Tensor) -> Tensor:
        """Numbers (batch,) of fields (batch, channel, *grid)."""
        grid = u.shape[2:]
        places = coordinate_features(grid, self.bases, u)
        transform = self.modes.transform(grid, u)
        h = self.lift(torch.cat([u.movedim(1, -1), places.expand(len(u), *places.shape)], -1))
        for block in self.blocks:
            h = block(h, transform)
        return (self.weight(places) * self.project(h)).flatten(1).mean(1)


class _Block(nn.Module):
    """h ← h + W gelu(Kh + Vh), channels last."""

    def __init__(self, width: int, coefficients: int) -> None:
        super().__init__()
        self.spectral = nn.Parameter(torch.randn(coefficients, width, width) / math.sqrt(width))
        self.pointwise = scaled_linear(width, width)
        self.mix = scaled_linear(width, width, 0.5)

    def forward(self, h: Tensor, transform: Transform) -> Tensor:
        """(batch, *grid, width) → the same."""
        mixed = torch.einsum("bkc,kcd->bkd", transform.analyse(h), self.spectral)
        smooth = transform.field(mixed, h.shape[1:-1])
        return h + self.mix(gelu(smooth + self.pointwise(h)))
