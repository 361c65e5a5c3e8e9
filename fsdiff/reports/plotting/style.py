"""One look for all figures: fonts, colour-blind-safe colours, direct labels, reproducible files.

Data are black, the Gaussian surrogate is grey and dashed, experiments take the colours of Okabe and
Ito (2008) in the order in which they are given; so an experiment keeps its colour in every figure.
"""

import itertools
import os
import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from fsdiff.characters import printable, visible
from fsdiff.jobs.atomic import atomic

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

Arguments = ParamSpec("Arguments")
Level = TypeVar("Level", int, float)

DATA: dict[str, Any] = {"color": "#000000", "linewidth": 2.6, "zorder": 1.8}
"""How data, and real fields against real fields, are drawn: below the curves that match them."""

SURROGATE: dict[str, Any] = {
    "color": "#767676",
    "linestyle": (0, (4, 2)),
    "linewidth": 1.4,
    "zorder": 1.9,
}
"""How the Gaussian random field with the data's spectrum is drawn."""

WARNING = "#B34700"
"""Marks what a reader should distrust: extrapolated resolutions, priors smoother than the data."""

_EXPERIMENTS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (9, 3)))
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")

WIDTH = 9.3
"""Inches of the widest figures: 900 pixels of a page, where they are shown in their own size."""

PIXELS = 2**16 - 1
"""The most in a row or column that every Matplotlib draws; larger figures have fewer an inch."""

SMALL = 8.5
"""Size of the smallest text."""

_SETTINGS: "dict[RcKeyType, Any]" = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "lines.linewidth": 1.3,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "svg.hashsalt": "fsdiff",
}


def styled(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Let a function that returns a figure draw it in the common style, whatever the user's.

    Text is shown as it stands, without markup: a dollar is a dollar.
    """

    @wraps(draw)
    def wrapper(*arguments: Arguments.args, **keywords: Arguments.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_SETTINGS)
            mpl.rcParams["text.parse_math"] = False
            figure = draw(*arguments, **keywords)
            _show_plainly(figure)
            return figure

    return wrapper


def _show_plainly(figure: Figure) -> None:
    """Leave out characters that no file could hold, and let numbers at ticks have exponents."""
    for text in figure.findobj(Text):
        text.set_text(printable(text.get_text()))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        powers = isinstance(axis.get_major_formatter(), LogFormatter)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            tick.label1.set_parse_math(powers)
            tick.label2.set_parse_math(powers)


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure atomically; the suffix (``.svg`` or ``.png``) is the format.

    The same figure gives the same bytes: the file holds no date and no random identifiers.
    """
    suffix = os.fspath(path).rpartition(".")[2]
    dpi = min(160.0, PIXELS / max(figure.get_size_inches()))
    metadata = {"svg": {"Date": None}, "png": {"Software": None}}
    if suffix not in metadata:
        raise ValueError(f"{os.fspath(path)}: figures are written as .svg or .png")
    with mpl.rc_context(), atomic(path) as temporary:
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        figure.savefig(temporary, format=suffix, dpi=dpi, metadata=metadata[suffix])


def quantity_of(dataset: xr.Dataset, unit: str | None = None) -> str:
    """What the first channel of a data set's fields is called on an axis, with its unit if any.

    That of series is followed by the time of their first frame. ``unit`` is that of what is made of
    the fields, by default theirs.
    """
    channel = visible(str(dataset["channel"].values[0]))
    unit = unit_of(dataset["field"]) if unit is None else unit
    named = channel if unit == "1" else f"{channel} [{unit}]"
    if "time" not in dataset["field"].dims:
        return named
    unit = unit_of(dataset["time"])
    return f"{named} at t = {dataset['time'].values[0]:g}" + ("" if unit == "1" else f" {unit}")


def unit_of(variable: xr.DataArray) -> str:
    """The unit of a variable, "1" where it has none."""
    return visible(str(variable.attrs.get("units", "1"))) or "1"


def squared(unit: str) -> str:
    """The unit of squares."""
    return unit if unit == "1" else f"{_factor(unit)}²"


def per(unit: str, length: str) -> str:
    """The unit of derivatives along an axis with the unit ``length``."""
    return unit if length == "1" else f"{_factor(unit)}/{_factor(length)}"


def _factor(unit: str) -> str:
    """A unit as a factor of another: in brackets unless it is a single word, or one."""
    return unit if unit.isalpha() or unit == "1" else f"({unit})"


def experiment_styles(
    labels: Iterable[str], places: Iterable[int] | None = None
) -> dict[str, dict[str, Any]]:
    """Colour and marker of each experiment, by its place in the order given.

    Where a figure has some of a study's experiments only, ``places`` are those among all.
    """
    return {
        label: {
            "color": _EXPERIMENTS[i % len(_EXPERIMENTS)],
            "marker": _MARKERS[i % len(_MARKERS)],
        }
        for i, label in zip(itertools.count() if places is None else places, labels, strict=False)
    }


def line_styles(
    labels: Iterable[str], places: Iterable[int] | None = None
) -> dict[str, dict[str, Any]]:
    """The colour of each experiment for lines without markers, with other dashes for each six."""
    labels = list(labels)
    numbers = list(range(len(labels)) if places is None else places)
    dashes = [_DASHES[number // len(_EXPERIMENTS) % len(_DASHES)] for number in numbers]
    styles = experiment_styles(labels, numbers)
    return {
        label: {"color": styles[label]["color"], "linestyle": dash}
        for label, dash in zip(labels, dashes, strict=False)
    }


def level_colours(levels: Sequence[Level]) -> dict[Level, Any]:
    """A colour for each resolution or time, darker for larger."""
    ramp = mpl.colormaps["cividis_r"](np.linspace(0.15, 0.85, max(len(levels), 2)))
    return dict(zip(sorted(levels), ramp, strict=False))


def ink(colour: ArrayLike) -> str:
    """What can be read on a colour (red, green, blue, …): white where it is dark, or black."""
    return "white" if np.dot(np.asarray(colour)[:3], (0.3, 0.59, 0.11)) < 0.5 else "black"


def wrapped(label: str, width: int = 24) -> str:
    """A label broken into lines of at most ``width`` characters where it has spaces.

    Words twice as long, which would leave no room for the figure, are broken, too; what arrows join
    stays together.
    """
    label = label.replace(" → ", "\u00a0→\u00a0")
    endless = any(len(word) > 2 * width for word in label.split())
    return textwrap.fill(label, width, break_long_words=endless)


def plain_ticks(axis: Axis, decades: float = 4.0) -> None:
    """Label 1, 2 and 5 on a logarithmic axis of few decades, plainly; on a long one, powers of ten.

    Where an axis is so short that it has none of these, or one, values in equal steps are labelled.
    Call it when the limits are final, with fewer ``decades`` where there is little room.
    """
    axis.set_minor_formatter(NullFormatter())
    low, high = axis.get_view_interval()
    nothing_drawn = low <= 0
    if nothing_drawn or high / low > 10**decades:
        return
    plain = LogLocator(subs=(1.0, 2.0, 5.0))
    enough = sum(low <= value <= high for value in plain.tick_values(low, high)) > 1
    axis.set_major_locator(plain if enough else MaxNLocator(4, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def label_ends(axes: Axes, lines: Sequence[Line2D]) -> None:
    """Write each line's label right of where it ends, moved apart where labels would overlap.

    Positions are the least-squares closest to the ends that keep labels one text height apart, and
    beside the axes; a figure without room for all of them grows. Call it last: it needs the final
    limits of the axes.
    """
    figure = axes.figure.figure
    figure.draw_without_rendering()
    ends = sorted(((*_end(axes, line), line) for line in lines), key=lambda end: end[1])
    labels = [
        axes.annotate(
            wrapped(str(line.get_label())),
            xy=(x, y),
            xycoords="axes fraction",
            xytext=(1.03, 0.5),
            textcoords="axes fraction",
            color=line.get_color(),
            fontsize=SMALL,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": line.get_color(),
                "linewidth": 0.5,
                "relpos": (0.0, 0.5),
                "shrinkA": 1.0,
            },
        )
        for x, y, line in ends
    ]
    figure.draw_without_rendering()  # the labels took their part of the width
    high = 1.3 * SMALL / 72 * np.array([1 + label.get_text().count("\n") for label in labels])
    room = axes.bbox.height / figure.dpi
    if high.sum() > room:
        figure.set_figheight(figure.get_figheight() * high.sum() / room)
        figure.draw_without_rendering()
    extents = high * figure.dpi / axes.bbox.height
    heights = [height for _, height, _ in ends]
    for label, height in zip(labels, _apart(heights, extents), strict=True):
        label.xyann = (1.03, float(height))


def _apart(heights: Sequence[float], extents: np.ndarray) -> np.ndarray:
    """Centres of labels of these ``extents``, near ``heights``, without overlaps, within 0 to 1."""
    from scipy.optimize import isotonic_regression  # takes as long to load as Matplotlib

    offsets = np.concatenate([[0.0], np.cumsum((extents[1:] + extents[:-1]) / 2)])
    nearest = isotonic_regression(np.asarray(heights) - offsets).x
    low, high = extents[0] / 2, 1 - offsets[-1] - extents[-1] / 2
    return (nearest.clip(low, high) if low < high else (low + high) / 2) + offsets


def _end(axes: Axes, line: Line2D) -> tuple[float, float]:
    """The last point of a line inside the axes, in fractions of the axes, or the edge near it."""
    points = axes.transAxes.inverted().transform(axes.transData.transform(line.get_xydata()))
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        return 1.0, 0.0
    inside = ((points >= -1e-9) & (points <= 1 + 1e-9)).all(1)
    x, y = points[np.flatnonzero(inside)[-1]] if inside.any() else points[-1].clip(0.0, 1.0)
    return float(x), float(y)
