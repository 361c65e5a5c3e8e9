"""DPM-Solver++, a multistep method of second order."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fsdiff.diffusion.samplers.base import Method, State, Step, Update


@dataclass(frozen=True, kw_only=True)
class DPMSolver(Method):
    """DPM-Solver++(2M) (Lu et al., arXiv 2211.01095), by mode: second order in ln(m/r).

    With h the step in ln(m/r) and D the estimate of the data extrapolated from the last two
    evaluations, x_s = (r_s/r_t) x_t + m_s (1 − e^{−h}) D; or, if ``stochastic``, the same for the
    reverse SDE, x_s = (r_s/r_t) e^{−h} x_t + m_s (1 − e^{−2h}) D + r_s √(1 − e^{−2h}) ζ.
    """

    stochastic: bool = False
    kind: Literal["dpm_solver"] = "dpm_solver"

    def update(self, step: Step) -> Update:
        """D = x̂_0(t) + (h/2h_last)(x̂_0(t) − x̂_0(t_last)), the first step without the second."""
        now, then, h = step.now, step.then, step.length
        forgotten = step.rounded(self.renewed(step))
        kept = then.noise_scale / now.noise_scale
        if self.stochastic:
            kept = kept * step.rounded((-h).exp())
        spread = then.noise_scale * forgotten.clamp_min(0).sqrt()
        gain = then.mean_scale * forgotten
        if step.before is not None:
            moving = step.last_length > 0
            weight = step.rounded(torch.where(moving, h / (2 * step.last_length), 0.0))

        def update(state: State) -> None:
            data = direction = step.run.denoise(state, state.fields, now).data
            if state.data is not None:
                direction = data + now.apply(weight, data - state.data)
            state.fields = then.apply(kept, state.fields) + then.apply(gain, direction)
            state.data = data
            if self.stochastic:
                state.fields = state.fields + then.apply(spread, step.noise(state))

        return update

    def renewed(self, step: Step) -> Tensor:
        """1 − e^{−h}, or 1 − e^{−2h} if stochastic."""
        return -torch.expm1(-2 * step.length if self.stochastic else -step.length)
