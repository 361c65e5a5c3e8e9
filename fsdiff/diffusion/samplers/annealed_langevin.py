"""Langevin dynamics at falling levels of noise."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.diffusion.marginal import noise_grows
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.base import Method, State, Step, Update
from fsdiff.diffusion.samplers.times import Corrections, Steps, on_every_frequency
from fsdiff.spaces.bases import Basis

StepSize = Annotated[float, Field(gt=0, lt=2)]
"""α/r², a Langevin step in units of the variance of the noise; from 2 on it is unstable."""


@dataclass(frozen=True, kw_only=True)
class AnnealedLangevin(Method):
    """``corrections`` Langevin steps at each of ``steps`` levels of noise, the times of the grid.

    x ← x + ½α S + √α ζ with α = step_size·r², by mode, after x ← (m_s/m_t) x where the next level
    has more of the data. Song & Ermon (arXiv 1907.05600); in function spaces Lim et al. (arXiv
    2302.07400), whose α_i = ε σ_i²/σ_L² has step_size = ε/σ_L²: 500 levels from 30 to 0.01, 3 steps
    at each and ε = 6·10⁻⁶ are a step_size of 0.06.
    """

    steps: Steps = 500
    corrections: Corrections = 3
    step_size: StepSize = 0.06
    kind: Literal["annealed_langevin"] = "annealed_langevin"

    def update(self, step: Step) -> Update:
        """Langevin steps at the new level."""
        now, then, process = step.now, step.then, step.now.process
        start = process.log_mean_scale(now.time, now.omega_squared)
        end = process.log_mean_scale(then.time, then.omega_squared)
        growth = step.rounded((end - start).exp())
        correct = langevin(step, self.corrections, self.step_size)

        def update(state: State) -> None:
            state.fields = then.apply(growth, state.fields)
            correct(state)

        return update

    def renewed(self, step: Step) -> Tensor:
        """a/2, what each of the corrections takes of an estimate."""
        return torch.full_like(step.length, 0.5 * self.step_size)

    def check(self, process: GaussianPath) -> None:
        """Refuse processes whose noise does not fall towards the data."""
        if not noise_grows(process):
            raise ValueError(
                f"{self.kind} follows noise that falls level by level, and that of {process.kind} "
                "is the same at all times: use ddim or dpm_solver"
            )

    def check_grid(self, process: GaussianPath, basis: Basis, n: int) -> None:
        """Refuse levels that fall faster than noise decays, h > corrections·step_size/2."""
        log_ratio = process.log_ratio(*on_every_frequency(self.times(process), basis, n))
        fall = float(log_ratio.diff(dim=0).max())
        decay = 0.5 * self.corrections * self.step_size
        if fall > decay:
            raise ValueError(
                f"noise falls by up to {fall:.2g} (logarithm of r/m) from level to level on {n} "
                f"nodes, and {self.corrections} corrections of step_size {self.step_size:g} let it "
                f"decay by {decay:.2g}: use more steps or corrections, or another sampler"
            )


def langevin(step: Step, corrections: int, step_size: float) -> Update:
    """Langevin steps at the end of a step: x ← x − ½a r η̂ + √a r ζ with a = step_size."""
    then = step.then
    pull, spread = 0.5 * step_size * then.noise_scale, step_size**0.5 * then.noise_scale

    def update(state: State) -> None:
        for correction in range(corrections):
            noise = step.run.denoise(state, state.fields, then).noise
            fresh = step.noise(state, correction)
            state.fields = state.fields - then.apply(pull, noise) + then.apply(spread, fresh)

    return update
