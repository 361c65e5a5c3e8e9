"""The FNO on any points of an interval, one set for a batch or one for each of its functions.

Only two things of an FNO depend on where its nodes are: the transform to the modes of a layer and
back, and the coordinates that it is told. Both follow from the points. What takes values to
coefficients is weighted least squares, which is exact for functions of these modes on any points,
where a quadrature is not.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

import torch
from pydantic import PositiveInt
from torch import Tensor

from fsdiff.networks.embeddings import with_conditioning
from fsdiff.networks.fno import FNO
from fsdiff.networks.operations import Operators, Parts, lifted, perceptron
from fsdiff.networks.spectral import Transform

Analysis = Literal["least_squares", "quadrature"]

RIDGE = 1e-10
"""ε of the least squares, beside unit weights."""


@dataclass(frozen=True, eq=False)
class PointSet:
    """Points (point,), or (batch, point), of [0, 1], increasing, of which some may be ``absent``.

    Absent points, True in a mask of the same shape, fill up sets of different size: they have no
    weight, and what stands there is of no account.
    """

    points: Tensor
    absent: Tensor | None = None

    @cached_property
    def weights(self) -> Tensor:
        """Lengths of the parts of [0, 1] nearest to each point, zero where it is absent."""
        points = self.points.double()
        if self.absent is None:
            return _lengths(points)
        weights = torch.zeros_like(points)
        for row, place, absent in zip(
            weights.view(-1, points.shape[-1]),
            points.view(-1, points.shape[-1]),
            self.absent.view(-1, points.shape[-1]),
            strict=True,
        ):
            row[~absent] = _lengths(place[~absent])
        return weights

    @cached_property
    def places(self) -> Tensor:
        """The points, zero where absent."""
        return self.points if self.absent is None else self.points.masked_fill(self.absent, 0.0)

    def present(self, values: Tensor) -> Tensor:
        """Values (batch, channel, point), zero where the point is absent."""
        if self.absent is None:
            return values
        absent = self.absent if self.absent.ndim == 1 else self.absent[:, None]
        return values.masked_fill(absent, 0.0)

    @cached_property
    def fewest(self) -> int:
        """How many points the smallest set has."""
        return int((self.weights > 0).sum(-1).min())

    def cosines(self, modes: int) -> Tensor:
        """Values e_k(x_i) of the orthonormal cosines, (…, point, mode), float64."""
        phase = math.pi * self.places.double()[..., None] * torch.arange(modes).to(self.points)
        values = math.sqrt(2) * phase.cos()
        values[..., 0] = 1.0
        return values

    def analysis(self, modes: int, how: Analysis = "least_squares") -> Tensor:
        """What takes values to coefficients, (…, mode, point), float64.

        (EᵀWE + εI)⁻¹EᵀW, or the quadrature EᵀW alone.
        """
        values = self.cosines(modes)
        weighted = values.mT * self.weights[..., None, :]
        if how == "quadrature":
            return weighted
        normal = weighted @ values
        normal.diagonal(dim1=-2, dim2=-1).add_(RIDGE)
        return torch.linalg.solve(normal, weighted)

    def mean(self, values: Tensor) -> Tensor:
        """∫ u dx of values (batch, channel, point), by the weights."""
        weights = self.weights.to(values)
        return (self.present(values) * (weights if weights.ndim == 1 else weights[:, None])).sum(-1)


class PointTransform(Transform):
    """Analysis and synthesis of channels-last functions (batch, point, channels), by set or shared.

    One matrix each, (mode, point) and (point, mode), or one for each function of a batch.
    """

    def analyse(self, u: Tensor) -> Tensor:
        """Coefficients (batch, mode, channels)."""
        return self.analysis[0] @ u

    def synthesise(self, coefficients: Tensor, onto: Tensor) -> Tensor:
        """Add the functions of coefficients, in place."""
        return onto.add_(self.synthesis[0] @ coefficients)

    def adjoint(self) -> "PointTransform":
        """What is to gradients the other way round."""
        return PointTransform((self.synthesis[0].mT,), (self.analysis[0].mT,))


class PointFNO(FNO):
    """An FNO with cosine modes whose nodes are given with its argument.

    On the centres of equal cells it is the FNO of the same weights. Where functions have at most
    ``modes`` modes and every set at least as many points as these, it is the same operator on all
    sets: at a point that two sets have, the result is the same. Sets have twice as many points as
    modes, so that least squares are well posed.
    """

    def __init__(
        self,
        channels: int = 1,
        conditioning_channels: int = 0,
        *,
        width: PositiveInt = 32,
        modes: PositiveInt = 12,
        layers: PositiveInt = 4,
        projection: PositiveInt = 128,
        coordinates: bool = True,
        analysis: Analysis = "least_squares",
    ) -> None:
        super().__init__(
            channels,
            conditioning_channels,
            width=width,
            modes=modes,
            layers=layers,
            projection=projection,
            basis=("cosine",),
            coordinates=coordinates,
        )
        self.analysis = analysis

    def on(
        self, points: PointSet, x: Tensor, t: Tensor, conditioning: Tensor | None = None
    ) -> Tensor:
        """Output like x (batch, channel, point), at noise levels t (batch,)."""
        (count,) = self.modes.counts
        if points.fewest < 2 * count:
            raise ValueError(
                f"a set has {points.fewest} points, and a network of {count} modes needs "
                f"{2 * count}: use fewer modes or more points"
            )
        x = points.present(with_conditioning(x, conditioning, self.conditioning_channels))
        transform = PointTransform(
            (points.analysis(count, self.analysis).to(x),), (points.cosines(count).to(x),)
        )
        operators, level = Operators(transform, None), self.embedding(t)
        parts = self._lifted(x, points)
        coefficients = torch.cat([transform.analyse(part) for part in parts])
        for block in self.blocks:
            last = block is self.blocks[-1]
            parts, coefficients = block(parts, coefficients, level, operators, last=last)
        return perceptron(parts, self.project).movedim(-1, 1)

    def _lifted(self, x: Tensor, points: PointSet) -> Parts:
        """The first features; in parts where all functions have one set of points."""
        places = (2 * points.places - 1).to(x)[..., None] if self.coordinates else None
        if points.points.ndim == 1:
            return lifted(x, self.lift, places)
        seen = x if places is None else torch.cat([x, places.movedim(-1, 1)], dim=1)
        return (cast("Tensor", self.lift(seen.movedim(1, -1))).contiguous(),)


def _lengths(points: Tensor) -> Tensor:
    """Lengths of the parts of [0, 1] nearest to points (…, point)."""
    middle = (points[..., 1:] + points[..., :-1]) / 2
    ends = torch.zeros_like(points[..., :1]), torch.ones_like(points[..., :1])
    return torch.diff(torch.cat([ends[0], middle, ends[1]], dim=-1), dim=-1)
