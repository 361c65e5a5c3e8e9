"""Ranks of truths among draws, and how far chance alone moves what is read off them.

If a posterior is right, the truth is exchangeable with its draws. Each draw may then play the
truth among the others, at all places of a field at once: that says how coverage and histograms of
ranks scatter for a number of cases, whatever the correlation between the places.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from fsdiff.randomness import generator
from fsdiff.streams import Stream

LEVELS = np.arange(2, 20) / 20
"""Nominal levels of central intervals: 10, 15, … 95 %."""

CHANCE = 0.95
"""How often what chance does is within its bounds."""

REPEATED = 2000
"""How often chance is tried."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """Shares of ranks 0 … N of truths among N draws, for each case, over its places.

    ``own`` (cases, N + 1) are those of the truth; ``others`` (cases, N, N) those of each draw among
    the other N − 1. ``places`` is how many places a case has.
    """

    own: np.ndarray
    others: np.ndarray
    places: int

    @classmethod
    def of(cls, cases: Iterable[tuple[ArrayLike, ArrayLike]]) -> Self:
        """Those of (draws (N, places), truth (places,)) of each case; ties are drawn by lot."""
        random = generator(0, Stream.RANK_TIES)
        found = [_shares(np.asarray(draws), np.asarray(truth), random) for draws, truth in cases]
        own, others, places = zip(*found, strict=True)
        return cls(np.stack(own), np.stack(others), places[0])

    def coverage(self, levels: Sequence[float] | np.ndarray = LEVELS) -> np.ndarray:
        """The share of truths within central intervals of these levels, (levels,).

        A rank r stands for the cell from r/(N + 1) to (r + 1)/(N + 1) and counts by what part of it
        an interval has, so that the expectation is the level, whatever N.
        """
        return _within(levels, self.own.shape[1]) @ self.own.mean(0)

    def coverage_by_chance(self, levels: Sequence[float] | np.ndarray = LEVELS) -> np.ndarray:
        """Bounds (2, levels) on the coverage of a right posterior, for the number of cases."""
        return _bounds(self._by_chance() @ _within(levels, self.others.shape[1]).T)

    def density(self, bins: int) -> np.ndarray:
        """The histogram of ranks in ``bins`` of equal probability, in units of its expectation."""
        return bins * _binned(bins, self.own.shape[1]) @ self.own.mean(0)

    def density_by_chance(self, bins: int) -> np.ndarray:
        """Bounds (2, bins) on each height of the histogram of a right posterior."""
        return _bounds(self._densities(bins))

    def p_value(self, bins: int) -> float:
        """How often a right posterior has ranks as uneven as these, by the statistic χ².

        By trial, as the places of a field are not independent and a table of χ² would not do.
        """
        trials = np.square(self._densities(bins) - 1).sum(1)
        uneven = np.square(self.density(bins) - 1).sum()
        return float((1 + (trials >= uneven * (1 - 1e-12)).sum()) / (1 + len(trials)))

    def bins(self, most: int = 10) -> int:
        """How many bins leave about eight ranks in each, from four to ``most``."""
        expected = len(self.own) * self.places // 8
        return int(min(max(4, min(most, expected)), self.others.shape[1]))

    def _densities(self, bins: int) -> np.ndarray:
        """Histograms (trials, bins) of right posteriors, in units of their expectation."""
        return bins * self._by_chance() @ _binned(bins, self.others.shape[1]).T

    def _by_chance(self) -> np.ndarray:
        """Shares (trials, N) with, in each case, a draw at random for the truth."""
        cases, count, _ = self.others.shape
        chosen = generator(0, Stream.CHANCE).integers(0, count, (REPEATED, cases))
        total = np.zeros((REPEATED, count))
        for case, shares in enumerate(self.others):
            total += shares[chosen[:, case]]
        return total / cases


def _shares(
    draws: np.ndarray, truth: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Of one case: shares of the truth's ranks, of each draw's ranks, and how many places."""
    count, places = draws.shape
    below, equal = (draws < truth).sum(0), (draws == truth).sum(0)
    own = np.bincount(below + random.integers(0, equal + 1), minlength=count + 1)
    order = _order(np.ascontiguousarray(draws.T), random)
    others = np.stack([np.bincount(column, minlength=count) for column in order.T], axis=1)
    return own / places, others / places, places


def _order(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Indices that sort each row (places, draws), in random order where values are equal."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    tied = (ordered[:, 1:] == ordered[:, :-1]).any(1)
    if tied.any():
        order[tied] = np.lexsort((random.random(values[tied].shape), values[tied]), axis=1)
    return order


def _within(levels: Sequence[float] | np.ndarray, cells: int) -> np.ndarray:
    """Which part of each cell is in the central interval of each level, (levels, cells)."""
    half = np.asarray(levels)[:, None] / 2
    return _overlap(0.5 - half, 0.5 + half, cells)


def _binned(bins: int, cells: int) -> np.ndarray:
    """Which part of each cell is in each bin, (bins, cells)."""
    edges = np.linspace(0, 1, bins + 1)[:, None]
    return _overlap(edges[:-1], edges[1:], cells)


def _overlap(low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """Which part of each of ``cells`` equal cells of [0, 1] lies from low to high."""
    edges = np.arange(cells + 1) / cells
    inside = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
    return cells * inside.clip(0)


def _bounds(trials: np.ndarray) -> np.ndarray:
    return np.quantile(trials, [(1 - CHANCE) / 2, (1 + CHANCE) / 2], axis=0)
