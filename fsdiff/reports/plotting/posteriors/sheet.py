"""Many panels of one size, each at its place in inches."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from fsdiff.reports.plotting.style import SMALL

NAMES = 1.45
"""Inches for the names of rows."""

TITLE, TITLES, NOTE, BAR = 0.45, 0.28, 0.2, 0.62
"""Inches for a figure's title, for titles above panels, numbers below them and a colour bar."""


class Sheet:
    """A figure of ``width`` and ``height`` inches, filled from above."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.figure = Figure(figsize=(width, height))
        self.width, self.height, self.top = width, height, TITLE
        self.figure.text(0.5, 1 - 0.25 / height, title, ha="center", va="center", fontsize=11)

    def row(self, lefts: np.ndarray, size: tuple[float, float], below: float) -> np.ndarray:
        """Panels at these distances from the left, and ``below`` them so much room."""
        panels = [self._axes(left, *size) for left in lefts]
        self.top += size[1] + below
        found = np.empty(len(panels), object)
        found[:] = panels
        return found

    def bar(
        self, left: float, width: float, colours: ScalarMappable, label: str, **how: Any
    ) -> None:
        """What colours mean, at the present height; see ``colour_bar``."""
        colour_bar(self._axes(left, width, 0.11), colours, label, **how)

    def _axes(self, left: float, width: float, height: float) -> Axes:
        bottom = self.height - self.top - height
        place = left / self.width, bottom / self.height, width / self.width, height / self.height
        return self.figure.add_axes(place)


def colour_bar(
    axes: Axes,
    colours: ScalarMappable,
    label: str,
    *,
    extend: Literal["neither", "both", "min", "max"] = "neither",
    ticks: int | Sequence[float] = 5,
) -> None:
    """A horizontal colour bar with about ``ticks`` ticks, or with these."""
    given = None if isinstance(ticks, int) else list(ticks)
    figure = axes.figure.figure
    bar = figure.colorbar(colours, cax=axes, orientation="horizontal", extend=extend, ticks=given)
    if isinstance(ticks, int):
        bar.ax.locator_params(axis="x", nbins=ticks)
    bar.set_label(label, fontsize=SMALL)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_linewidth(0.5)
