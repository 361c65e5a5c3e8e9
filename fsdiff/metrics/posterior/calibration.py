"""Whether draws are spread as the truth is: CRPS, coverage of intervals, ranks of the truth.

Gneiting and Raftery (JASA, 2007); Ferro (QJRMS, 2014) for the fair score; Talts, Betancourt,
Simpson, Vehtari and Gelman, "Validating Bayesian inference algorithms with simulation-based
calibration" (arXiv 1804.06788).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor

from fsdiff.metrics.posterior.base import (
    AGAINST_TRUTH,
    CALIBRATION,
    Cases,
    Needed,
    PosteriorMetric,
    mean_over_cases,
)
from fsdiff.metrics.words import Words
from fsdiff.randomness import generator
from fsdiff.streams import Stream


@dataclass(frozen=True)
class RankedProbabilityScore(PosteriorMetric):
    """The continuous ranked probability score E|X − y| − ½ E|X − X'|, node by node.

    The fair estimator: E|X − X'| over pairs of different draws, so that its expectation does not
    depend on how many draws there are. In deviations of the channels. Its mean over cases is
    least for the true posterior. Of an estimate without spread it is the absolute error.
    """

    kind: Literal["crps"] = "crps"
    compared: ClassVar[bool] = True
    continued: ClassVar[bool] = True
    needs: ClassVar[tuple[Needed, ...]] = ("truth",)
    words = (Words("crps", "CRPS", AGAINST_TRUTH),)
    of_estimates: ClassVar[tuple[str, ...]] = ("crps",)

    def measure(self, cases: Cases) -> dict[str, float]:
        """The mean over cases, channels and nodes."""
        assert cases.truth is not None
        truth = cases.truth

        def score(case: int) -> Tensor:
            return cases.mean(fair_score(cases.draws[case].double(), truth[case].double()))

        return {self.kind: float(mean_over_cases(score, cases))}


def fair_score(draws: Tensor, truth: Tensor) -> Tensor:
    """The score of draws (count, *shape) of numbers for ``truth`` (*shape).

    Of one draw, taken for a law without spread, it is the absolute error.
    """
    count = len(draws)
    if count == 1:
        return (draws[0] - truth).abs()
    # Σ_{i<j} (x_(j) − x_(i)) counts the i-th smallest 2i − count − 1 times.
    weights = (2 * torch.arange(count) - count + 1).to(draws)
    pairs = torch.tensordot(weights, draws.sort(0).values, 1) * 2 / (count * (count - 1))
    return (draws - truth).abs().mean(0) - 0.5 * pairs


@dataclass(frozen=True)
class Coverage(PosteriorMetric):
    """How often the truth at a node is in the central 50 % and 90 % of draws.

    Quantiles are those at p(N + 1) of the ordered draws, between which exactly that share of truths
    falls if these are drawn from the same law, for N = 19, 39, … draws, and nearly so for others.
    A truth that some draws equal, as of fields with two values, has each place among these with
    the same probability.
    """

    kind: Literal["coverage"] = "coverage"
    continued: ClassVar[bool] = True
    needs: ClassVar[tuple[Needed, ...]] = ("truth",)
    at_least: ClassVar[int] = 19
    words = (
        Words("coverage_50", "coverage of 50 % intervals", CALIBRATION, 0.5, True),
        Words("coverage_90", "coverage of 90 % intervals", CALIBRATION, 0.9, True),
    )

    def measure(self, cases: Cases) -> dict[str, float]:
        """The shares of nodes and cases."""
        assert cases.truth is not None
        truth, count = cases.truth, cases.draws.shape[1]
        levels = torch.tensor([0.25, 0.75, 0.05, 0.95], dtype=torch.float64)
        places = levels * (count + 1) - 1
        lower = places.floor().clamp(0, count - 2).long()
        share = (places - lower).clamp(0, 1)

        def covered(case: int) -> Tensor:
            ordered = cases.draws[case].double().sort(0).values
            weight = share.to(ordered).view(-1, *[1] * (ordered.ndim - 1))
            ends = torch.lerp(ordered[lower], ordered[lower + 1], weight)
            true = truth[case].to(ordered)
            below, equal = (ordered < true).sum(0), (ordered == true).sum(0)
            # Of places r of the truth, that many draws being below it, clamp(r − q, 0, 1) of what
            # is there exceeds the quantile with number q: its mean over r = below … below + equal.
            numbers = places.to(ordered).view_as(weight)
            shares = (below + equal - numbers).clamp_min(0) - (below - 1 - numbers).clamp_min(0)
            exceeds = torch.where(equal > 0, shares / (equal + 1), (true > ends).to(ordered))
            return cases.mean(exceeds[::2] - exceeds[1::2])

        found = mean_over_cases(covered, cases)
        return dict(zip(self.results, found.tolist(), strict=True))


@dataclass(frozen=True)
class Calibration(PosteriorMetric):
    """Ranks of the truth among draws, in ``modes`` leading coefficients: uniform if calibrated.

    A χ² test of uniformity over cases in each functional. ``calibration`` is the mean of χ² over
    its degrees of freedom: 1 for calibrated draws, more where ranks pile up.
    ``calibration_p_value`` is the smallest p-value times the number of functionals, at most 1.
    """

    modes: Annotated[int, Field(ge=1, le=256)] = 10
    bins: Annotated[int, Field(ge=2, le=1000)] = 10
    seed: NonNegativeInt = 0
    kind: Literal["calibration"] = "calibration"
    needs: ClassVar[tuple[Needed, ...]] = ("truth",)
    words = (
        Words("calibration", "χ² of ranks over degrees of freedom", CALIBRATION, target=1.0),
        Words("calibration_p_value", "p-value of uniform ranks", CALIBRATION, target=None),
    )

    @property
    def at_least_cases(self) -> int:
        """Five a bin: of fewer, the test would be wrong."""
        return max(20, 5 * self.bins)

    def check_counts(self, cases: int, draws: int) -> None:
        """Refuse fewer draws than there are bins for their ranks, too."""
        super().check_counts(cases, draws)
        if draws + 1 < self.bins:
            raise ValueError(
                f"'{self.kind}' with {self.bins} bins needs {self.bins - 1} draws or more; there "
                f"are {draws}: lower bins"
            )

    def measure(self, cases: Cases) -> dict[str, float]:
        """The test over all functionals."""
        from scipy.stats import chi2  # a second that only those pay who need it

        counts = self.histogram(cases)
        expected = len(cases.draws) * self._shares(cases.draws.shape[1])
        statistic = ((counts - expected) ** 2 / expected).sum(1)
        freedom = self.bins - 1
        smallest = float(chi2.sf(statistic, freedom).min())
        values = (float(statistic.mean() / freedom), min(1.0, len(statistic) * smallest))
        return dict(zip(self.results, values, strict=True))

    def histogram(self, cases: Cases) -> np.ndarray:
        """How many truths have a rank in each bin, (functionals, bins)."""
        ranks, draws = self.ranks(cases), cases.draws.shape[1]
        places = ranks * self.bins // (draws + 1)
        return np.stack([np.bincount(row, minlength=self.bins) for row in places.T])

    def ranks(self, cases: Cases) -> np.ndarray:
        """How many draws are below the truth, (cases, functionals); ties are drawn by lot."""
        assert cases.truth is not None
        draws = cases.leading(cases.draws.double(), self.modes)
        truth = cases.leading(cases.truth.double(), self.modes)[:, None]
        below, equal = (draws < truth).sum(1).numpy(), (draws == truth).sum(1).numpy()
        random = generator(self.seed, Stream.RANK_TIES)
        return below + random.integers(0, equal + 1)

    def _shares(self, draws: int) -> np.ndarray:
        """The probability of each bin for uniform ranks 0 … draws."""
        places = np.arange(draws + 1) * self.bins // (draws + 1)
        return np.bincount(places, minlength=self.bins) / (draws + 1)
