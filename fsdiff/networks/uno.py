"""U-shaped neural operator: spectral layers in an encoder and a decoder, the same on every grid."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import linear

from fsdiff.networks.axes import (
    AxisBasis,
    bases_of_axes,
    per_axis,
    unresolved_modes,
    wrong_length,
)
from fsdiff.networks.embeddings import (
    NoiseLevelEmbedding,
    coordinate_features,
    count_coordinate_features,
    scaled_linear,
)
from fsdiff.networks.fno import FNOBlock, local_operator
from fsdiff.networks.operations import (
    Operators,
    Parts,
    lifted,
    perceptron,
    samples_at_a_time,
)
from fsdiff.networks.operator import Operator
from fsdiff.networks.spectral import Modes, SpectralConvolution
from fsdiff.spaces.axes import AxisKind


class UNO(Operator):
    """U-shaped neural operator (Rahman et al., arXiv 2204.11127) of residual blocks.

    Networks of this shape are those of denoising diffusion operators (Lim et al., arXiv 2302.07400)
    and of FunDPS (arXiv 2505.17004). There features go to coarser grids by interpolation between
    nodes and are normalised node by node, so that the operator depends on the grid. Here it does
    not: the stages of the U are functions on grids of their own, which only depend on their
    ``modes``, and one is reached from another by the coefficients of the modes that both have.

    The U takes the lowest modes of the fields to features of its first stage. Then ``layers``
    blocks h ← h + W gelu(a·(Bu + Vh + Dh) + b) are evaluated at the nodes of the fields themselves,
    with these features u, pointwise B, V and W, scale a and shift b read from the noise level and,
    where ``stencil_cells`` > 0, differences D between neighbours at distance 1/stencil_cells of the
    domain's side; and a pointwise projection through ``projection`` features. No mean over the
    given nodes is taken of anything but the fields, so that the output for fields whose modes are
    resolved is one function, on whatever nodes it is evaluated.

    Stage by stage, fine to coarse, there are ``width`` times ``multipliers`` features, ``modes``
    modes and ``blocks`` residual blocks with spectral convolutions on the way down, and as many on
    the way up, added to what the stage was on the way down. ``basis``, ``stencil_cells`` and the
    modes of a stage are one for all axes or one for each.
    """

    by_axis: ClassVar[tuple[str, ...]] = ("basis", "stencil_cells")

    kind: Literal["uno"] = "uno"

    def __init__(
        self,
        channels: int = 1,
        conditioning_channels: int = 0,
        axes: Sequence[AxisKind] | None = None,
        *,
        width: PositiveInt = 32,
        multipliers: tuple[PositiveInt, ...] = (1, 2, 2),
        modes: tuple[PositiveInt | tuple[PositiveInt, ...], ...] = (12, 6, 3),
        blocks: PositiveInt = 1,
        layers: PositiveInt = 2,
        projection: PositiveInt = 128,
        basis: AxisBasis | tuple[AxisBasis, ...] | None = None,
        dimension: Literal[1, 2, 3] | None = None,
        coordinates: bool = True,
        stencil_cells: NonNegativeInt | tuple[NonNegativeInt, ...] = 0,
    ) -> None:
        super().__init__()
        self.channels, self.conditioning_channels = channels, conditioning_channels
        self.bases = bases_of_axes(basis, dimension, axes)
        self.dimension = len(self.bases)
        self.stencil_cells = per_axis("stencil_cells", stencil_cells, self.dimension)
        self.coordinates = coordinates
        for name, problem in _wrong_stages(multipliers, modes, self.dimension):
            raise ValueError(f"{name}: {problem}")
        widths = [width * multiplier for multiplier in multipliers]
        places = count_coordinate_features(self.bases) if coordinates else 0
        inputs, level = channels + conditioning_channels, 2 * width
        self.embedding = NoiseLevelEmbedding(level)
        kept = [Modes(self.bases, per_axis("modes", count, self.dimension)) for count in modes]
        self.u = SpectralU(inputs, widths, kept, blocks, level=level, coordinates=coordinates)
        self.lift = scaled_linear(inputs + places, width)
        self.blocks = nn.ModuleList(
            FNOBlock(Pointwise(widths[0], width), width, level=level, local=any(self.stencil_cells))
            for _ in range(layers)
        )
        self.project = nn.Sequential(
            scaled_linear(width, projection), nn.GELU(), scaled_linear(projection, channels, 0.1)
        )

    @classmethod
    def check(cls, axes: Sequence[AxisKind], **settings: Any) -> Iterator[tuple[str, str]]:
        """Settings for another number of axes than the data have, and stages that make no U."""
        yield from super().check(axes, **settings)
        yield from _wrong_stages(settings["multipliers"], settings["modes"], len(axes))

    @classmethod
    def check_grid(
        cls, axes: Sequence[AxisKind], grid: Sequence[int], **settings: Any
    ) -> Iterator[str]:
        """Grids that do not resolve the modes of the first stage."""
        bases = bases_of_axes(settings.get("basis"), None, axes)
        finest = per_axis("modes", settings["modes"][0], len(axes))
        yield from unresolved_modes(bases, finest, grid)

    def _evaluate(self, x: Tensor, t: Tensor, precision: torch.dtype) -> Tensor:
        """Output for fields and conditioning x, with features at the nodes in some precision."""
        grid = x.shape[2:]
        stencil = local_operator(grid, self.bases, self.stencil_cells)
        operators = Operators(self.u.stages[0].modes.transform(grid, x), stencil)
        level = self.embedding(t)
        lowest = operators.transform.analyse(x.movedim(1, -1))
        coefficients = self.u(lowest, level, precision)
        places = coordinate_features(grid, self.bases, x) if self.coordinates else None
        parts = tuple(part.to(precision) for part in lifted(x, self.lift, places))
        for block in self.blocks:
            parts, _ = block(parts, coefficients, level, operators, last=True)
        return perceptron(parts, self.project).movedim(-1, 1)


def _wrong_stages(
    multipliers: Sequence[int], modes: Sequence[int | Sequence[int]], dimension: int
) -> Iterator[tuple[str, str]]:
    """Modes and widths that do not belong to the same stages, or stages that are not coarser."""
    if len(modes) != len(multipliers) or not modes:
        yield (
            "modes",
            f"{len(modes)} stages with modes and {len(multipliers)} multipliers; give both, one "
            "for each stage",
        )
        return
    for count in modes:
        if problem := wrong_length(count, dimension):
            yield "modes", problem
            return
    for fine, coarse in pairwise(per_axis("modes", count, dimension) for count in modes):
        if any(a < b for a, b in zip(fine, coarse, strict=True)):
            yield "modes", "a stage has more than the one before; give them fine to coarse"
            return


class SpectralU(nn.Module):
    """From coefficients of fields to those of features, through functions on grids of its own."""

    def __init__(
        self,
        inputs: int,
        widths: Sequence[int],
        modes: Sequence[Modes],
        blocks: int,
        *,
        level: int,
        coordinates: bool,
    ) -> None:
        super().__init__()
        self.coordinates = coordinates
        places = count_coordinate_features(modes[0].bases) if coordinates else 0
        self.lift = scaled_linear(inputs + places, widths[0])
        deepest = len(widths) - 1
        stages = nn.ModuleList(
            Stage(width, kept, level, down=blocks, up=blocks if depth < deepest else 0)
            for depth, (width, kept) in enumerate(zip(widths, modes, strict=True))
        )
        down = nn.ModuleList(Pointwise(fine, coarse) for fine, coarse in pairwise(widths))
        up = nn.ModuleList(Pointwise(coarse, fine) for fine, coarse in pairwise(widths))
        # To the type checker the entries of a list of modules are but modules.
        self.stages = cast("Sequence[Stage]", stages)
        self.down, self.up = cast("Sequence[Pointwise]", down), cast("Sequence[Pointwise]", up)

    def forward(self, coefficients: Tensor, level: Tensor, precision: torch.dtype) -> Tensor:
        """Coefficients (batch, modes, channels) → (batch, modes, features of the first stage)."""
        first = self.stages[0]
        fields = first.operators(coefficients).transform.field(coefficients, first.grid)
        places = None
        if self.coordinates:
            places = coordinate_features(first.grid, first.modes.bases, fields)
        parts = lifted(fields.movedim(-1, 1), self.lift, places)
        return self._through(0, tuple(part.to(precision) for part in parts), level)

    def _through(self, depth: int, parts: Parts, level: Tensor) -> Tensor:
        """Coefficients of features that a stage and all below it make of features on its grid."""
        stage = self.stages[depth]
        parts, coefficients = stage.blocks(stage.down, parts, level)
        if depth == len(self.stages) - 1:
            return coefficients
        below = self.stages[depth + 1]
        shared = below.modes.transform(stage.grid, coefficients)
        lowest = torch.cat([shared.analyse(part.to(level.dtype)) for part in parts])
        coarse = below.parts(self.down[depth].mix(lowest), parts[0].dtype)
        added = self.up[depth].mix(self._through(depth + 1, coarse, level))
        fields = shared.field(added, stage.grid).to(parts[0].dtype)
        sizes = [len(part) for part in parts]
        parts = tuple(map(torch.add, parts, fields.split(sizes)))
        return stage.blocks(stage.up, parts, level)[1]


class Stage(nn.Module):
    """Residual blocks with the same modes, before and after coarser stages.

    Its grid has 3/2 times as many nodes along each axis as would resolve the modes, so that the
    modes of products of two features are what they are on every finer grid.
    """

    def __init__(self, width: int, modes: Modes, level: int, *, down: int, up: int) -> None:
        super().__init__()
        self.width, self.modes = width, modes
        self.grid = tuple(
            3 * count if basis == "fourier" else -(-3 * count // 2)
            for basis, count in zip(modes.bases, modes.counts, strict=True)
        )
        self.down, self.up = (
            nn.ModuleList(
                FNOBlock(SpectralConvolution(width, modes), width, level=level, local=False)
                for _ in range(count)
            )
            for count in (down, up)
        )

    def operators(self, like: Tensor) -> Operators:
        """Those of its blocks, on its grid."""
        return Operators(self.modes.transform(self.grid, like), None)

    def parts(self, coefficients: Tensor, precision: torch.dtype) -> Parts:
        """Features with such coefficients (batch, modes, width) on its grid."""
        size = samples_at_a_time(self.grid, self.width, coefficients.device)
        transform = self.operators(coefficients).transform
        fields = (transform.field(part, self.grid) for part in coefficients.split(size))
        return tuple(field.to(precision) for field in fields)

    def blocks(self, blocks: nn.ModuleList, parts: Parts, level: Tensor) -> tuple[Parts, Tensor]:
        """What some of its blocks make of features, and the coefficients of that."""
        operators = self.operators(level)
        transform = operators.transform
        coefficients = torch.cat([transform.analyse(part.to(level.dtype)) for part in parts])
        for block in blocks:
            parts, coefficients = block(parts, coefficients, level, operators, last=False)
        return parts, coefficients


class Pointwise(nn.Module):
    """A linear map of channels, the same for all modes and hence at all nodes."""

    def __init__(self, features_in: int, features_out: int) -> None:
        super().__init__()
        weight = torch.randn(features_out, features_in)
        self.weight = nn.Parameter(weight.div_(math.sqrt(features_in)))

    def mix(self, coefficients: Tensor) -> Tensor:
        """Coefficients (batch, modes, features in) → (batch, modes, features out)."""
        return linear(coefficients, self.weight)
