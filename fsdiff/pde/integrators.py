"""Adaptive time integration of one state of a stiff, diffusive partial differential equation.

The integrator sees a state as one tensor, and the equation as an object that writes time
derivatives into given tensors, so that a step allocates nothing. All operations are elementwise or
sum along the last axis, so results do not depend on the number of threads.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.pde.stabilised import Scheme, longest_interval, scheme, stages_for

Tolerance = Annotated[float, Field(gt=0, le=1e-2)]
"""Error allowed to a time step, relative to the state."""

_MOST_STAGES = 60
_SAFETY = 0.85
_SHRINKAGE, _GROWTH = 0.1, 3.0
_STABILITY_MARGIN = 1.05


class Equations(ABC):
    """An autonomous system y' = f(y) whose stiffness comes from diffusion."""

    @abstractmethod
    def derivative(self, state: Tensor, out: Tensor) -> None:
        """Write f(state) into ``out``."""

    @abstractmethod
    def spectral_radius(self, state: Tensor) -> float:
        """A bound of the modulus of the eigenvalues of f's Jacobian at ``state``."""

    def stage(
        self,
        before: Tensor,
        state: Tensor,
        weight: float,
        change: float,
        slope: Tensor,
        out: Tensor,
    ) -> None:
        """Write before + weight (state − before) + change f(state) into ``out``.

        ``slope`` may be used to hold f.
        """
        self.derivative(state, slope)
        torch.lerp(before, state, weight, out=out).add_(slope, alpha=change)

    def combine(self, terms: Sequence[Tensor], weights: Sequence[float], out: Tensor) -> None:
        """Write Σ weights · terms into ``out``, which is none of the terms; first come first."""
        first, done = terms[0], 1
        if weights[0] == 1 and len(terms) > 1:  # a pass less, of the same numbers
            torch.add(first, terms[1], alpha=weights[1], out=out)
            done = 2
        else:
            torch.mul(first, weights[0], out=out)
        for term, weight in zip(terms[done:], weights[done:], strict=True):
            out.add_(term, alpha=weight)


class IntegrationError(ArithmeticError):
    """The solution is not finite beyond ``time``."""

    def __init__(self, message: str, time: float) -> None:
        super().__init__(message)
        self.time = time


def fewest_steps(radius: float, time: float) -> float:
    """How many steps until ``time`` a spectral radius needs at least, each of the most stages."""
    return time * _STABILITY_MARGIN * radius / longest_interval(_MOST_STAGES)


def attainable(tolerance: float, precision: torch.dtype) -> float:
    """The tolerance, or 20 units of rounding: below that, errors cannot be told from rounding."""
    return max(tolerance, 20 * torch.finfo(precision).eps)


def integrate(
    equations: Equations, initial: Tensor, times: Sequence[float], *, tolerance: float
) -> Iterator[Tensor]:
    """Solve y' = f(y), y(0) = ``initial``, and yield y at ``times`` (increasing, not negative).

    Steps are chosen so that the estimated error of each, in the Euclidean norm and relative to the
    state, is at most ``tolerance``, or what rounding allows where that is more. They end at the
    last of ``times``; the others are interpolated. A yielded tensor is overwritten when the next is
    asked for. Raises ``IntegrationError`` where the solution is not finite.
    """
    stepper = _Stepper(equations, initial, times[-1], tolerance)
    for time in times:
        while stepper.points[-1].time < time:
            stepper.advance()
        yield stepper.at(time)


@dataclass
class _Point:
    """A point of the solution: y and y' at a time."""

    time: float
    state: Tensor
    slope: Tensor


class _Stepper:
    """The last three points of the solution, and the step to try next."""

    def __init__(self, equations: Equations, initial: Tensor, end: float, tolerance: float) -> None:
        self.equations, self.end = equations, end
        self.tolerance = attainable(tolerance, initial.dtype)
        spare = [_Point(0.0, *_empty(initial, 2)) for _ in range(4)]
        start = spare.pop()
        start.state.copy_(initial)
        equations.derivative(start.state, start.slope)
        self.points, self.spare = deque([start]), spare
        self.buffers, self.slopes = _empty(initial, 2), _empty(initial, 4)
        self.step = _first_step(start, end)
        self.growth = _GROWTH

    def advance(self) -> None:
        """Make one step that meets the tolerance, trying smaller ones as long as it does not."""
        start, new = self.points[-1], self.spare.pop()
        radius = _STABILITY_MARGIN * self.equations.spectral_radius(start.state)
        longest = longest_interval(_MOST_STAGES) / radius
        while True:
            remaining = self.end - start.time
            step = min(self.step, longest, remaining)
            if not start.time + step > start.time:
                raise IntegrationError("the solution is not finite", start.time)
            new.time = self.end if step == remaining else start.time + step
            ratio = self._try(scheme(stages_for(step * radius)), start, step, new) / self.tolerance
            if ratio <= 1:
                break
            self.step = step * _change(ratio, 1.0)
            self.growth = 1.0
        proposal = step * _change(ratio, self.growth)
        self.step = max(self.step, proposal) if step == remaining else proposal
        self.growth = _GROWTH
        self.points.append(new)
        if len(self.points) > 3:
            self.spare.append(self.points.popleft())

    def at(self, time: float) -> Tensor:
        """The Hermite polynomial through the last points: of order six where there are three."""
        points = self.points
        if time == points[-1].time:
            return points[-1].state
        weights = _hermite_weights([point.time - time for point in points])
        values = [(point.state, weight) for point, (weight, _) in zip(points, weights, strict=True)]
        slopes = [(point.slope, weight) for point, (_, weight) in zip(points, weights, strict=True)]
        terms, shares = zip(values[-1], *values[:-1], *slopes, strict=True)
        self.equations.combine(terms, shares, self.buffers[0])
        return self.buffers[0]

    def _try(self, method: Scheme, start: _Point, step: float, new: _Point) -> float:
        """Write the end of the step into ``new``; return the estimated error over the state."""
        k, combine = self.slopes, self.equations.combine
        g = self._recur(method, start, step)
        self.equations.derivative(g, k[0])
        for row in (*method.finish[1:], method.weights):
            shares = [step * weight for weight in row]
            combine([g, *k[: len(row)]], [1.0, *shares], new.state)
            slope = k[len(row)] if len(row) < len(k) else new.slope
            self.equations.derivative(new.state, slope)
        error = self.buffers[0]
        combine([new.slope, *k], [method.error[-1], *method.error[:-1]], error)
        return step * _norm(error) / max(_norm(new.state), torch.finfo(error.dtype).tiny)

    def _recur(self, method: Scheme, start: _Point, step: float) -> Tensor:
        """The stages of the three-term recurrence; returns the last stage value."""
        before, slope = start.state, self.slopes[0]
        first = step * method.recurrence[0][0]
        g = torch.add(before, start.slope, alpha=first, out=self.buffers[0])
        for j, (mu, nu) in enumerate(method.recurrence[1:], 1):
            after = self.buffers[j % 2]
            self.equations.stage(before, g, nu, step * mu, slope, after)
            before, g = g, after
        return g


def _first_step(start: _Point, end: float) -> float:
    """A step over which the state changes by about one per cent."""
    size, change = _norm(start.state), _norm(start.slope)
    if not math.isfinite(size) or not math.isfinite(change):
        raise IntegrationError("the initial state or its slope is not finite", start.time)
    return 0.01 * size / change if size > 0 and change > 0 else 0.01 * end


def _change(ratio: float, growth: float) -> float:
    """Factor for the next step where the error is ``ratio`` times the tolerance."""
    if not math.isfinite(ratio):
        return _SHRINKAGE
    return min(growth, max(_SHRINKAGE, _SAFETY * max(ratio, 1e-8) ** -0.25))


def _hermite_weights(nodes: Sequence[float]) -> list[tuple[float, float]]:
    """Weights of values and slopes at ``nodes`` in the value at 0 of the Hermite polynomial."""
    weights = []
    for i, node in enumerate(nodes):
        others = [other for j, other in enumerate(nodes) if j != i]
        lagrange = math.prod(other / (other - node) for other in others)
        slope = sum(1 / (node - other) for other in others)
        weights.append(((1 + 2 * node * slope) * lagrange**2, -node * lagrange**2))
    return weights


def _empty(like: Tensor, count: int) -> list[Tensor]:
    return [torch.empty_like(like, memory_format=torch.contiguous_format) for _ in range(count)]


def _norm(y: Tensor) -> float:
    """Euclidean norm, summed along the last axis first."""
    return torch.linalg.vector_norm(torch.linalg.vector_norm(y, dim=-1)).item()
