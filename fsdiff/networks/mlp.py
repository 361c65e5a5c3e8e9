"""Perceptron for points of ℝ^d: the examples in finite dimensions."""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from fsdiff.networks.base import Network
from fsdiff.networks.embeddings import with_conditioning
from fsdiff.spaces.axes import AxisKind

ACTIVATIONS = {"tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU}


class MLP(Network):
    """Perceptron of ``layers`` hidden layers on the channels of one node and the noise level.

    A point of ℝ^d is a field of d channels on a grid of one node, shape (batch, d, 1). On larger
    grids each node is mapped on its own, so nothing is learnt of space. Lu, Wang & Bal (arXiv
    2301.07882, §4) take tanh with 1 layer of width 4 and with 3 layers of width 64.
    """

    kind: Literal["mlp"] = "mlp"

    def __init__(
        self,
        channels: int = 1,
        conditioning_channels: int = 0,
        axes: Sequence[AxisKind] | None = None,
        *,
        width: PositiveInt = 64,
        layers: PositiveInt = 3,
        activation: Literal["tanh", "gelu", "silu"] = "tanh",
    ) -> None:
        super().__init__()
        self.channels, self.conditioning_channels = channels, conditioning_channels
        hidden, features = [], channels + conditioning_channels + 1
        for _ in range(layers):
            hidden += [nn.Linear(features, width), ACTIVATIONS[activation]()]
            features = width
        self.layers = nn.Sequential(*hidden, nn.Linear(features, channels))

    def forward(self, x: Tensor, t: Tensor, conditioning: Tensor | None = None) -> Tensor:
        """Output like x (batch, channel, *grid), at noise levels t (batch,)."""
        x = with_conditioning(x, conditioning, self.conditioning_channels)
        level = t.view(-1, *[1] * (x.ndim - 1)).expand(-1, 1, *x.shape[2:])
        return self.layers(torch.cat([x, level], dim=1).movedim(1, -1)).movedim(-1, 1)
