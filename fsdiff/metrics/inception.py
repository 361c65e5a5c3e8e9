"""Inception v3 as Fréchet inception distances have it, without the layer that classifies.

Szegedy et al. (arXiv 1512.00567) with the pooling of the network of Heusel et al. (arXiv
1706.08500): averages leave out what is padded, and the last block takes the maximum. Weights have
the names that are usual in PyTorch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

SIDE, FEATURES = 299, 2048


@dataclass(frozen=True)
class Layer:
    """A convolution to ``width`` channels, padded so that grids stay unless it strides by two."""

    width: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padded: bool = True


class Convolution(nn.Module):
    """A convolution without bias, batch normalisation and a rectifier."""

    def __init__(self, channels: int, layer: Layer) -> None:
        super().__init__()
        padding = tuple(size // 2 if layer.padded else 0 for size in layer.kernel)
        self.conv = nn.Conv2d(
            channels, layer.width, layer.kernel, layer.stride, (padding[0], padding[1]), bias=False
        )
        self.bn = nn.BatchNorm2d(layer.width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Of fields (N, channel, y, x)."""
        return torch.relu(self.bn(self.conv(x)))


POOL = "pool"
"""The step of a path that pools."""

Path = Sequence[str | tuple[str, str]]
"""Names of layers one after the other, or of two that see the same, and are put together."""


class Block(nn.Module):
    """Several paths of layers from the same fields, put together as channels."""

    def __init__(
        self, channels: int, layers: Mapping[str, Layer], paths: Sequence[Path], pool: nn.Module
    ) -> None:
        super().__init__()
        self.paths, self.pool, self.width = paths, pool, 0
        for path in paths:
            width = channels
            for step in path:
                names = (step,) if isinstance(step, str) else step
                for name in names:
                    if name != POOL:
                        self.add_module(name, Convolution(width, layers[name]))
                if names != (POOL,):
                    width = sum(layers[name].width for name in names)
            self.width += width

    def forward(self, x: Tensor) -> Tensor:
        """Of fields (N, channel, y, x)."""
        return torch.cat([self._along(path, x) for path in self.paths], 1)

    def _along(self, path: Path, x: Tensor) -> Tensor:
        for step in path:
            names = (step,) if isinstance(step, str) else step
            x = torch.cat([self.get_submodule(name)(x) for name in names], 1)
        return x


def _averaged() -> nn.Module:
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def _smallest(channels: int, pooled: int) -> Block:
    layers = {
        "branch1x1": Layer(64),
        "branch5x5_1": Layer(48),
        "branch5x5_2": Layer(64, (5, 5)),
        "branch3x3dbl_1": Layer(64),
        "branch3x3dbl_2": Layer(96, (3, 3)),
        "branch3x3dbl_3": Layer(96, (3, 3)),
        "branch_pool": Layer(pooled),
    }
    paths = [_chain("branch5x5", 2), _chain("branch3x3dbl", 3)]
    return Block(channels, layers, [["branch1x1"], *paths, [POOL, "branch_pool"]], _averaged())


def _first_reduction(channels: int) -> Block:
    layers = {
        "branch3x3": Layer(384, (3, 3), 2, padded=False),
        "branch3x3dbl_1": Layer(64),
        "branch3x3dbl_2": Layer(96, (3, 3)),
        "branch3x3dbl_3": Layer(96, (3, 3), 2, padded=False),
    }
    paths: list[Path] = [["branch3x3"], _chain("branch3x3dbl", 3), [POOL]]
    return Block(channels, layers, paths, nn.MaxPool2d(3, 2))


def _factored(channels: int, width: int) -> Block:
    row, column = (1, 7), (7, 1)
    layers = {
        "branch1x1": Layer(192),
        "branch7x7_1": Layer(width),
        "branch7x7_2": Layer(width, row),
        "branch7x7_3": Layer(192, column),
        "branch7x7dbl_1": Layer(width),
        "branch7x7dbl_2": Layer(width, column),
        "branch7x7dbl_3": Layer(width, row),
        "branch7x7dbl_4": Layer(width, column),
        "branch7x7dbl_5": Layer(192, row),
        "branch_pool": Layer(192),
    }
    paths = [_chain("branch7x7", 3), _chain("branch7x7dbl", 5)]
    return Block(channels, layers, [["branch1x1"], *paths, [POOL, "branch_pool"]], _averaged())


def _second_reduction(channels: int) -> Block:
    layers = {
        "branch3x3_1": Layer(192),
        "branch3x3_2": Layer(320, (3, 3), 2, padded=False),
        "branch7x7x3_1": Layer(192),
        "branch7x7x3_2": Layer(192, (1, 7)),
        "branch7x7x3_3": Layer(192, (7, 1)),
        "branch7x7x3_4": Layer(192, (3, 3), 2, padded=False),
    }
    paths: list[Path] = [_chain("branch3x3", 2), _chain("branch7x7x3", 4), [POOL]]
    return Block(channels, layers, paths, nn.MaxPool2d(3, 2))


def _widest(channels: int, pool: nn.Module) -> Block:
    row, column = (1, 3), (3, 1)
    layers = {
        "branch1x1": Layer(320),
        "branch3x3_1": Layer(384),
        "branch3x3_2a": Layer(384, row),
        "branch3x3_2b": Layer(384, column),
        "branch3x3dbl_1": Layer(448),
        "branch3x3dbl_2": Layer(384, (3, 3)),
        "branch3x3dbl_3a": Layer(384, row),
        "branch3x3dbl_3b": Layer(384, column),
        "branch_pool": Layer(192),
    }
    paths: list[Path] = [
        ["branch1x1"],
        ["branch3x3_1", ("branch3x3_2a", "branch3x3_2b")],
        ["branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")],
        [POOL, "branch_pool"],
    ]
    return Block(channels, layers, paths, pool)


def _chain(name: str, count: int) -> list[str | tuple[str, str]]:
    return [f"{name}_{number}" for number in range(1, count + 1)]


class Inception(nn.Module):
    """2048 features of pictures (N, 3, y, x) from 0 to 1, of any size, enlarged to 299 pixels."""

    def __init__(self) -> None:
        super().__init__()
        wide = (3, 3)
        self.Conv2d_1a_3x3 = Convolution(3, Layer(32, wide, 2, padded=False))
        self.Conv2d_2a_3x3 = Convolution(32, Layer(32, wide, padded=False))
        self.Conv2d_2b_3x3 = Convolution(32, Layer(64, wide))
        self.first_pool = nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = Convolution(64, Layer(80))
        self.Conv2d_4a_3x3 = Convolution(80, Layer(192, wide, padded=False))
        self.second_pool = nn.MaxPool2d(3, 2)
        self.Mixed_5b = _smallest(192, 32)
        self.Mixed_5c = _smallest(256, 64)
        self.Mixed_5d = _smallest(288, 64)
        self.Mixed_6a = _first_reduction(288)
        self.Mixed_6b = _factored(768, 128)
        self.Mixed_6c = _factored(768, 160)
        self.Mixed_6d = _factored(768, 160)
        self.Mixed_6e = _factored(768, 192)
        self.Mixed_7a = _second_reduction(768)
        self.Mixed_7b = _widest(1280, _averaged())
        self.Mixed_7c = _widest(2048, nn.MaxPool2d(3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Features (N, 2048)."""
        size = (SIDE, SIDE)
        x = nn.functional.interpolate(pictures, size, mode="bilinear", align_corners=False)
        x = 2 * x - 1
        for layer in self.children():
            x = layer(x)
        return x.mean((2, 3))
