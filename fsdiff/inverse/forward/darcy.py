"""Pressure at sensors from a field that determines the permeability: Darcy's law as a map."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, FiniteFloat, PositiveFloat
from torch import Tensor

from fsdiff.inverse.forward.base import (
    ForwardMap,
    ImpossibleFieldError,
    Linearisation,
    check_unit_square,
    nodes,
)
from fsdiff.inverse.forward.interpolation import Interpolation
from fsdiff.inverse.forward.links import Exponential, Link
from fsdiff.inverse.observations.points import GridOfPoints, Sensors
from fsdiff.pde.adjoint import Equations, Solver
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.basis import Basis

_SQUARE = CosineBasis(2)
"""Where sensors are; their coordinates do not depend on the walls."""

_TOLERANCE = 1e-12
"""Relative residual; two decades below that of data sets, so that jvp and vjp are transposes to
1e-8 although they are solved for separately."""


@dataclass(frozen=True, kw_only=True)
class DarcySensors(ForwardMap):
    """g ↦ p at the sensors, where −∇·(a ∇p) = ``forcing`` on the unit square and a = link(g).

    p = 0 on the boundary. Fields are (batch, 1, n, n) on cell centres, at any n: the equations are
    those of ``fsdiff.pde.Darcy`` on the field's own cells, and sensors read p by bilinear
    interpolation, both of second order. Computed in float64, returned in the precision of the
    field. Derivatives take one more solve in either direction. Noise is that of the observation or
    likelihood that has the map, not of ``sensors``.

    Good values: the defaults are the problem of Hosseini, Hsu and Taghvaei (arXiv 2310.16975),
    with g a Matérn field of smoothness 3/2, length 0.5 and variance 1, and noise of deviation
    0.025.
    """

    sensors: Sensors = field(default_factory=lambda: GridOfPoints(shape=(8, 8)))
    link: Link = field(default_factory=Exponential)
    forcing: FiniteFloat = 1.0
    tolerance: Annotated[PositiveFloat, Field(le=1e-2)] = _TOLERANCE
    solver: Solver = "auto"
    kind: Literal["darcy"] = "darcy"

    def __post_init__(self) -> None:
        """Refuse sensors outside of the square, and noise that would count for nothing."""
        self.sensors.check(_SQUARE, 1)
        if self.sensors.noise != 0:
            raise ValueError("sensors: noise = 0 there; give it to what observes the pressure")

    @property
    def differentiable(self) -> bool:  # type: ignore[override]
        """Whether the link is."""
        return self.link.differentiable

    @property
    def size(self) -> int:
        """The number of sensors."""
        return self.sensors.count(_SQUARE)

    @property
    def places(self) -> np.ndarray:  # type: ignore[override]
        """Where the sensors are, (y, x)."""
        return self.sensors.coordinates(_SQUARE)

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse fields that are not of one channel on the unit square."""
        check_unit_square(self.kind, basis, channels)

    def evaluate(self, u: Tensor) -> Tensor:
        """Pressures at the sensors, (batch, sensors)."""
        interpolation = self._interpolation(u)
        _, p = self._solve(u[:, 0].double())
        return interpolation.apply(p).to(u)

    def pressure(self, u: Tensor) -> Tensor:
        """Pressures at all nodes, like u."""
        self._interpolation(u)
        return self._solve(u[:, 0].double())[1][:, None].to(u)

    def linearise(self, u: Tensor) -> Linearisation:
        """Pressures, and the derivative by the discrete adjoint; ValueError for a level set."""
        return self._linearise(u)

    def jacobian(self, u: Tensor) -> Tensor:
        """The derivative of each pressure, (batch, sensors, 1, n, n), from one factorisation."""
        if len(u) != 1:
            return super().jacobian(u)
        units = torch.eye(self.size, dtype=u.dtype, device=u.device)
        return self._linearise(u, many=True).vjp(units)[None]

    def _linearise(self, u: Tensor, many: bool = False) -> Linearisation:
        if not self.differentiable:
            raise ValueError(
                f"link '{self.link.kind}' has no derivative: use a method that asks for none, "
                "such as the reference 'pcn', or a link that has one"
            )
        interpolation = self._interpolation(u)
        g = u[:, 0].double()
        equations, p = self._solve(g, many)
        slope = self.link.derivative(g)

        def jvp(direction: Tensor) -> Tensor:
            change = equations.change(slope * direction[:, 0].double(), p)
            return interpolation.apply(-equations.solve(change)).to(u)

        def vjp(weights: Tensor) -> Tensor:
            adjoint = equations.solve(interpolation.transpose(weights.double()))
            gradient = slope * equations.sensitivity(adjoint, p)
            return -nodes(u) * gradient[:, None].to(u)

        return Linearisation(interpolation.apply(p).to(u), jvp, vjp)

    def _solve(self, g: Tensor, many: bool = False) -> tuple[Equations, Tensor]:
        a = self.link.value(g)
        bad = ~(torch.isfinite(a) & (a > 0)).flatten(1).all(1)
        if bad.any():
            position = int(bad.nonzero()[0])
            raise ImpossibleFieldError(
                f"position {position} in the batch of {len(g)}: permeability must be positive and "
                f"finite everywhere, and the field is between {g[position].min():g} and "
                f"{g[position].max():g}"
            )
        equations = Equations(a, self.tolerance, self.solver, many=many)
        return equations, equations.solve(torch.full_like(a, self.forcing / a.shape[-1] ** 2))

    def _interpolation(self, u: Tensor) -> Interpolation:
        shape = tuple(u.shape)
        if len(shape) != 4 or shape[1] != 1 or shape[2] != shape[3]:
            raise ValueError(f"fields have shape (batch, 1, n, n), not {shape}")
        return _interpolation(self.sensors, shape[-1])


@lru_cache(maxsize=16)
def _interpolation(sensors: Sensors, n: int) -> Interpolation:
    return Interpolation(sensors.coordinates(_SQUARE), n)
