"""The probability flow with steps as long as a tolerance allows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.base import Run, Sampler, State, Step
from fsdiff.diffusion.samplers.heun import HeunStep
from fsdiff.diffusion.samplers.times import Spacing, time_at


@dataclass(frozen=True, kw_only=True)
class AdaptiveHeun(Sampler):
    """The steps of ``heun``, each as long as its error allows; every sample has its own.

    The error is that of the first-order guess in the norm of fields, relative to the size of X_s
    (as Lu et al., arXiv 2206.00927, App. C); the corrected value is kept. Errors of the result are
    proportional to ``tolerance``, evaluations to its inverse square root; below 10⁻⁶ there is
    nothing but rounding. Steps are measured on the grid that ``spacing`` makes uniform.
    """

    tolerance: Annotated[float, Field(ge=1e-6, lt=1)] = 0.01
    spacing: Spacing = "log_snr"
    kind: Literal["adaptive_heun"] = "adaptive_heun"
    together: ClassVar[bool] = False

    def draw(self, run: Run, groups: Sequence[tuple[int, ...]]) -> list[State]:
        """One sample after the other, also on an accelerator."""
        start = run.law.process.T
        states = [State(group, run.first_fields(group, start, run.n)) for group in groups]
        for state in states:
            self._follow(run, state)
        return states

    def _follow(self, run: Run, state: State) -> None:
        """Integrate from T to the smallest time; the last estimate of the data is the sample."""
        process, left, length = run.law.process, 1.0, FIRST_STEP
        now = run.marginal(process.T, run.n)
        data = run.denoise(state, state.fields, now).data
        while left > 0:
            length = min(length, left)
            then = run.marginal(self._time(process, left - length), run.n)
            pair = HeunStep(Step(run, 0, run.n, None, now, then))
            guess = pair.guess(state.fields, data)
            correction = pair.correction(data, run.denoise(state, guess, then).data)
            error = self._error(correction, then.total_variance)
            if error <= 1:
                state.fields, now, left = guess + correction, then, left - length
                data = run.denoise(state, state.fields, now).data
            length = min(LONGEST_STEP, length * min(2.0, max(0.2, 0.9 / math.sqrt(error + 1e-12))))
        state.fields = data

    def _time(self, process: GaussianPath, left: float) -> float:
        return float(time_at(process, torch.tensor(left, dtype=torch.float64), self.spacing))

    def _error(self, correction: Tensor, variance: Tensor) -> float:
        """The local error in units of the tolerance."""
        error = float((correction.square() / variance).mean().sqrt()) / self.tolerance
        if not math.isfinite(error):
            raise FloatingPointError(
                f"{self.kind}: an estimate of the data is not finite; train the model further"
            )
        return error


FIRST_STEP, LONGEST_STEP = 0.05, 0.1
"""Parts of the way. Structure grows from noise that both stages of a long step would overlook."""
