"""Waves of the viscous Burgers equation: functions of one variable, with steep fronts."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat
from torch import Tensor

from fsdiff.data.sources.evolution import Evolution
from fsdiff.data.sources.source import PositiveTime, Time
from fsdiff.measures.initial import FieldLaw, PowerLawField, check_random
from fsdiff.pde.burgers import STEEPEST, Burgers
from fsdiff.pde.integrators import Tolerance
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.bases import FourierBasis

_INITIAL_NODES = 1024

_STEEP = 8000
"""Steepness of fronts from which on a sample takes a minute or more."""


@dataclass(frozen=True)
class BurgersData(Evolution):
    """u_t + u u_x = ν u_xx from random states, as Li et al. (arXiv 2010.08895, §5.1) have it.

    Sample i is the solution of ``fsdiff.pde.Burgers`` from the i-th field of ``initial``, whose
    lengths are in units of ``length``, restricted to ``resolution`` nodes. The data are the
    push-forward of a law of functions: the initial field has the modes of ``initial_resolution``
    nodes, 1024 if it is left out (or ``resolution``, if that is more), and the solver as many as
    the wave needs, so that the same sample on another ``resolution`` is the same function. A single
    ``time`` gives fields, several (increasing) give series, and with ``time_nodes`` samples are
    functions of (t, x) (see ``Evolution``).

    Good values: the defaults are the published ones, N(0, 625 (−Δ + 25)^−2) and ν = 0.1 at t = 1,
    which leaves smooth waves of a tenth of the initial size; the constant mode is left out, as in
    the data published with it. Fronts form for ν ≤ 0.01 and are about 4ν over their height wide.
    """

    meaning: ClassVar[str] = "velocity"
    measured_from: ClassVar[str] = "corner"
    channels: ClassVar[tuple[str, ...]] = ("u",)

    resolution: Annotated[Nodes, Field(ge=4)] = 128
    initial_resolution: Annotated[Nodes, Field(ge=4)] | None = None
    time: PositiveTime | tuple[Time, ...] = 1.0
    viscosity: PositiveFloat = 0.1
    tolerance: Tolerance = 1e-7
    initial: FieldLaw = field(default_factory=lambda: PowerLawField(625.0, 25.0, 2.0))
    length: PositiveFloat = 1.0
    time_nodes: Annotated[Nodes, Field(ge=2)] | None = None
    time_refined: bool = False
    kind: Literal["burgers"] = "burgers"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nodes < self.resolution:
            raise ValueError(
                f"initial_resolution = {self.initial_resolution} is below resolution = "
                f"{self.resolution}: leave it out or raise it"
            )

    @property
    def space(self) -> FourierBasis:
        """Periodic functions."""
        return FourierBasis(1)

    @property
    def nodes(self) -> int:
        """Nodes on which the initial field is given."""
        return self.initial_resolution or max(_INITIAL_NODES, self.resolution)

    @property
    def system(self) -> Burgers:
        """The equation."""
        return Burgers(self.viscosity, self.length, self.tolerance)

    @property
    def steepness(self) -> float:
        """Height of the first sample's fronts times ``length`` over ν; 0 if none form in time.

        The solver needs about three nodes for each unit.
        """
        initial = self.initial_state(0, 0)
        slope = float(-initial.diff(dim=-1).min()) * self.nodes / self.length
        height = float(initial.max() - initial.min())
        return height * self.length / self.viscosity if slope * self.times[-1] > 1 else 0.0

    @property
    def remarks(self) -> tuple[str, ...]:
        """That samples take long."""
        if self.steepness < _STEEP:
            return ()
        return (
            f"fronts need about {3 * self.steepness:,.0f} nodes, on which a sample takes minutes; "
            "raise viscosity, or lower the scale or variance of initial",
        )

    def check(self) -> None:
        """Refuse fluids at rest, and waves whose fronts no number of nodes would resolve."""
        check_random(initial=self.initial)
        if (steepness := self.steepness) > STEEPEST:
            least = self.viscosity * steepness / STEEPEST
            raise ValueError(
                f"viscosity = {self.viscosity:g}: fronts would be too steep for any grid; use "
                f"viscosity >= {least:.1g}, a smaller scale or variance of initial, or less time"
            )

    def solve(self, index: int, seed: int) -> Tensor:
        """One sample (time, channel, x) on ``resolution`` nodes."""
        initial = self.initial_state(index, seed).to(self.device)
        states = self.system.solve(initial, self.times)[0]
        return self.space.restrict(states, self.resolution)

    def initial_state(self, index: int, seed: int) -> Tensor:
        """The initial field of one sample on ``nodes`` nodes, (1, 1, x)."""
        return self.initial.sample(self.space, self.nodes, [index], seed, channels=1)
