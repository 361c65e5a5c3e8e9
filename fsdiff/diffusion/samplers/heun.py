"""Heun's method for the probability flow, in exponential form."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from fsdiff.diffusion.samplers.base import Method, State, Step, Update


@dataclass(frozen=True, kw_only=True)
class Heun(Method):
    """Heun's method for the probability flow, by mode: second order, two evaluations a step.

    The estimate of the data D is held fixed for a first guess, as in ``ddim``, and then taken to
    be linear in ln(m/r) between both ends: an exponential Runge–Kutta method (Hochbruck &
    Ostermann, Acta Numerica 2010, §2.3). Karras et al. (arXiv 2206.00364) have the trapezoidal rule
    for x/m, which overflows in modes where nothing is left of the data. The last step is one
    evaluation, the estimate of the data.
    """

    kind: Literal["heun"] = "heun"

    def update(self, step: Step) -> Update:
        """A guess, and its correction."""
        pair = HeunStep(step)

        def update(state: State) -> None:
            first = step.run.denoise(state, state.fields, step.now).data
            guess = pair.guess(state.fields, first)
            second = step.run.denoise(state, guess, step.then).data
            state.fields = guess + pair.correction(first, second)

        return update


@dataclass(frozen=True)
class HeunStep:
    """The two stages of a step: x_s = (r_s/r_t) x_t + m_s (1 − e^{−h}) D_t + m_s φ (D_s − D_t).

    φ = (h − 1 + e^{−h})/h. The correction, m_s φ (D_s − D_t), is also the local error of the guess.
    """

    step: Step

    def guess(self, x: Tensor, data: Tensor) -> Tensor:
        """x_s by the first-order method, from x_t and D_t."""
        now, then = self.step.now, self.step.then
        return then.apply(then.noise_scale / now.noise_scale, x) + then.apply(self._gain, data)

    def correction(self, first: Tensor, second: Tensor) -> Tensor:
        """What the second-order method adds to the guess, from D_t and D_s."""
        return self.step.then.apply(self._slope, second - first)

    @cached_property
    def _gain(self) -> Tensor:
        return self.step.then.mean_scale * self.step.rounded(-torch.expm1(-self.step.length))

    @cached_property
    def _slope(self) -> Tensor:
        h = self.step.length
        phi = torch.where(h > 1e-6, 1 + torch.expm1(-h) / h, 0.5 * h)
        return self.step.then.mean_scale * self.step.rounded(phi)
