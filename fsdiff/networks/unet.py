"""Convolutional U-Net: strong on the grid it is trained on, tied to that grid's spacing."""

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from fsdiff.networks.embeddings import NoiseLevelEmbedding, with_conditioning


class UNet(nn.Module):
    """U-Net with residual blocks and the noise level as scale and shift (Ho et al., 2006.11239).

    ``width`` channels on the finest level, multiplied on each coarser one by ``multipliers``;
    ``blocks`` residual blocks per level. Its convolutions are of fixed size in grid spacings, so it
    is no operator between function spaces: finer grids than the training grid are a test of that.
    """

    kind: Literal["unet"] = "unet"

    def __init__(
        self,
        channels: int = 1,
        conditioning_channels: int = 0,
        *,
        width: PositiveInt = 32,
        multipliers: tuple[PositiveInt, ...] = (1, 2, 2),
        blocks: PositiveInt = 2,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.conditioning_channels = conditioning_channels
        widths = [width * multiplier for multiplier in multipliers]
        self.embedding = NoiseLevelEmbedding(4 * width)
        self.lift = nn.Conv2d(channels + conditioning_channels, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        previous = width
        for current in widths:
            self.down.append(_stage(previous, current, blocks, 4 * width))
            previous = current
        for current in reversed(widths[:-1]):
            self.up.append(_stage(previous + current, current, blocks, 4 * width))
            previous = current
        self.project = nn.Sequential(
            _normalisation(previous), nn.SiLU(), nn.Conv2d(previous, channels, 3, padding=1)
        )
        nn.init.zeros_(self.project[-1].weight)

    def forward(self, x: Tensor, t: Tensor, conditioning: Tensor | None = None) -> Tensor:
        """Output like x (batch, channel, n, n), at noise levels t (batch,)."""
        x = with_conditioning(x, conditioning, self.conditioning_channels)
        level = self.embedding(t)
        h, skips = self.lift(x), []
        for depth, stage in enumerate(self.down):
            if depth:
                skips.append(h)
                h = nn.functional.avg_pool2d(h, 2, ceil_mode=True)
            for block in stage:
                h = block(h, level)
        for stage in self.up:
            skip = skips.pop()
            h = torch.cat([interpolate(h, size=skip.shape[-2:]), skip], dim=1)
            for block in stage:
                h = block(h, level)
        return self.project(h)


def _stage(features_in: int, features: int, blocks: int, level: int) -> nn.ModuleList:
    widths = [features_in] + [features] * blocks
    return nn.ModuleList(ResidualBlock(a, features, level) for a in widths[:-1])


def _normalisation(features: int) -> nn.GroupNorm:
    groups = next(g for g in (8, 4, 2, 1) if features % g == 0)
    return nn.GroupNorm(groups, features)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with group normalisation, modulated by the noise level."""

    def __init__(self, features_in: int, features: int, level: int) -> None:
        super().__init__()
        self.first_norm = _normalisation(features_in)
        self.first = nn.Conv2d(features_in, features, 3, padding=1)
        self.modulation = nn.Linear(level, 2 * features)
        self.second_norm = _normalisation(features)
        self.second = nn.Conv2d(features, features, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        same = features_in == features
        self.shortcut = nn.Identity() if same else nn.Conv2d(features_in, features, 1)

    def forward(self, h: Tensor, level: Tensor) -> Tensor:
        """(batch, features_in, n, n) → (batch, features, n, n)."""
        scale, shift = self.modulation(level)[:, :, None, None].chunk(2, dim=1)
        inner = self.first(silu(self.first_norm(h)))
        inner = torch.addcmul(shift, self.second_norm(inner), 1 + scale)
        return self.shortcut(h) + self.second(silu(inner))
