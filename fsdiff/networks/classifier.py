"""A network that says of which class a field is, and features that it tells this by."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

FEATURES, REACH, WIDTHS, COARSEST = 128, 5, (16, 32), 8
"""Features before the last layer; kernel and channels of the convolutions; nodes that are left."""

LAYERS = {
    1: (nn.Conv1d, nn.MaxPool1d),
    2: (nn.Conv2d, nn.MaxPool2d),
    3: (nn.Conv3d, nn.MaxPool3d),
}


class Classifier(nn.Module):
    """Fields (batch, channel, *grid) on one grid to logits (batch, class).

    Convolutions, each followed by a GELU and a maximum over pairs of nodes along each axis, until
    eight nodes are left along the longest, but at least two convolutions; then a layer of 128
    ``features`` and a linear one of the classes.
    """

    def __init__(self, channels: int, grid: Sequence[int], classes: int) -> None:
        super().__init__()
        convolution, pool = LAYERS[len(grid)]
        depth = max(len(WIDTHS), math.ceil(math.log2(max(grid) / COARSEST)))
        layers: list[nn.Module] = []
        for number in range(depth):
            width = WIDTHS[min(number, len(WIDTHS) - 1)]
            layers += [convolution(channels, width, REACH, padding="same"), nn.GELU()]
            layers.append(pool(2, ceil_mode=True))
            channels = width
        nodes = math.prod(math.ceil(size / 2**depth) for size in grid)
        layers += [nn.Flatten(), nn.Linear(channels * nodes, FEATURES), nn.GELU()]
        self.features = nn.Sequential(*layers)
        self.logits = nn.Linear(FEATURES, classes)

    def forward(self, fields: Tensor) -> Tensor:
        """Logits (batch, class)."""
        return torch.as_tensor(self.logits(self.features(fields)))
