"""Coarse grids while the noise hides all that finer ones could show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from fsdiff.diffusion.law import Law
from fsdiff.diffusion.samplers.base import Run, State, take_steps
from fsdiff.diffusion.samplers.wrapper import Wrapper
from fsdiff.spaces.bases import Nodes


@dataclass(frozen=True, kw_only=True)
class Multilevel(Wrapper):
    """The steps of ``sampler``, early ones on coarse grids of ``coarsest`` · 2^j nodes per axis.

    A grid is left for the next when of the energy of the modes that only the finer one resolves, a
    share of more than ``tolerance`` could be told from the noise, Σ c_k·SNR_k/(1 + SNR_k) of Σ c_k
    with SNR = m²c/(r²λ). Until then these modes are all but independent of the others and Gaussian:
    they are drawn with exact second moments at that time, and from the numbers that a run on the
    fine grid alone starts from, so that a tolerance of 0 gives the samples of that run, and data
    that are Gaussian lose nothing at any tolerance. Noise smoother than the data hides no modes,
    and all steps are on the fine grid.
    """

    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.05
    coarsest: Annotated[Nodes, Field(ge=4)] = 32
    kind: Literal["multilevel"] = "multilevel"
    several_grids: ClassVar[bool] = True

    def draw(self, run: Run, groups: Sequence[tuple[int, ...]]) -> list[State]:
        """All steps, each on its grid."""
        times = self.sampler.times(run.law.process).tolist()
        return take_steps(self.sampler, run, groups, times, self.grids(run.law, run.n, times))

    def grids(self, law: Law, n: int, times: Sequence[float]) -> list[int]:
        """The level of the grid at each of the times, for samples at level n.

        A step may stay on a grid if at its end the modes beyond it are still hidden.
        """
        ladder = [m for m in (self.coarsest << j for j in range(n.bit_length())) if m < n] + [n]
        result = []
        for end in times[1:]:
            while len(ladder) > 1 and self._visible(law, ladder, end):
                ladder.pop(0)
            result.append(ladder[0])
        return [*result, n]

    def _visible(self, law: Law, ladder: Sequence[int], t: float) -> bool:
        """Whether any grid but the coarsest adds modes that the noise no longer hides."""
        time = torch.tensor([t], dtype=torch.float64)
        marginals = [law.marginal(time, m) for m in ladder]
        energy = torch.stack([marginal.data_variance for marginal in marginals]).diff(dim=0)
        told = torch.stack([marginal.wiener_output for marginal in marginals]).diff(dim=0)
        return bool((told > self.tolerance * energy).any())
