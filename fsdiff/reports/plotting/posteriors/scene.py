"""A case of an inverse problem, the draws of its posteriors, and how both are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize

from fsdiff.data.storage import grid_axes
from fsdiff.reports.plotting.grids import Grid, grid_of
from fsdiff.reports.plotting.panels import colour_scale
from fsdiff.reports.plotting.style import DATA, WARNING, experiment_styles, unit_of
from fsdiff.reports.posteriors.seen import Shown

REFERENCE = "reference"
"""What the draws of Markov chains are called."""

TRUTH = "truth"
"""What fields are called that were observed."""

STEPS = (0, 1, 2, 3)
"""Where the colours of errors in deviations change."""

BEYOND = 2.0
"""A Gaussian posterior has the truth farther away than this, in deviations, at 5 % of the nodes."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Draws (draw, channel, *grid) of a posterior, NaN where fields have no values.

    ``remark`` says why they cannot serve as reference, of a reference that cannot.
    """

    title: str
    draws: np.ndarray
    colour: str = "black"
    is_reference: bool = False
    remark: str = ""

    @cached_property
    def mean(self) -> np.ndarray:
        """(channel, *grid), float64."""
        return self.draws.mean(0, dtype=np.float64)

    @cached_property
    def deviation(self) -> np.ndarray:
        """Standard deviations (channel, *grid), float64."""
        return self.draws.std(0, ddof=1, dtype=np.float64)

    def error(self, truth: np.ndarray) -> np.ndarray:
        """|mean − truth| in deviations, (channel, *grid); NaN where draws do not differ."""
        known = np.where(self.deviation > 0, self.deviation, np.nan)
        return np.abs(self.mean - truth) / known

    @property
    def label(self) -> str:
        """What it is called, with a warning where it cannot serve as reference."""
        return f"{self.title}\n(not converged)" if self.remark else self.title

    @property
    def ink(self) -> str:
        """The colour of its name."""
        return WARNING if self.remark else "black"


def ensembles(
    draws: Mapping[str, np.ndarray],
    reference: np.ndarray | None = None,
    remark: str = "",
    places: Sequence[int] | None = None,
    called: str = REFERENCE,
) -> list[Ensemble]:
    """The reference, if there is one, and posteriors by title, in the colours of their order.

    ``places`` are those among all posteriors of a study, where these are some of them only;
    ``called`` is the name of the reference.
    """
    first = (
        [] if reference is None else [Ensemble(called, reference, str(DATA["color"]), True, remark)]
    )
    styles = experiment_styles(draws, places)
    return first + [Ensemble(name, own, styles[name]["color"]) for name, own in draws.items()]


@dataclass(frozen=True, eq=False)
class Scene:
    """The truth (channel, *axes) with its coordinates, and what is seen of it.

    ``seen`` has for each channel what data show, places counted in nodes. ``title`` says which case
    it is. Where the truth is not known something else stands for it, ``called`` so.
    """

    truth: xr.DataArray
    seen: Mapping[int, Sequence[Shown]] = field(default_factory=dict)
    title: str = ""
    called: str = TRUTH

    @property
    def error(self) -> str:
        """What errors in deviations are called."""
        return f"|mean − {self.called}|/sd"

    @property
    def grid(self) -> Grid:
        """What the axes are."""
        return grid_of(self.truth)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes."""
        return grid_axes(self.truth)

    def quantity(self, channel: int) -> str:
        """The name of a channel, with its unit."""
        name, unit = str(self.truth["channel"].values[channel]), unit_of(self.truth)
        return name if unit == "1" else f"{name} [{unit}]"

    @property
    def unit(self) -> str:
        """The unit of fields in brackets, nothing where they have none."""
        unit = unit_of(self.truth)
        return "" if unit == "1" else f" [{unit}]"


def deviation_scale(shown: Sequence[Ensemble], channel: int) -> ScalarMappable:
    """From zero to the largest deviations, of the reference's not more than twice as large."""
    tops = [float(np.nanquantile(item.deviation[channel], 0.998)) for item in shown]
    sound = [2 * t for t, e in zip(tops, shown, strict=True) if e.is_reference and not e.remark]
    top = min([max(tops, default=1.0), *sound])
    return ScalarMappable(Normalize(0, top or 1.0), cmap="cividis")


def error_scale() -> ScalarMappable:
    """Steps of one deviation."""
    colours = ListedColormap(["#F7F7F7", "#FDCFB4", "#EF8A62", "#A50F15"])
    return ScalarMappable(BoundaryNorm([*STEPS, STEPS[-1] + 1], 4), cmap=colours)


def value_scale(scene: Scene, channel: int) -> ScalarMappable:
    """That of the truth."""
    return colour_scale(scene.truth.values[channel])


def root_mean_square(values: np.ndarray) -> float:
    """Over all nodes that have values."""
    return float(np.sqrt(np.nanmean(np.square(values, dtype=np.float64))))


def note(axes: Axes, text: str) -> None:
    """A number below a panel."""
    axes.set_xlabel(text, fontsize=8, labelpad=2)
