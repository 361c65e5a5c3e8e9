"""Two-dimensional flows: vorticity, at some times or as a function of time, of random flows."""

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveInt
from torch import Tensor

from fsdiff.data.sources.evolution import Evolution
from fsdiff.data.sources.planes import plane
from fsdiff.data.sources.source import PositiveTime, Time
from fsdiff.measures.initial import FieldLaw, PowerLawField, Zero, check_random
from fsdiff.pde.integrators import Tolerance
from fsdiff.pde.navier_stokes import Forcing, NavierStokes
from fsdiff.pde.rectangle import Length, sides
from fsdiff.pde.stepping import MOST_STEPS
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream

_MANY_STEPS = 50_000
"""Of a sample: they take about a minute on a small grid."""

_COARSE = 64
"""Nodes that show how fast a flow is."""

_REMEDY = (
    "lower the scale or variance of initial and random_forcing, amplitude, time or "
    "solver_resolution"
)


@dataclass(frozen=True)
class NavierStokesData(Evolution):
    """Vorticity of the flows of Li et al. (arXiv 2010.08895, A.3.3) and of others like them.

    Sample i is the solution of ``fsdiff.pde.NavierStokes`` from the i-th field of ``initial``, less
    its mean, computed on ``solver_resolution`` nodes along the longer side and restricted to
    ``resolution``. Without a ``solver_resolution`` it is ³⁄₂ of ``resolution``, the least for which
    the solver carries every mode that is kept. ``length`` is the side of a square, or the sides
    along (y, x) of a rectangle; lengths of the laws are in units of the longer side. A single
    ``time`` gives fields, several (increasing) give series, and with ``time_nodes`` samples are
    functions of time (see ``Evolution``).

    The forcing of sample i is ``forcing``, the same for all samples, plus the i-th field of
    ``random_forcing``, less its mean, which is constant in time. With ``initial`` zero and
    ``forcing`` none, the data are the push-forward of the law of the forcing, as in Lim et al.
    (arXiv 2302.07400).

    Good values: the defaults; for ν = 1e-5, ``solver_resolution`` 256 and ``tolerance`` 1e-5. The
    published fields are every fourth value of a solution on 256 nodes, without a filter. From rest,
    ``random_forcing: {kind: power_law_field}`` makes flows with a root mean square of 0.3 at t = 10
    and 0.7 at t = 50, when they are far from Gaussian (kurtosis 1.8; measured at ν = 1e-3).
    """

    meaning: ClassVar[str] = "vorticity"
    measured_from: ClassVar[str] = "corner"
    channels: ClassVar[tuple[str, ...]] = ("vorticity",)

    resolution: Annotated[Nodes, Field(ge=4)] = 64
    solver_resolution: Annotated[Nodes, Field(ge=4)] | None = None
    time: PositiveTime | tuple[Time, ...] = 50.0
    viscosity: NonNegativeFloat = 1e-3
    forcing: Forcing = "diagonal"
    amplitude: FiniteFloat = 0.1
    wavenumber: PositiveInt = 1
    tolerance: Tolerance = 2e-7
    initial: FieldLaw = field(default_factory=PowerLawField)
    random_forcing: FieldLaw = field(default_factory=Zero)
    length: Length = 1.0
    time_nodes: Annotated[Nodes, Field(ge=2)] | None = None
    time_refined: bool = False
    kind: Literal["navier_stokes"] = "navier_stokes"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nodes < self.resolution:
            raise ValueError(
                f"solver_resolution = {self.solver_resolution} is below resolution = "
                f"{self.resolution}: fields are restricted, never refined; leave it out or raise it"
            )

    @property
    def space(self) -> Basis:
        """Periodic functions."""
        return plane("periodic", self.resolution, self.length, least=4)

    @property
    def nodes(self) -> int:
        """Nodes along the longer side on which the equations are solved."""
        return self.solver_resolution or -(-3 * self.resolution // 2)

    @property
    def system(self) -> NavierStokes:
        """The equations."""
        return NavierStokes(
            self.viscosity,
            self.forcing,
            self.amplitude,
            self.wavenumber,
            self.tolerance,
            self.length,
        )

    @property
    def steps(self) -> float:
        """About how many time steps the first sample needs, by its velocity and forcing."""
        n = min(self.nodes, _COARSE)
        slowest = self.viscosity * (2 * math.pi / max(sides(self.length))) ** 2
        lasting = min(self.times[-1], 1 / slowest) if slowest else self.times[-1]
        start = self.system.speed(self._draw(self.initial, n, 0, 0, Stream.INITIAL_STATE)[0, 0])
        pushed = self.system.speed(self.forcings(n, 0, 0)[0, 0])
        # The largest velocity that a forcing can hold against inertia or, if less, viscosity.
        driven = min(pushed * lasting, (pushed * max(sides(self.length))) ** 0.5)
        path = start * lasting + driven * self.times[-1]
        return path * self.system.steps_per_length(*self.space.grid(self.nodes))

    def check(self) -> None:
        """Refuse a forcing that does not fit, flows all alike, and flows of far too many steps."""
        check_random(initial=self.initial, random_forcing=self.random_forcing)
        self.system.forcing_field(*self.space.grid(self.nodes))
        if self.steps > MOST_STEPS:
            raise ValueError(f"{self._needed}, more than {MOST_STEPS:,}; {_REMEDY}")

    @property
    def remarks(self) -> tuple[str, ...]:
        """That samples take long."""
        return (f"{self._needed}; {_REMEDY}",) if self.steps > _MANY_STEPS else ()

    @property
    def _needed(self) -> str:
        return (
            f"initial and forcing make flows so fast that a sample needs about {self.steps:.0e} "
            f"time steps until time = {self.times[-1]:g}"
        )

    def solve(self, index: int, seed: int) -> Tensor:
        """One sample (time, channel, y, x) on ``resolution`` nodes along the longer side."""
        n = self.nodes
        initial = self._draw(self.initial, n, index, seed, Stream.INITIAL_STATE).to(self.device)
        forcing = self.forcings(n, index, seed).to(self.device)
        states = self.system.solve(initial, self.times, forcing)[0]
        return self.space.restrict(states, self.resolution)

    def forcings(self, n: int, index: int, seed: int) -> Tensor:
        """The whole forcing of one sample on ``n`` nodes along the longer side, (1, 1, y, x)."""
        forcing = self._draw(self.random_forcing, n, index, seed, Stream.FORCING)
        return forcing + self.system.forcing_field(*forcing.shape[2:])

    def _draw(self, law: FieldLaw, n: int, index: int, seed: int, stream: int) -> Tensor:
        """A field of mean zero for one sample, (1, 1, y, x)."""
        field = law.sample(self.space, n, [index], seed, channels=1, stream=stream)
        return field - field.mean((-2, -1), keepdim=True)
