"""Localisation of ensembles: covariances that few members show by chance are taken out.

A sample covariance of N members is off by about the product of both deviations over √N, however
far two places lie apart. Of few members and many data these errors add up to more than what the
data say: means are drawn away and members lose their spread (Houtekamer and Mitchell, Mon. Weather
Rev., 2001).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.references.kriging import JointGaussian, factored
from fsdiff.spaces.basis import Basis

MOST_ENTRIES = 2**21
"""Covariances of data and nodes that are made at once."""

Length = Annotated[float, Field(gt=0)]
"""A distance in the unit of the sides."""


@dataclass(frozen=True, eq=False)
class Located:
    """Where things lie: ``nodes`` along each axis, and ``data`` (size, axes), all in float64.

    ``data`` is None where some have no place. ``periods`` are the sides of periodic axes, and
    infinite for others.
    """

    nodes: tuple[Tensor, ...]
    data: Tensor | None
    periods: tuple[float, ...]

    @classmethod
    def of(
        cls, observation: Observation, basis: Basis, channels: int, n: int, members: Sequence[int]
    ) -> Self | None:
        """Nodes of level n, and data of an observation of fields with as many channels.

        None where ``members`` (channel, *grid), such as latent fields, are on other nodes.
        """
        if tuple(members[1:]) != tuple(basis.grid(n)):
            return None
        places = observation.places_of_data(basis, channels)
        return cls(
            tuple(torch.from_numpy(np.asarray(along)).double() for along in basis.axis_nodes(n)),
            None if places is None else torch.from_numpy(np.asarray(places)).double(),
            tuple(axis.side if axis.periodic else np.inf for axis in basis.axes),
        )

    def apart(self, axis: int, one: Tensor, other: Tensor) -> Tensor:
        """Distances along an axis, around it where it is periodic."""
        distance = (one - other).abs()
        return torch.minimum(distance, (self.periods[axis] - distance).abs())


class Localisation(ABC):
    """A way to tell covariances from chance."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its name in configurations."""

    def check(self, located: Located | None) -> None:  # noqa: B027 (some need no places)
        """Raise ValueError, naming what to use, where it needs places and there are none."""

    @abstractmethod
    def explained(self, pairs: JointGaussian, residuals: Tensor, located: Located | None) -> Tensor:
        """The gain applied to ``residuals`` (batch, size), (batch, *shape), float64.

        Of the members of an ensemble and what is seen of them, as ``pairs``.
        """


@dataclass(frozen=True, kw_only=True)
class GaspariCohn(Localisation):
    """Covariances times a function of distance, which is zero from ``radius`` on.

    The function is (4.10) of Gaspari and Cohn (Q. J. R. Meteorol. Soc., 1999) with c = radius/2,
    multiplied with covariances of data and nodes and of data among themselves. Distances are those
    of the box, in the unit of its sides, around periodic axes. Axes of different units, or lengths,
    have a radius each, in units of which their distances are, or null where these do not count.

    Good values: about four correlation lengths of the fields, the less the fewer members there are,
    and on periodic axes half of the side at most. With an infinite radius nothing is changed.
    """

    radius: Length | tuple[Length | None, ...]
    kind: Literal["gaspari_cohn"] = "gaspari_cohn"

    def __post_init__(self) -> None:
        """Take lists of radii, too."""
        if not isinstance(self.radius, int | float):
            object.__setattr__(self, "radius", tuple(self.radius))

    def check(self, located: Located | None) -> None:
        """Refuse data and members without a place, and radii for other axes than there are."""
        if located is None or located.data is None:
            raise ValueError(
                "gaspari_cohn knows covariances by distance, and what is observed, or a member, "
                "has no place: use kind: correlation"
            )
        if isinstance(self.radius, tuple) and len(self.radius) != len(located.nodes):
            raise ValueError(
                f"radius: {len(self.radius)} for {len(located.nodes)} axes; give one, or one each"
            )
        for radius, period in zip(self._radii(located), located.periods, strict=True):
            if period / 2 < radius < math.inf:
                raise ValueError(
                    f"radius = {radius:g}: more than half of a periodic axis of side {period:g}, "
                    "around which such factors are no covariance: use less, or null"
                )

    def explained(self, pairs: JointGaussian, residuals: Tensor, located: Located | None) -> Tensor:
        """By the tapered covariances."""
        self.check(located)
        assert located is not None
        fields, data = pairs.anomalies
        members, channels = fields.flatten(1), fields.shape[1]
        among = self.among_data(located) * (data.T @ data)
        weights = torch.cholesky_solve(residuals.T, factored(among, pairs.noise)).T
        result = torch.zeros(len(residuals), members.shape[1], dtype=torch.float64)
        for rows in _blocks(data.shape[1], members.shape[1]):
            taper = self.with_nodes(located, rows).repeat(1, channels)
            result += weights[:, rows] @ (taper * (data[:, rows].T @ members))
        return result.view(len(residuals), *fields.shape[1:])

    def among_data(self, located: Located) -> Tensor:
        """The factors between data, (size, size)."""
        assert located.data is not None
        return self._taper(located, [(one[:, None], one) for one in located.data.T])

    def with_nodes(self, located: Located, rows: slice) -> Tensor:
        """The factors between some of the data and all nodes, (data, nodes)."""
        assert located.data is not None
        own, axes = located.data[rows].T, len(located.nodes)
        shapes = [[1] * axis + [-1] + [1] * (axes - axis - 1) for axis in range(axes)]
        pairs = [
            (one.view(-1, *[1] * axes), along.view(1, *shape))
            for one, along, shape in zip(own, located.nodes, shapes, strict=True)
        ]
        return self._taper(located, pairs).flatten(1)

    def _taper(self, located: Located, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        squares = [
            (located.apart(axis, *pair) / radius).square()
            for axis, (pair, radius) in enumerate(zip(pairs, self._radii(located), strict=True))
        ]
        return gaspari_cohn(2 * sum(squares[1:], squares[0]).sqrt())

    def _radii(self, located: Located) -> Sequence[float]:
        """One for each axis, infinite where distances along it count for nothing."""
        own = self.radius if isinstance(self.radius, tuple) else [self.radius] * len(located.nodes)
        return [math.inf if radius is None else radius for radius in own]


@dataclass(frozen=True, kw_only=True)
class CorrelationLocalisation(Localisation):
    """The gain times r²/(r² + (1 + r²)/N) for the correlation r of a datum and a node.

    It is the factor with which the covariance of N members is nearest to the true one in mean
    square, were r known (Furrer and Bengtsson, J. Multivar. Anal., 2007), and r is that of the
    members. Distances play no part, so that modes, and what equations tell, can be localised, too;
    the gain itself is multiplied, as the factors need not be those of any covariance (Luo and
    Bhakta, J. Pet. Sci. Eng., 2020). As members become many nothing is changed.

    Where data have places ``gaspari_cohn`` knows more. Data that are about all of a field, such as
    modes, have small correlations with every node, and gain next to nothing.
    """

    kind: Literal["correlation"] = "correlation"

    def explained(self, pairs: JointGaussian, residuals: Tensor, located: Located | None) -> Tensor:
        """By the gain, multiplied with what is no chance in the correlations."""
        fields, data = pairs.anomalies
        members, factor = fields.flatten(1), factored(data.T @ data, pairs.noise)
        parts = []
        for columns in _blocks(members.shape[1], data.shape[1]):
            own = members[:, columns]
            covariance = data.T @ own
            gain = torch.cholesky_solve(covariance, factor)
            size = (data.square().sum(0)[:, None] * own.square().sum(0)).clamp_min(1e-300)
            square = covariance.square() / size
            parts.append(residuals @ (gain * square / (square + (1 + square) / len(fields))))
        return torch.cat(parts, 1).view(len(residuals), *fields.shape[1:])


def gaspari_cohn(z: Tensor) -> Tensor:
    """(4.10) of Gaspari and Cohn of distances in units of c: one at 0, zero from 2 on."""
    near = 1 + z**2 * (-5 / 3 + z * (5 / 8 + z * (1 / 2 - z / 4)))
    far = (
        4 + z * (-5 + z * (5 / 3 + z * (5 / 8 + z * (-1 / 2 + z / 12)))) - 2 / (3 * z.clamp_min(1))
    )
    return torch.where(z < 1, near, torch.where(z < 2, far, 0.0))


def _blocks(count: int, width: int) -> Iterator[slice]:
    """Parts of a range, each with so many rows of that width as are made at once."""
    size = max(1, MOST_ENTRIES // width)
    return (slice(first, first + size) for first in range(0, count, size))
