"""Fourier neural operator for denoising: Fourier or cosine modes, and local stencils."""

from typing import Literal

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import gelu

from fsdiff.networks.embeddings import NoiseLevelEmbedding, coordinate_features, scaled_linear
from fsdiff.networks.local import NeighbourDifference
from fsdiff.networks.spectral import CONVOLUTIONS


class FNO(nn.Module):
    """Residual Fourier neural operator (Li et al., arXiv 2010.08895), channels last inside.

    A pointwise lifting, ``layers`` blocks h ← h + W gelu(a·(Kh + Vh + Dh) + b) with a spectral
    convolution K, pointwise V and W, and scale a and shift b read from the noise level, then a
    pointwise projection through ``projection`` features. With ``stencil_cells`` > 0 there is a
    local part D, differences between neighbours at distance 1/stencil_cells of the domain's side.
    The same operator on every grid.
    """

    kind: Literal["fno"] = "fno"

    def __init__(
        self,
        channels: int = 1,
        conditioning_channels: int = 0,
        *,
        width: PositiveInt = 32,
        modes: PositiveInt = 12,
        layers: PositiveInt = 4,
        projection: PositiveInt = 128,
        basis: Literal["fourier", "cosine"] = "fourier",
        coordinates: bool = True,
        stencil_cells: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.coordinates = coordinates
        self.basis = basis
        places = coordinate_features(1, basis, torch.empty(0)).shape[-1] if coordinates else 0
        inputs = channels + conditioning_channels + places
        self.embedding = NoiseLevelEmbedding(2 * width)
        self.lift = scaled_linear(inputs, width)
        self.blocks = nn.ModuleList(
            FNOBlock(width, modes, basis, stencil_cells) for _ in range(layers)
        )
        self.project = nn.Sequential(
            scaled_linear(width, projection), nn.GELU(), scaled_linear(projection, channels, 0.1)
        )

    def forward(self, x: Tensor, t: Tensor, conditioning: Tensor | None = None) -> Tensor:
        """Output like x (batch, channel, n, n), at noise levels t (batch,)."""
        if conditioning is not None:
            x = torch.cat([x, conditioning], dim=1)
        h = x.permute(0, 2, 3, 1)
        if self.coordinates:
            where = coordinate_features(x.shape[-1], self.basis, h).expand(len(x), -1, -1, -1)
            h = torch.cat([h, where], dim=-1)
        h = self.lift(h)
        level = self.embedding(t)
        for block in self.blocks:
            h = block(h, level)
        return self.project(h).permute(0, 3, 1, 2)


class FNOBlock(nn.Module):
    """h ← h + W gelu(a·(Kh + Vh + Dh) + b), a and b linear in the noise level's features."""

    def __init__(self, width: int, modes: int, basis: str, stencil_cells: int) -> None:
        super().__init__()
        self.spectral = CONVOLUTIONS[basis](width, modes)
        self.pointwise = scaled_linear(width, width)
        self.local = None
        if stencil_cells:
            self.local = NeighbourDifference(width, stencil_cells, periodic=basis == "fourier")
        self.mix = scaled_linear(width, width, 0.5)
        self.modulation = scaled_linear(2 * width, 2 * width, 0.1)

    def forward(self, h: Tensor, level: Tensor) -> Tensor:
        """(batch, n, n, width) → the same."""
        scale, shift = self.modulation(level)[:, None, None].chunk(2, dim=-1)
        mixed = self.spectral(h) + self.pointwise(h)
        if self.local is not None:
            mixed = mixed + self.local(h)
        return h + self.mix(gelu(torch.addcmul(shift, mixed, 1 + scale)))
