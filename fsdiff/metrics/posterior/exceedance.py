"""How probable a posterior takes it to be that a field exceeds a level, node by node."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import FiniteFloat
from torch import Tensor

from fsdiff.metrics.posterior.base import (
    AGAINST_REFERENCE,
    Cases,
    Needed,
    PosteriorMetric,
    mean_over_cases,
)
from fsdiff.metrics.words import Words


@dataclass(frozen=True)
class Exceedance(PosteriorMetric):
    """The mean over nodes of |P(u ≥ level) − P*(u ≥ level)|, P* that of the reference.

    The level is in deviations of the channel from its mean: where there are two media, 0 lies
    between them, and P is the probability of one of them. N draws against M of the same law are at
    √(2/π) E √(P(1 − P)(1/N + 1/M)), at most 0.4 √(1/N + 1/M).
    """

    level: FiniteFloat = 0.0
    kind: Literal["exceedance"] = "exceedance"
    continued: ClassVar[bool] = True
    needs: ClassVar[tuple[Needed, ...]] = ("reference",)
    words = (
        Words(
            "exceedance",
            "error of the probability to exceed a level",
            AGAINST_REFERENCE,
            share=True,
        ),
    )

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases, channels and nodes."""
        assert cases.reference is not None
        reference = cases.reference

        def error(case: int) -> Tensor:
            found, true = (
                (fields >= self.level).double().mean(0)
                for fields in (cases.draws[case], reference[case])
            )
            return cases.mean((found - true).abs())

        return {self.kind: float(mean_over_cases(error, cases))}
