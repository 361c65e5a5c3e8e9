"""Exponential integration of one solution, in steps as long as accuracy and stability allow."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from fsdiff.pde.exponential import Weights, advance
from fsdiff.pde.integrators import IntegrationError, attainable

MOST_STEPS = 10**6
"""A solution that needs more is given up: they take from minutes to hours."""

SURVEY_INTERVAL = 4
"""Accepted steps between choices of the grid and of the longest stable step."""

_SHRINKAGE, _GROWTH, _SAFETY = 0.1, 2.0, 0.85
_SLACK = 1.25
"""A step is kept, and with it its weights, until it can be longer by this factor."""

_SHORTEST = 1e-12
"""Share of the whole time: where steps this short are not accurate, the solution is not finite."""


class ExponentialStepper(ABC):
    """A solution of y' = −λ y + N(y) with λ ≥ 0 diagonal: its state, its time and its step.

    Subclasses set ``stable_step`` in ``survey``, where they may also go to another grid by
    ``restart``, which begins a solution, too.
    """

    state: Tensor
    slope: Tensor
    """N at ``state``."""
    weights: Weights

    def __init__(self, end: float, tolerance: float, precision: torch.dtype, rate: float) -> None:
        """``rate`` is the fastest decay that counts, by which the first step is chosen."""
        self.time, self.end = 0.0, end
        self.tolerance = attainable(tolerance, precision)
        self.accurate_step = min(end, 1 / rate) if rate > 0 else end
        self.stable_step, self.step = end, 0.0
        self.accepted, self.tried = 0, 0

    @abstractmethod
    def derivative(self, state: Tensor) -> Tensor:
        """N at a state, in a new tensor."""

    @abstractmethod
    def weigh(self, step: float) -> Weights:
        """Coefficients of a step on the present grid."""

    @abstractmethod
    def survey(self) -> None:
        """Choose the grid and the longest stable step."""

    def carries(self, state: Tensor) -> bool:
        """Whether the present grid carries a new state; if not, it has been exchanged for another.

        The step is then made again, from where it began.
        """
        return True

    def restart(self, state: Tensor) -> None:
        """Go on from ``state``, which may be on another grid."""
        self.state = state
        self.slope = self.derivative(state)
        if self.step:
            self.weights = self.weigh(self.step)

    def advance(self, time: float) -> None:
        """Integrate until ``time``, in steps of equal length as long as that is good.

        Raises IntegrationError where that takes too many.
        """
        steps = 0
        while self.time < time:
            if self.accepted % SURVEY_INTERVAL == 0:
                self.survey()
            longest = min(self.accurate_step, self.stable_step)
            if steps == 0 or not self.step <= longest <= _SLACK * self.step:
                self._check()
                steps = self._divide(time - self.time, longest)
            if self._try():
                steps -= 1
                self.accepted += 1
                self.time = self.time + self.step if steps else time

    def _check(self) -> None:
        """Refuse steps that are too short, or too many."""
        if not self.accurate_step > _SHORTEST * self.end:
            raise IntegrationError("the solution is not finite", self.time)
        if not self.stable_step * MOST_STEPS > self.end - self.time or self.tried > MOST_STEPS:
            raise IntegrationError(
                f"steps of {self.stable_step:.1e} are needed, more than {MOST_STEPS:,} of them "
                f"until t = {self.end:g}",
                self.time,
            )

    def _divide(self, interval: float, longest: float) -> int:
        """Choose the step as a whole fraction of ``interval``; return how many there are."""
        steps = math.ceil(interval / min(longest, interval))
        if interval / steps != self.step:
            self.step = interval / steps
            self.weights = self.weigh(self.step)
        return steps

    def _try(self) -> bool:
        """Make one step and keep it if the error estimate allows."""
        self.tried += 1
        end, slope, error = advance(self.derivative, self.state, self.slope, self.weights)
        size = max(norm(end), torch.finfo(end.dtype).tiny)
        ratio = norm(error) / (self.tolerance * size)
        accepted = ratio <= 1 and self.carries(end)
        change = _SAFETY * max(ratio, 1e-8) ** -0.25 if math.isfinite(ratio) else 0.0
        proposal = self.step * min(_GROWTH, max(_SHRINKAGE, change))
        # A step cut short by an output time does not take back what is known about longer ones.
        short = accepted and self.step < self.accurate_step / 2
        self.accurate_step = max(self.accurate_step, proposal) if short else proposal
        if not accepted:
            return False
        self.state, self.slope = end, slope
        return True


def norm(coefficients: Tensor) -> float:
    """Euclidean norm."""
    return torch.linalg.vector_norm(coefficients).item()
