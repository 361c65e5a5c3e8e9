"""Forecasts: the spread of draws against the error of their mean, over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fsdiff.reports.plotting.style import WIDTH, styled, wrapped

OBSERVED: dict[str, Any] = {"color": "#DCDCDC", "linewidth": 0, "zorder": 0.5}
ERROR: dict[str, Any] = {"color": "black", "linewidth": 1.3}
SPREAD: dict[str, Any] = {"linestyle": "--", "marker": "o", "markersize": 3}


@dataclass(frozen=True, eq=False)
class Spread:
    """Root mean squares (channel, time) over nodes and cases.

    ``error`` is that of mean − truth, ``spread`` that of √(1 + 1/N) sd: for N draws of a right
    posterior their squares have the same expectation.
    """

    title: str
    error: np.ndarray
    spread: np.ndarray
    colour: str = "black"

    @classmethod
    def of(
        cls, title: str, draws: np.ndarray, truth: np.ndarray, time: int = 0, colour: str = "black"
    ) -> "Spread":
        """Of draws (case, draw, channel, *axes), the ``time``-th of which axes is time.

        ``truth`` (case, channel, *axes) is NaN where fields have no values.
        """
        count = draws.shape[1]
        mean, variance = draws.mean(1, dtype=float), draws.var(1, ddof=1, dtype=float)
        others = tuple(axis for axis in range(truth.ndim) if axis not in (1, 2 + time))
        known = np.isfinite(truth)
        error, spread = (
            np.sqrt(np.where(known, values, 0).sum(others) / known.sum(others))
            for values in ((mean - truth) ** 2, (1 + 1 / count) * variance)
        )
        return cls(title, error, spread, colour)


@styled
def spread_over_time(
    shown: Sequence[Spread],
    times: np.ndarray,
    observed: Sequence[int],
    quantities: Mapping[int, str],
    *,
    axis: str = "t",
    title: str = "",
) -> Figure:
    """A panel for each posterior and channel: error of the mean, and spread, against time.

    ``observed`` are the numbers of the frames that were seen, which are grey. ``quantities`` name
    the channels by number, ``axis`` what ``times`` are.
    """
    down, across = len(quantities), min(len(shown), 4)
    rows = -(-len(shown) // across)
    size = min(WIDTH, 1.0 + 2.6 * across), 1.1 + 2.3 * down * rows
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(down * rows, across, squeeze=False, sharex=True)
    for axes in panels.ravel():
        axes.set_axis_off()
    for place, (channel, quantity) in enumerate(quantities.items()):
        band = panels[place * rows : (place + 1) * rows].ravel()
        top = max(max(own.error[channel].max(), own.spread[channel].max()) for own in shown)
        for number, own in enumerate(shown):
            axes = band[number]
            _panel(axes, own, channel, times, observed)
            axes.set(ylim=(0, 1.08 * float(top) or 1.0), title=wrapped(own.title, 26))
            if number % across == 0:
                axes.set_ylabel(f"rms, {wrapped(quantity, 22)}")
            if number + across >= len(shown):
                axes.set_xlabel(axis)
                axes.tick_params(labelbottom=True)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=3)
    figure.suptitle(title, fontsize=11)
    return figure


def _legend() -> list[Artist]:
    return [
        Patch(label="observed", **OBSERVED),
        Line2D([], [], label="error of the mean", **ERROR),
        Line2D([], [], label="spread of the draws", color="#767676", **SPREAD),
    ]


def _panel(
    axes: Axes, own: Spread, channel: int, times: np.ndarray, observed: Sequence[int]
) -> None:
    axes.set_axis_on()
    edges = _edges(times)
    for first, last in _runs(observed):
        axes.axvspan(edges[first], edges[last + 1], **OBSERVED)
    axes.plot(times, own.error[channel], label="error", **ERROR)
    axes.plot(times, own.spread[channel], label="spread", color=own.colour, **SPREAD)
    axes.set_xlim(edges[0], edges[-1])


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def _edges(times: np.ndarray) -> np.ndarray:
    """Where the intervals of frames meet, halfway between them."""
    if len(times) == 1:
        return times[0] + np.array([-0.5, 0.5])
    middle = (times[1:] + times[:-1]) / 2
    return np.concatenate([[2 * times[0] - middle[0]], middle, [2 * times[-1] - middle[-1]]])
