"""How a network learns the noise level and where on the domain it is."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fsdiff.networks.axes import AxisBasis


class NoiseLevelEmbedding(nn.Module):
    """Features of the noise level t = ln(r/m), (batch,) → (batch, features).

    Sines and cosines of t at geometric frequencies, then a small perceptron.
    """

    scales: Tensor

    def __init__(self, features: int, frequencies: int = 16) -> None:
        super().__init__()
        # On the CPU where weights are shapes alone, too: on "meta" this would import the compiler.
        scales = 0.25 * 2.0 ** torch.linspace(0, 4, frequencies, device="cpu")
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


def coordinate_features(grid: Sequence[int], bases: Sequence[AxisBasis], like: Tensor) -> Tensor:
    """Where on the domain each node is, (*grid, features), channels last.

    Along cosine axes the coordinates of the cell centres scaled to [−1, 1]; along Fourier axes,
    which have no ends, sine and cosine of 2π times the coordinate. First those of cosine axes, then
    all sines, then all cosines.
    """
    along = [torch.arange(n, dtype=like.dtype, device=like.device) / n for n in grid]
    for axis, (n, basis) in enumerate(zip(grid, bases, strict=True)):
        if basis == "cosine":
            along[axis] = 2 * along[axis] + 1 / n - 1
    nodes = torch.meshgrid(*along, indexing="ij")
    places = [places for places, basis in zip(nodes, bases, strict=True) if basis == "cosine"]
    angles = [places for places, basis in zip(nodes, bases, strict=True) if basis == "fourier"]
    features = [torch.stack(places, dim=-1)] if places else []
    if angles:
        phase = 2 * math.pi * torch.stack(angles, dim=-1)
        features += [phase.sin(), phase.cos()]
    return torch.cat(features, dim=-1)


def count_coordinate_features(bases: Sequence[AxisBasis]) -> int:
    """How many features say where on the domain a node is."""
    return sum({"cosine": 1, "fourier": 2}[basis] for basis in bases)


def with_conditioning(x: Tensor, conditioning: Tensor | None, channels: int) -> Tensor:
    """Fields with the ``channels`` conditioning channels that a network was built for behind them.

    Raises ValueError where there are more, fewer or none.
    """
    given = 0 if conditioning is None else conditioning.shape[1]
    if given != channels:
        raise ValueError(
            f"the network was built with conditioning_channels={channels} and is given {given}: "
            "pass it a conditioning of shape (batch, conditioning_channels, *grid)"
        )
    return x if conditioning is None else torch.cat([x, conditioning], dim=1)


def scaled_linear(features_in: int, features_out: int, scale: float = 1.0) -> nn.Linear:
    """A linear layer with weights N(0, scale²/features_in) and zero bias."""
    layer = nn.Linear(features_in, features_out)
    nn.init.normal_(layer.weight, std=scale / math.sqrt(features_in))
    nn.init.zeros_(layer.bias)
    return layer
