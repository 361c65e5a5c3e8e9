"""Fourier neural operator for denoising: Fourier or cosine modes, and local stencils."""

from typing import Literal

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import linear

from fsdiff.networks.embeddings import (
    NoiseLevelEmbedding,
    coordinate_features,
    scaled_linear,
    with_conditioning,
)
from fsdiff.networks.local import Stencil
from fsdiff.networks.operations import (
    Operators,
    Parts,
    Weights,
    chosen_precision,
    perceptron,
    residual_block,
    samples_at_a_time,
)
from fsdiff.networks.spectral import CONVOLUTIONS, SpectralConvolution


class FNO(nn.Module):
    """Residual Fourier neural operator (Li et al., arXiv 2010.08895), channels last inside.

    A pointwise lifting, ``layers`` blocks h ← h + W gelu(a·(Kh + Vh + Dh) + b) with a spectral
    convolution K, pointwise V and W, and scale a and shift b read from the noise level, then a
    pointwise projection through ``projection`` features. With ``stencil_cells`` > 0 there is a
    local part D, differences between neighbours at distance 1/stencil_cells of the domain's side.
    The same operator on every grid. Fields of one ``dimension`` have shape (batch, channel, n).
    Under autocast the features at nodes are of its precision, transforms and coefficients are not.
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
        dimension: Literal[1, 2] = 2,
        coordinates: bool = True,
        stencil_cells: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        self.channels, self.conditioning_channels = channels, conditioning_channels
        self.width, self.basis, self.dimension = width, basis, dimension
        self.coordinates, self.stencil_cells = coordinates, stencil_cells
        places = {"fourier": 2 * dimension, "cosine": dimension}[basis] if coordinates else 0
        self.embedding = NoiseLevelEmbedding(2 * width)
        self.lift = scaled_linear(channels + conditioning_channels + places, width)
        self.blocks = nn.ModuleList(
            FNOBlock(CONVOLUTIONS[basis](width, modes, dimension), width, local=stencil_cells > 0)
            for _ in range(layers)
        )
        self.project = nn.Sequential(
            scaled_linear(width, projection), nn.GELU(), scaled_linear(projection, channels, 0.1)
        )

    def forward(self, x: Tensor, t: Tensor, conditioning: Tensor | None = None) -> Tensor:
        """Output like x (batch, channel, *grid), at noise levels t (batch,)."""
        if x.ndim != self.dimension + 2:
            raise ValueError(
                f"an FNO of dimension {self.dimension} is given fields of shape {tuple(x.shape)}; "
                f"use dimension={x.ndim - 2} for a network of such fields"
            )
        x = with_conditioning(x, conditioning, self.conditioning_channels)
        precision = chosen_precision(x)
        with torch.autocast(x.device.type, enabled=False):
            return self._evaluate(x, t, precision)

    def _evaluate(self, x: Tensor, t: Tensor, precision: torch.dtype) -> Tensor:
        """Output for fields and conditioning x, with features at the nodes in some precision."""
        operators = self._operators(x)
        level = self.embedding(t)
        parts = self._lifted(x)
        coefficients = torch.cat([operators.transform.analyse(part) for part in parts])
        parts = tuple(part.to(precision) for part in parts)
        for block in self.blocks:
            last = block is self.blocks[-1]
            parts, coefficients = block(parts, coefficients, level, operators, last=last)
        return perceptron(parts, self.project[0], self.project[2]).movedim(-1, 1)

    def _operators(self, x: Tensor) -> Operators:
        """The blocks' linear operators on the grid of fields x."""
        n, stencil = x.shape[-1], None
        if self.stencil_cells:
            periodic = self.basis == "fourier"
            stencil = Stencil.of(n, self.stencil_cells, self.dimension, periodic)
        return Operators(self.blocks[0].spectral.transform(n, x), stencil)

    def _lifted(self, x: Tensor) -> Parts:
        """Features of fields x (batch, channel, *grid) and of their coordinates."""
        grid, inputs, place = x.shape[2:], x.shape[1], self.lift.bias
        if self.coordinates:
            where = coordinate_features(grid[0], self.basis, self.dimension, x).flatten(0, -2)
            place = linear(where, self.lift.weight[:, inputs:], place)
        weight = self.lift.weight[:, :inputs].T
        return tuple(
            torch.baddbmm(place, part.flatten(2).mT, weight.expand(len(part), -1, -1)).view(
                -1, *grid, self.width
            )
            for part in x.split(samples_at_a_time(grid, self.width, x.device))
        )


class FNOBlock(nn.Module):
    """h ← h + W gelu(a·(Kh + Vh + Dh) + b), a and b linear in the noise level's features."""

    def __init__(self, spectral: SpectralConvolution, width: int, local: bool) -> None:
        super().__init__()
        self.spectral = spectral
        self.pointwise = scaled_linear(width, width)
        self.local = scaled_linear(width, width, 0.5) if local else None
        self.mix = scaled_linear(width, width, 0.5)
        self.modulation = scaled_linear(2 * width, 2 * width, 0.1)

    def forward(
        self,
        parts: Parts,
        coefficients: Tensor,
        level: Tensor,
        operators: Operators,
        *,
        last: bool,
    ) -> tuple[Parts, Tensor | None]:
        """Features and their coefficients → the same; there are no coefficients after the last."""
        scale, shift = self.modulation(level)[:, None].chunk(2, dim=-1)
        scale = 1 + scale
        # The scale goes into the small matrices of each sample instead of the large arrays.
        pointwise, bias, neighbours = self.pointwise.weight.T, self.pointwise.bias, None
        if self.local is not None:
            pointwise = pointwise - operators.stencil.centre * self.local.weight.T
            bias = bias + self.local.bias
            neighbours = self.local.weight.T * scale
        shift = torch.addcmul(shift, bias, scale)
        weights = Weights(pointwise * scale, neighbours, shift, self.mix.weight.T, self.mix.bias)
        mixed = self.spectral.mix(coefficients) * scale
        return residual_block(parts, mixed, weights, operators, analyse=not last)
