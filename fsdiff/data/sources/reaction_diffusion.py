"""Reaction–diffusion patterns, at some times or as functions of time, from random states."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, FiniteFloat, PositiveFloat
from torch import Tensor

from fsdiff.data.sources.evolution import Evolution
from fsdiff.data.sources.planes import plane
from fsdiff.data.sources.source import PositiveTime, Time, check_channels
from fsdiff.measures.initial import FieldLaw, GaussianRandomField, check_random
from fsdiff.pde.reaction_diffusion import ReactionDiffusion
from fsdiff.pde.rectangle import Length
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.basis import Basis

SPECIES: Final = ("u", "v")

_MOST_STEPS = 10**5
"""Of a sample: they take about ten minutes on 128 × 128 cells."""


@dataclass(frozen=True)
class ReactionDiffusionData(Evolution):
    """The two-species system of PDEBench (Takamoto et al. 2022, appendix D.9).

    Sample i is the solution of ``fsdiff.pde.ReactionDiffusion`` from the i-th field of ``initial``,
    on ``resolution`` cells along the longer side. ``length`` is the side of a square, or the sides
    along (y, x) of a rectangle; lengths of ``initial`` are in units of the longer side. A single
    ``time`` gives fields, several (increasing) give series, and with ``time_nodes`` samples are
    functions of time (see ``Evolution``). PDEBench starts from white noise on the grid and stores
    both channels at 101 times.
    """

    meaning: ClassVar[str] = "concentration"
    measured_from: ClassVar[str] = "centre"

    resolution: Annotated[Nodes, Field(ge=2)] = 128
    time: PositiveTime | tuple[Time, ...] = 2.5
    channels: Annotated[tuple[Literal["u", "v"], ...], Field(min_length=1)] = ("u",)
    initial: FieldLaw = field(default_factory=GaussianRandomField)
    diffusivity_u: PositiveFloat = 1e-3
    diffusivity_v: PositiveFloat = 5e-3
    k: FiniteFloat = 5e-3
    length: Length = 2.0
    time_nodes: Annotated[Nodes, Field(ge=2)] | None = None
    time_refined: bool = False
    kind: Literal["reaction_diffusion"] = "reaction_diffusion"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_channels(self.channels)

    @property
    def space(self) -> Basis:
        """Cosines: no flux across the walls."""
        return plane("neumann", self.resolution, self.length, least=2)

    def check(self) -> None:
        """Refuse states that nothing tells apart, and diffusion that is too fast to follow."""
        check_random(initial=self.initial)
        n_y, n_x = self.space.grid(self.resolution)
        steps = self.system.fewest_steps((n_y, n_x), self.times[-1])
        if steps > _MOST_STEPS:
            fast = max(self.diffusivity_u, self.diffusivity_v)
            name = "diffusivity_u" if fast == self.diffusivity_u else "diffusivity_v"
            raise ValueError(
                f"{name} = {fast:g}: {self.resolution} cells need {steps:.0e} time steps or more "
                f"until time = {self.times[-1]:g}; lower {name}, resolution or time"
            )

    @property
    def system(self) -> ReactionDiffusion:
        """The equations."""
        return ReactionDiffusion(self.diffusivity_u, self.diffusivity_v, self.k, self.length)

    def solve(self, index: int, seed: int) -> Tensor:
        """One sample (time, channel, y, x) on ``resolution`` cells along the longer side."""
        n = self.resolution
        initial = self.initial.sample(self.space, n, [index], seed, channels=len(SPECIES))
        states = self.system.solve(initial.to(self.device), self.times)[0]
        return states[:, [SPECIES.index(name) for name in self.channels]]
