"""Two-dimensional flows: vorticity at one or several times, from random states or forcings."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveInt
from torch import Tensor

from fsdiff.data.sources.evolution import Evolution
from fsdiff.data.sources.source import PositiveTime, Time
from fsdiff.measures.initial import FORCING_STREAM, INITIAL_STREAM, FieldLaw, PowerLawField, Zero
from fsdiff.pde.navier_stokes import Forcing, NavierStokes, Tolerance
from fsdiff.spaces.bases import FourierBasis, Nodes


@dataclass(frozen=True)
class NavierStokesData(Evolution):
    """Vorticity of the flows of Li et al. (arXiv 2010.08895, A.3.3) and of others like them.

    Sample i is the solution of ``fsdiff.pde.NavierStokes`` from the i-th field of ``initial``, less
    its mean, computed on ``solver_resolution`` nodes per axis and restricted to ``resolution``.
    Without a ``solver_resolution`` it is ³⁄₂ of ``resolution``, the least for which the solver
    carries every mode that is kept. A single ``time`` gives fields, several (increasing) give
    series.

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
    kind: Literal["navier_stokes"] = "navier_stokes"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nodes < self.resolution:
            raise ValueError(
                f"solver_resolution = {self.solver_resolution} is below resolution = "
                f"{self.resolution}: fields are restricted, never refined; leave it out or raise it"
            )

    @property
    def basis(self) -> FourierBasis:
        """Periodic functions."""
        return FourierBasis()

    @property
    def length(self) -> float:
        """Side of the square."""
        return 1.0

    @property
    def nodes(self) -> int:
        """Nodes per axis on which the equations are solved."""
        return self.solver_resolution or -(-3 * self.resolution // 2)

    @property
    def system(self) -> NavierStokes:
        """The equations."""
        return NavierStokes(
            self.viscosity, self.forcing, self.amplitude, self.wavenumber, self.tolerance
        )

    def solve(self, index: int, seed: int) -> Tensor:
        """One sample (time, channel, y, x) on ``resolution`` nodes per axis."""
        initial = self._draw(self.initial, index, seed, INITIAL_STREAM)
        forcing = self._draw(self.random_forcing, index, seed, FORCING_STREAM)
        forcing += self.system.forcing_field(self.nodes)
        states = self.system.solve(initial, self.times, forcing)[0]
        return self.basis.restrict(states, self.resolution)

    def _draw(self, law: FieldLaw, index: int, seed: int, stream: int) -> Tensor:
        """A field of mean zero for one sample, (1, 1, y, x)."""
        field = law.sample(self.basis, self.nodes, [index], seed, channels=1, stream=stream)
        return field - field.mean((-2, -1), keepdim=True)
