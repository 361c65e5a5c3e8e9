"""How probable new data are under draws: the score by which regressions are compared."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.metrics.posterior.base import (
    AGAINST_REFERENCE,
    AGAINST_TRUTH,
    Cases,
    Needed,
    PosteriorMetric,
    mean_over_cases,
)
from fsdiff.metrics.words import Words


@dataclass(frozen=True)
class LogDensity(PosteriorMetric):
    """ln N(y; μ, s² + σ²) of data y = u + N(0, σ²) at every node, node by node.

    μ and s² are the mean and the variance of the draws, σ is ``noise``, in deviations of the
    channels; u is the truth, and the mean over errors of y is taken in closed form.
    """

    noise: PositiveFloat = 0.05
    kind: Literal["log_density"] = "log_density"
    continued: ClassVar[bool] = True
    needs: ClassVar[tuple[Needed, ...]] = ("truth",)
    words = (Words("log_density", "log-likelihood of new data", AGAINST_TRUTH, target=None),)

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases, channels and nodes."""
        assert cases.truth is not None
        truth = cases.truth

        def density(case: int) -> Tensor:
            return cases.mean(log_density(cases.draws[case], truth[case], self.noise))

        return {self.kind: float(mean_over_cases(density, cases))}


@dataclass(frozen=True)
class LogDensityLost(PosteriorMetric):
    """By how much that is less than under the draws of the reference; 0 for the true posterior.

    N draws of a true posterior that is Gaussian and wide against σ lose about 1/N.
    """

    noise: PositiveFloat = 0.05
    kind: Literal["log_density_lost"] = "log_density_lost"
    continued: ClassVar[bool] = True
    needs: ClassVar[tuple[Needed, ...]] = ("truth", "reference")
    words = (Words("log_density_lost", "log-likelihood of new data lost", AGAINST_REFERENCE),)

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases, channels and nodes."""
        assert cases.truth is not None
        assert cases.reference is not None
        truth, reference = cases.truth, cases.reference

        def lost(case: int) -> Tensor:
            best = log_density(reference[case], truth[case], self.noise)
            return cases.mean(best - log_density(cases.draws[case], truth[case], self.noise))

        return {self.kind: float(mean_over_cases(lost, cases))}


def log_density(draws: Tensor, truth: Tensor, noise: float) -> Tensor:
    """E ln N(truth + N(0, noise²); μ, s² + noise²) with the moments of draws (count, *shape)."""
    mean, variance = draws.double().mean(0), draws.double().var(0) + noise**2
    off = (truth.double() - mean).square() + noise**2
    return -0.5 * ((2 * math.pi * variance).log() + off / variance)
