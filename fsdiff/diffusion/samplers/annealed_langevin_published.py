"""Annealed Langevin dynamics as first published of function spaces, with its defects and without.

Song and Ermon (arXiv 1907.05600), Algorithm 1; of functions Lim et al. (arXiv 2302.07400).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.base import Run, Sampler, State
from fsdiff.diffusion.samplers.times import Corrections, Steps, time_grid


@dataclass(frozen=True, kw_only=True)
class PublishedAnnealedLangevin(Sampler):
    """``corrections`` Langevin steps x ← x + ½α S + √α ζ at each of ``steps`` levels σ₁ > … > σ_L.

    Levels are those of the process ``ve``, in equal ratios, and α_i = ``epsilon`` σ_i²/σ_L². The
    defaults are published for interferograms, and three things in them are mistakes:

    * ``levels_as: variance``. Networks were trained with noise of variance σ, so that levels
      sampled as deviations have α_i = ε (r_i/r_L)⁴ for noise whose deviation is r = √σ: steps
      become too short to follow. The levels 30 to 0.01 of the code are sigma_max 30^½ and
      sigma_min 0.1 of the process. Repaired: ``deviation``, with α_i = ε (r_i/r_L)².
    * ``start: unit``. The first state is N(0, Q) although σ₁ is not one. Repaired: ``level``, the
      law of X_T with the second moments of the data.
    * ``last: state``. Samples keep the noise of the last level. Repaired: ``estimate``, that of the
      data at the last level, which is x + σ_L² S.

    ``annealed_langevin`` is the same method on any process, in steps relative to the noise.
    """

    steps: Steps = 500
    corrections: Corrections = 3
    epsilon: PositiveFloat = 6e-6
    levels_as: Literal["variance", "deviation"] = "variance"
    start: Literal["unit", "level"] = "unit"
    last: Literal["state", "estimate"] = "state"
    kind: Literal["annealed_langevin_published"] = "annealed_langevin_published"

    def draw(self, run: Run, groups: Sequence[tuple[int, ...]]) -> list[State]:
        """All steps at all levels, from the first one."""
        times = time_grid(run.law.process, self.steps, "log_snr").tolist()
        lowest = run.marginal(times[-1], run.n)
        states = [self._first(run, group, times[0]) for group in groups]
        for number, time in enumerate(times):
            level = run.marginal(time, run.n)
            length = self.length(level.noise_scale, lowest.noise_scale)
            for state in states:
                self._correct(run, state, number, level, length)
        if self.last == "estimate":
            for state in states:
                state.fields = run.denoise(state, state.fields, lowest).data
        return states

    def length(self, noise: Tensor, lowest: Tensor) -> Tensor:
        """α of a level whose noise has this deviation, and the last one that ``lowest``."""
        power = 4 if self.levels_as == "variance" else 2
        return self.epsilon * (noise / lowest) ** power

    def check(self, process: GaussianPath) -> None:
        """Refuse processes that change the data, and steps that diverge."""
        if process.kind != "ve":
            raise ValueError(
                f"{self.kind} has levels of noise on data that stay as they are, and those of "
                f"{process.kind} do not: use process ve, or annealed_langevin"
            )
        ends = torch.tensor([process.T, process.smallest_time], dtype=torch.float64)
        first, last = process.noise_scale(ends, torch.zeros_like(ends))
        longest = max(float(self.length(r, last) / r**2) for r in (first, last))
        if longest >= 4:
            raise ValueError(
                f"epsilon = {self.epsilon:g} makes steps of {longest:.2g} variances of the noise, "
                f"and from 4 on they diverge: use epsilon < {4 * self.epsilon / longest:.2g}"
            )

    def _first(self, run: Run, group: tuple[int, ...], time: float) -> State:
        state = State(group, run.gaussian(group, time, run.n))
        if self.start == "unit":
            state.fields = run.noise(state, run.n, self.steps)
        return state

    def _correct(
        self, run: Run, state: State, number: int, level: Marginal, length: Tensor
    ) -> None:
        """The steps of one level; S = −η̂/r."""
        pull = 0.5 * length / level.noise_scale
        for correction in range(self.corrections):
            noise = run.denoise(state, state.fields, level).noise
            fresh = run.noise(state, run.n, number, correction)
            moved = state.fields - level.apply(pull, noise)
            state.fields = moved + level.apply(length.sqrt(), fresh)
