"""Fourier neural operator for denoising: Fourier or cosine modes, and local stencils."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, Protocol

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from fsdiff.networks.axes import AxisBasis, bases_of_axes, per_axis, unresolved_modes
from fsdiff.networks.embeddings import (
    NoiseLevelEmbedding,
    coordinate_features,
    count_coordinate_features,
    scaled_linear,
)
from fsdiff.networks.local import DifferenceStencil
from fsdiff.networks.operations import (
    BlockWeights,
    Operators,
    Parts,
    lifted,
    perceptron,
    residual_block,
)
from fsdiff.networks.operator import Operator
from fsdiff.networks.spectral import Modes, SpectralConvolution
from fsdiff.spaces.axes import AxisKind


class FNO(Operator):
    """Residual Fourier neural operator (Li et al., arXiv 2010.08895), channels last inside.

    A pointwise lifting, ``layers`` blocks h ← h + W gelu(a·(Kh + Vh + Dh) + b) with a spectral
    convolution K, pointwise V and W, and scale a and shift b read from the noise level, then a
    pointwise projection through ``projection`` features. With ``stencil_cells`` > 0 there is a
    local part D, differences between neighbours at distance 1/stencil_cells of the domain's side.
    The same operator on every grid.

    ``basis``, ``modes`` and ``stencil_cells`` are one for all axes or one for each; ``basis: null``
    takes Fourier modes along periodic axes and cosines along others, whatever the walls are. The
    ``dimension`` is that of the data; fields of one dimension have shape (batch, channel, n).

    Under autocast the features at nodes are of its precision, transforms and coefficients are not.
    """

    by_axis: ClassVar[tuple[str, ...]] = ("basis", "modes", "stencil_cells")

    kind: Literal["fno"] = "fno"

    def __init__(
        self,
        channels: int = 1,
        conditioning_channels: int = 0,
        axes: Sequence[AxisKind] | None = None,
        *,
        width: PositiveInt = 32,
        modes: PositiveInt | tuple[PositiveInt, ...] = 12,
        layers: PositiveInt = 4,
        projection: PositiveInt = 128,
        basis: AxisBasis | tuple[AxisBasis, ...] | None = "fourier",
        dimension: Literal[1, 2, 3] | None = None,
        coordinates: bool = True,
        stencil_cells: NonNegativeInt | tuple[NonNegativeInt, ...] = 0,
    ) -> None:
        super().__init__()
        self.channels, self.conditioning_channels = channels, conditioning_channels
        self.bases = bases_of_axes(basis, dimension, axes)
        self.dimension = len(self.bases)
        self.modes = Modes(self.bases, per_axis("modes", modes, self.dimension))
        self.stencil_cells = per_axis("stencil_cells", stencil_cells, self.dimension)
        self.coordinates = coordinates
        places = count_coordinate_features(self.bases) if coordinates else 0
        self.embedding = NoiseLevelEmbedding(2 * width)
        self.lift = scaled_linear(channels + conditioning_channels + places, width)
        self.blocks = nn.ModuleList(
            FNOBlock(
                SpectralConvolution(width, self.modes),
                width,
                level=2 * width,
                local=any(self.stencil_cells),
            )
            for _ in range(layers)
        )
        self.project = nn.Sequential(
            scaled_linear(width, projection), nn.GELU(), scaled_linear(projection, channels, 0.1)
        )

    @classmethod
    def check_grid(
        cls, axes: Sequence[AxisKind], grid: Sequence[int], **settings: Any
    ) -> Iterator[str]:
        """Grids that do not resolve the modes."""
        bases = bases_of_axes(settings.get("basis"), None, axes)
        yield from unresolved_modes(bases, per_axis("modes", settings["modes"], len(axes)), grid)

    def _evaluate(self, x: Tensor, t: Tensor, precision: torch.dtype) -> Tensor:
        """Output for fields and conditioning x, with features at the nodes in some precision."""
        grid = x.shape[2:]
        stencil = local_operator(grid, self.bases, self.stencil_cells)
        operators = Operators(self.modes.transform(grid, x), stencil)
        level = self.embedding(t)
        places = coordinate_features(grid, self.bases, x) if self.coordinates else None
        parts = lifted(x, self.lift, places)
        coefficients = torch.cat([operators.transform.analyse(part) for part in parts])
        parts = tuple(part.to(precision) for part in parts)
        for block in self.blocks:
            last = block is self.blocks[-1]
            parts, coefficients = block(parts, coefficients, level, operators, last=last)
        return perceptron(parts, self.project).movedim(-1, 1)


def local_operator(
    grid: Sequence[int], bases: Sequence[AxisBasis], cells: Sequence[int]
) -> DifferenceStencil | None:
    """The stencil of a network's local part on a grid, if it has one."""
    if not any(cells):
        return None
    return DifferenceStencil.of(grid, cells, [basis == "fourier" for basis in bases])


class Mixing(Protocol):
    """A module that mixes the channels of coefficients."""

    def mix(self, coefficients: Tensor) -> Tensor:
        """Coefficients (batch, coefficients, features in) → (…, features out)."""


class FNOBlock(nn.Module):
    """h ← h + W gelu(a·(Kh + Vh + Dh) + b), a and b linear in ``level`` features of the noise.

    ``spectral`` mixes the coefficients that K is made of.
    """

    def __init__(self, spectral: Mixing, width: int, *, level: int, local: bool) -> None:
        super().__init__()
        self.spectral = spectral
        self.pointwise = scaled_linear(width, width)
        self.local = scaled_linear(width, width, 0.5) if local else None
        self.mix = scaled_linear(width, width, 0.5)
        self.modulation = scaled_linear(level, 2 * width, 0.1)

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
        pointwise: Tensor = self.pointwise.weight.T
        bias: Tensor = self.pointwise.bias
        neighbours = None
        if self.local is not None:
            assert operators.stencil is not None  # networks have both or neither
            pointwise = pointwise - operators.stencil.centre * self.local.weight.T
            bias = bias + self.local.bias
            neighbours = self.local.weight.T * scale
        shift = torch.addcmul(shift, bias, scale)
        weights = BlockWeights(
            pointwise * scale, neighbours, shift, self.mix.weight.T, self.mix.bias
        )
        mixed = self.spectral.mix(coefficients) * scale
        return residual_block(parts, mixed, weights, operators, analyse=not last)
