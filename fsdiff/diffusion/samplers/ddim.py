"""Exponential steps with the estimates held fixed: DDIM and its stochastic relatives."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.diffusion.samplers.base import Method, State, Step, Update


@dataclass(frozen=True, kw_only=True)
class DDIM(Method):
    """Exponential steps with the estimates held fixed (Song et al., arXiv 2010.02502), by mode.

    x_s = m_s x̂_0 + √(r_s² − σ²) η̂ + σ ζ with σ = eta·r_s·√(1 − m_t² r_s²/(m_s² r_t²)): eta = 0 is
    deterministic, eta = 1 ancestral. First order.
    """

    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    kind: Literal["ddim"] = "ddim"

    def update(self, step: Step) -> Update:
        """With e^{−h} = m_t r_s/(m_s r_t), σ² = eta² r_s² (1 − e^{−2h})."""
        now, then = step.now, step.then
        fresh = self._fresh(step)
        kept = then.noise_scale * step.rounded((1 - fresh).clamp_min(0).sqrt())
        spread = then.noise_scale * step.rounded(fresh.clamp_min(0).sqrt())

        def update(state: State) -> None:
            estimate = step.run.denoise(state, state.fields, now)
            data = then.apply(then.mean_scale, estimate.data)
            state.fields = data + then.apply(kept, estimate.noise)
            if self.eta > 0:
                state.fields = state.fields + then.apply(spread, step.noise(state))

        return update

    def renewed(self, step: Step) -> Tensor:
        """1 − e^{−h} √(1 − σ²/r_s²)."""
        return 1 - (-step.length).exp() * (1 - self._fresh(step)).clamp_min(0).sqrt()

    def _fresh(self, step: Step) -> Tensor:
        """σ²/r_s², the share of the noise that is new."""
        return -(self.eta**2) * torch.expm1(-2 * step.length)
