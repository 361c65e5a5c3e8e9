"""How a network learns the noise level and where on the domain it is."""

import math

import torch
from torch import Tensor, nn


class NoiseLevelEmbedding(nn.Module):
    """Features of the noise level t = ln(r/m), (batch,) → (batch, features).

    Sines and cosines of t at geometric frequencies, then a small perceptron.
    """

    def __init__(self, features: int, frequencies: int = 16) -> None:
        super().__init__()
        scales = 0.25 * 2.0 ** torch.linspace(0, 4, frequencies)
        self.register_buffer("scales", scales, persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(2 * frequencies, features),
            nn.GELU(),
            nn.Linear(features, features),
            nn.GELU(),
        )

    def forward(self, t: Tensor) -> Tensor:
        """Features (batch, features) of noise levels (batch,)."""
        phase = t[:, None] * self.scales
        return self.layers(torch.cat([phase.sin(), phase.cos()], dim=1))


def cell_coordinates(n: int, like: Tensor) -> Tensor:
    """Node coordinates scaled to [−1, 1], (n, n, 2) channels last."""
    axis = (torch.arange(n, dtype=like.dtype, device=like.device) + 0.5) * (2 / n) - 1
    return torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)


def scaled_linear(features_in: int, features_out: int, scale: float = 1.0) -> nn.Linear:
    """A linear layer with weights N(0, scale²/features_in) and zero bias."""
    layer = nn.Linear(features_in, features_out)
    nn.init.normal_(layer.weight, std=scale / math.sqrt(features_in))
    nn.init.zeros_(layer.bias)
    return layer
