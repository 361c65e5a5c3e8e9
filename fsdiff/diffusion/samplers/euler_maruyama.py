"""Euler–Maruyama on the reverse stochastic differential equation."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.base import Method, State, Step, Update
from fsdiff.diffusion.samplers.times import Spacing, Steps, on_every_frequency
from fsdiff.spaces.bases import Basis


@dataclass(frozen=True, kw_only=True)
class EulerMaruyama(Method):
    """Euler–Maruyama on the reverse SDE dY = [−f Y + g² S] ds + g dW^Q.

    Weak order one. Hagemann et al. (arXiv 2303.04772) take 200 uniform steps. The last step is the
    estimate of the data, without which the noise of the smallest time would stay.
    """

    steps: Steps = 200
    spacing: Spacing = "uniform"
    kind: Literal["euler_maruyama"] = "euler_maruyama"

    def update(self, step: Step) -> Update:
        """x ← (1 − h f) x − h (g²/r) η̂ + √h g ζ, since S = −η̂/r."""
        now, process = step.now, step.now.process
        length = now.time - step.then.time
        drift = process.drift(now.time, now.omega_squared)
        diffusion = process.diffusion(now.time, now.omega_squared)
        kept = step.rounded(1 - length * drift)
        pull = step.rounded(length * diffusion.square()) / now.noise_scale
        spread = step.rounded(length.sqrt() * diffusion)

        def update(state: State) -> None:
            noise = step.run.denoise(state, state.fields, now).noise
            moved = now.apply(kept, state.fields) - now.apply(pull, noise)
            state.fields = moved + now.apply(spread, step.noise(state))

        return update

    def renewed(self, step: Step) -> Tensor:
        """1 − e^{−2h}, but for the error of the step."""
        return -torch.expm1(-2 * step.length)

    def check_grid(self, process: GaussianPath, basis: Basis, n: int) -> None:
        """Refuse steps so long that modes made of noise would grow: h (f + g²/r²) > 2."""
        times, omega_squared = on_every_frequency(self.times(process), basis, n)
        start = times[:-1]
        noise = process.noise_variance(start, omega_squared)
        rate = process.diffusion(start, omega_squared).square() / noise
        rate = rate + process.drift(start, omega_squared)
        worst = float((rate * (start - times[1:])).max())
        if worst > 2:
            raise ValueError(
                f"explicit steps of {self.kind} are unstable for {process.kind} on {n} nodes, by a "
                f"factor of {worst / 2:.2g}: use more steps, or ddim with eta: 1, which is stable"
            )
