"""Means over seeds and their ratios, how far they are known, and on which side of bounds they are.

The scatter of seeds says how far a mean is known; where both sides of a ratio are of the same
seeds, which share initial weights, the order of data and the noise of samples, pairs say it. Shares
of tests, and all numbers that come with an interval of their own, are never known better than
these intervals let them be.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

from fsdiff.metrics.binomial import exact_interval

CONFIDENCE = 0.95

MOST_SEEDS = 1000
"""Claims that more seeds would be needed for are as good as at their bound."""

NO_RATIO = "what it is to be a ratio to may be zero or less"

Verdict = Literal["reproduced", "not reproduced", "not checkable"]


class Estimate(NamedTuple):
    """A number and its confidence interval, NaN where seeds leave none; ``label`` says which.

    ``seeds`` are those of the least number of them that went into it, 0 where the interval is no
    matter of seeds. The interval of a ratio of positive numbers is symmetric in its logarithm.
    ``of_tests`` is half of the interval that numbers leave which are known by tests of their own,
    ``of_seeds`` half of that of their scatter over seeds, before it is cut to what they can be.
    """

    label: str
    value: float
    low: float
    high: float
    seeds: int
    logarithmic: bool = False
    of_tests: float = 0.0
    of_seeds: float = 0.0

    def verdict(self, bounds: tuple[float, float]) -> Verdict:
        """Whether the number is certainly between the bounds, or certainly not."""
        low, high = bounds
        if low <= self.low and self.high <= high:
            return "reproduced"
        if self.high < low or self.low > high:
            return "not reproduced"
        return "not checkable"

    @property
    def limited_by_tests(self) -> bool:
        """Whether the interval is that of tests, and not of the scatter of seeds."""
        return 0 < max(self.high - self.value, self.value - self.low) <= self.of_tests

    def seeds_to_decide(self, bounds: tuple[float, float]) -> float:
        """How many seeds would tell on which side of the bounds this value is, about.

        As many as narrow the interval to its distance from the nearest bound, if neither the mean
        nor the scatter of seeds changes: infinitely many for a value at a bound.
        """
        numbers = np.array([self.value, self.low, self.high, *bounds])
        if self.logarithmic:
            with np.errstate(divide="ignore"):  # no bound is below any ratio
                numbers = np.log(np.maximum(numbers, 0.0))
        value, low, high, *ends = numbers
        distance = min(abs(value - end) for end in ends)
        counts = np.unique(np.geomspace(self.seeds, MOST_SEEDS, 400).astype(int))
        scatter = 0.0 if self.limited_by_tests else max(high - value, value - low, self.of_seeds)
        # Intervals of shares that are none or all fall like 1/N.
        power = 1.0 if self.value in (0.0, 1.0) else 0.5
        halves = np.maximum(
            scatter * _shrinkage(counts) / _shrinkage(self.seeds),
            self.of_tests * (self.seeds / counts) ** power,
        )
        return float(next(iter(counts[halves < distance]), np.inf))


@dataclass(frozen=True)
class Values:
    """A number for each of ``seeds``, or one that is exact where there are none.

    ``ends`` (2, seed) are the intervals that each has by itself, or numbers are shares of so many
    independent ``tests`` each. Numbers are ``single`` outcomes where seeds may agree by chance
    alone, such as the rank of the best of few candidates.
    """

    numbers: np.ndarray
    seeds: tuple[Hashable, ...] = ()
    ends: np.ndarray | None = None
    tests: np.ndarray | None = None
    single: bool = False

    def reach(self) -> tuple[float, float] | None:
        """How far below and above the mean these intervals reach, taken together.

        Clopper and Pearson's of all tests, or by the method of variance estimates recovery (Zou and
        Donner, Statistics in Medicine 27, 2008). None where there are none.
        """
        if self.tests is not None:
            trials = int(self.tests.sum())
            low, high = exact_interval(round(float(self.numbers @ self.tests)), trials)
            value = float(self.numbers @ self.tests) / trials
            return value - low, high - value
        if self.ends is None:
            return None
        below, above = np.sqrt(np.square(self.ends - self.numbers).sum(1)) / len(self.numbers)
        return float(below), float(above)

    def with_numbers(self, numbers: np.ndarray) -> "Values":
        """Others of the same seeds."""
        return Values(numbers, self.seeds, single=self.single)


def mean(label: str, values: Values, limits: tuple[float, float] = (-np.inf, np.inf)) -> Estimate:
    """The mean over seeds with Student's interval, as far as it is within ``limits``.

    These are what all such numbers are between, so that nothing is lost by it; shares of tests are
    between 0 and 1. Where numbers have intervals of their own, theirs for the mean is the least
    that it can be.
    """
    value, half, seeds = float(values.numbers.mean()), _half_width([values]), len(values.seeds)
    reach = (values.reach() if seeds else None) or (0.0, 0.0)
    least, most = limits if values.tests is None else (0.0, 1.0)
    low = np.maximum(value - np.maximum(half, reach[0]), least)
    high = np.minimum(value + np.maximum(half, reach[1]), most)
    ends = float(low), float(high)
    return Estimate(label, value, *ends, seeds, of_tests=max(reach), of_seeds=half)


def p_value(label: str, values: Values) -> Estimate:
    """Twice the mean of p-values, which is one for all seeds together, however they depend.

    Rüschendorf, Annals of Statistics 10 (1982); Vovk and Wang, Biometrika 107 (2020). That of one
    seed says nothing about others.
    """
    value, seeds = float(values.numbers.mean()), len(values.seeds)
    if seeds == 1:
        return Estimate(label, value, float("nan"), float("nan"), seeds)
    value = min(1.0, 2 * value) if seeds else value
    return Estimate(f"2 × mean of {label}" if seeds else label, value, value, value, seeds)


def ratio(label: str, own: Values, others: Values) -> Estimate:
    """The ratio of geometric means, or of means where numbers are not positive.

    The interval is that of the mean of logarithms' differences, pair by pair if both are of the
    same seeds and Welch's if not; for means it is Fieller's.
    """
    seeds = min((len(values.seeds) for values in (own, others) if values.seeds), default=0)
    if not (own.numbers > 0).all() or not (others.numbers > 0).all():
        return Estimate(f"ratio of means to {label}", *_fieller(own, others), seeds)
    a, b = (values.with_numbers(np.log(values.numbers)) for values in (own, others))
    difference = a.numbers.mean() - b.numbers.mean()
    half = _half_width(_contrast(a, b))
    value, low, high = np.exp([difference, difference - half, difference + half]).tolist()
    return Estimate(f"ratio to {label}", value, low, high, seeds, logarithmic=True)


def _shrinkage(seeds: "np.ndarray | int") -> "np.ndarray | float":
    """Half of the confidence interval of a mean, in deviations of a seed."""
    return stdtrit(np.asarray(seeds) - 1, (1 + CONFIDENCE) / 2) / np.sqrt(seeds)


def _are_pairs(own: Values, others: Values) -> bool:
    """Whether both have the same seeds, in the same order."""
    return bool(own.seeds) and own.seeds == others.seeds


def _contrast(own: Values, others: Values) -> list[Values]:
    """What the difference of means is a mean of: pairs, or two samples."""
    if _are_pairs(own, others):
        return [own.with_numbers(own.numbers - others.numbers)]
    return [own, others]


def _variance_of_mean(values: Values) -> float:
    return float(values.numbers.var(ddof=1) / len(values.numbers)) if values.seeds else 0.0


def _half_width(samples: list[Values]) -> float:
    """Half of the confidence interval of a sum or difference of means, degrees as Welch's.

    NaN where a single seed, or single outcomes that are all equal, do not say how they scatter.
    """
    scattered = [values for values in samples if values.seeds]
    if not scattered:
        return 0.0
    if min(len(values.seeds) for values in scattered) < 2:
        return float("nan")
    squares = np.array([_variance_of_mean(values) for values in scattered])
    total = squares.sum()
    if total == 0:
        return float("nan") if any(values.single for values in scattered) else 0.0
    freedom = total**2 / sum(
        square**2 / (len(values.seeds) - 1)
        for square, values in zip(squares, scattered, strict=True)
    )
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2) * np.sqrt(total))


def _fieller(own: Values, others: Values) -> tuple[float, float, float]:
    """The ratio of means a/b and its interval (Fieller, JRSS B 16, 1954).

    Unbiased estimates of squared distances scatter about zero where two laws are one, and have no
    logarithm. LookupError where b itself may be zero.
    """
    a, b = float(own.numbers.mean()), float(others.numbers.mean())
    counts = [len(values.seeds) for values in (own, others) if values.seeds]
    if b <= 0:
        raise LookupError(NO_RATIO)
    if counts and min(counts) < 2:
        return a / b, float("nan"), float("nan")
    s_a, s_b, s_ab = _variance_of_mean(own), _variance_of_mean(others), 0.0
    if _are_pairs(own, others):
        s_ab = float(np.cov(own.numbers, others.numbers)[0, 1]) / len(own.numbers)
    t = float(stdtrit(min(counts) - 1, (1 + CONFIDENCE) / 2)) if counts else 0.0
    g = t**2 * s_b / b**2
    if g >= 1:
        raise LookupError(NO_RATIO)
    r = a / b
    centre = (r - g * s_ab / s_b) / (1 - g) if s_b else r
    left = s_ab**2 / s_b if s_b else 0.0
    inside = s_a - 2 * r * s_ab + r**2 * s_b - g * (s_a - left)
    half = t / (b * (1 - g)) * np.sqrt(max(inside, 0.0))
    return r, centre - half, centre + half
