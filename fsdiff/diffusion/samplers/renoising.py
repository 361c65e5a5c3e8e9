"""Steps that forget the state: the estimate of the data, and noise that is all new."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.diffusion.samplers.base import Method, State, Step, Update


@dataclass(frozen=True, kw_only=True)
class Renoising(Method):
    """x_s = m_s x̂_0 + δ ζ, as images are sharpened by inverse heat dissipation.

    With δ = ``factor``·r_s. Rissanen et al. (ICLR 2023) found factor = 1.25 best: with 1 every step
    loses what an estimate cannot have, the posterior variance of M_s X_0, and more noise makes up
    for that, roughly. Without a factor it is made up for mode by mode,

        δ_k² = r_s² + m_s² c_k r_t²/(m_t² c_k + r_t² λ_k),

    which for Gaussian data has the law of X_s, whatever the steps.
    """

    factor: Annotated[float, Field(gt=0, le=10)] | None = None
    kind: Literal["renoising"] = "renoising"

    def update(self, step: Step) -> Update:
        """δ in units of √λ_k."""
        now, then = step.now, step.then
        if self.factor is None:
            variance = now.variance.clamp_min(torch.finfo(now.variance.dtype).tiny)
            lost = (then.mean_scale * now.noise_scale).square() * now.data_spectrum / variance
            # Without noise in a mode there is none to add, and what is lost of it may be anything.
            spread = (then.noise_scale.square() + lost * (now.noise_spectrum > 0)).sqrt()
        else:
            spread = self.factor * then.noise_scale

        def update(state: State) -> None:
            estimate = step.run.denoise(state, state.fields, now)
            kept = then.apply(then.mean_scale, estimate.data)
            state.fields = kept + then.apply(spread, step.noise(state))

        return update

    def renewed(self, step: Step) -> Tensor:
        """One: nothing is kept of the state."""
        return torch.ones_like(step.length)
