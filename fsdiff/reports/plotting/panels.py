"""Panels of a figure: colours and frames of those that show fields, labels and legends."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from fsdiff.reports.plotting.grids import Grid
from fsdiff.reports.plotting.style import SMALL, WARNING, WIDTH, wrapped

SQUARE = Grid()
"""A plane with square cells."""

PANEL = 1.25
"""Side of a panel in inches."""

LETTER, LINE, HANDLE = 0.07, 0.2, 0.6
"""Inches that a letter of a legend is wide, on average, a line is high, and a line's sign wide."""

BESIDE = 2.6
"""Inches for names left of panels and for a colour bar right of them."""


def panelled(
    rows: int, columns: int, proportion: float, *, above: float = 0.45, names: bool = False
) -> Figure:
    """A figure for panels whose height is ``proportion`` of their width, as wide as a page allows.

    ``above`` are inches for a title; with ``names`` there is room for those of axes below.
    """
    across = min((WIDTH - BESIDE) / columns, 1.7 / min(1.0, proportion), 2.2 / proportion)
    height = rows * (across * proportion + 0.1) + above + (0.3 if names else 0.0)
    return Figure(figsize=(columns * across + BESIDE, height), layout="compressed")


def columns_for(fields: np.ndarray) -> int:
    """How many fields (sample, *grid) stand side by side; one of a volume is three slices."""
    return 2 if fields.ndim == 4 else 4


def proportion(field: ArrayLike, grid: Grid = SQUARE) -> float:
    """The height of the panel of a field over its width."""
    values = np.asarray(field)
    if values.ndim == 1:
        return 0.75
    if grid.aspect is None:
        return 1.0 if values.ndim == 2 else 1 / len(_sliced(values))
    high, wide = (values if values.ndim == 2 else _slices(values)).shape
    return grid.aspect * high / wide


def remark(text: str) -> Figure:
    """A figure that says why there is nothing to show."""
    figure = Figure(figsize=(7.6, 1.0))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def colour_scale(values: ArrayLike) -> ScalarMappable:
    """Diverging and centred where the values take both signs, sequential otherwise.

    The scale leaves out the extreme 2 in 1000 values at either end, and what is missing.
    """
    values = np.asarray(values)
    known = values[~np.isnan(values)]
    low, high = (float(edge) for edge in np.quantile(known, (0.002, 0.998)))
    if low < 0 < high:
        limit = max(-low, high)
        return ScalarMappable(Normalize(-limit, limit), cmap="RdBu_r")
    return ScalarMappable(Normalize(low, high), cmap="viridis")


def scale_of(fields: ArrayLike) -> ScalarMappable:
    """The scale of fields (sample, *grid): of curves from the least value to the greatest."""
    values = np.asarray(fields)
    if values.ndim > 2:
        return colour_scale(values)
    return ScalarMappable(Normalize(float(np.nanmin(values)), float(np.nanmax(values))))


def frame(axes: Axes) -> None:
    """Leave a panel its outline alone."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(True)
    axes.spines[:].set(linewidth=0.5, color="#888888")


def show(axes: Axes, field: ArrayLike, colours: ScalarMappable, grid: Grid = SQUARE) -> None:
    """A field on a line as a curve, on a plane (y, x) with y upwards, a rectangle for each node.

    A number beside an arrow is how far a curve goes that leaves its panel. Of fields on volumes
    (z, y, x), and of functions of time on planes, the first, the middle and the last slice along
    the first axis.
    """
    frame(axes)
    values = np.asarray(field)
    if values.ndim == 1:
        _curve(axes, values, colours, grid)
        return
    axes.imshow(
        values if values.ndim == 2 else _slices(values),
        origin="lower",
        interpolation="nearest",
        aspect=grid.aspect or "auto",
        norm=colours.norm,  # type: ignore[arg-type] # any norm will do; the stubs ask for one class
        cmap=colours.cmap,
    )
    if grid.aspect is None:
        axes.set_box_aspect(proportion(values, grid))


def _curve(axes: Axes, values: np.ndarray, colours: ScalarMappable, grid: Grid) -> None:
    x = np.asarray(grid.along or range(len(values)), float)
    axes.plot(x, values, linewidth=1.0)
    low, high = colours.get_clim()
    margin = (high - low) / 10 or 1.0
    low, high = low - margin, high + margin
    axes.set(ylim=(low, high), xlim=(x.min(), x.max()) if len(x) > 1 else (0, 1))
    axes.set_box_aspect(proportion(values, grid))
    known = values[~np.isnan(values)]
    how: dict[str, Any] = {"transform": axes.transAxes, "fontsize": SMALL, "color": WARNING}
    if (known > high).any():
        axes.text(0.03, 0.97, f"▲ {known.max():.3g}", va="top", **how)
    if (known < low).any():
        axes.text(0.03, 0.03, f"▼ {known.min():.3g}", va="bottom", **how)


def name_axes(figure: Figure, grid: Grid) -> None:
    """Write below the panels what their axes are, unless these are x and y."""
    if grid.description:
        figure.supxlabel(grid.description, fontsize=SMALL)


def scale(
    figure: Figure,
    panels: np.ndarray,
    colours: ScalarMappable,
    fields: Sequence[np.ndarray],
    quantity: str,
    *,
    shrink: float = 1.0,
    aspect: float = 20.0,
) -> None:
    """What the colours of panels mean; for curves, values at the right of each row.

    Colours at an end stand for values beyond it, too, where there are such.
    """
    if fields[0].ndim == 2:
        for axes in panels[:, -1]:
            axes.yaxis.tick_right()
            axes.yaxis.set_major_locator(MaxNLocator(3))
            axes.yaxis.set_major_formatter("{x:.4g}")
        return
    low, high = colours.get_clim()
    below = min(float(np.nanmin(values)) for values in fields) < low
    above = max(float(np.nanmax(values)) for values in fields) > high
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
    bar = figure.colorbar(colours, ax=panels, extend=extend, pad=0.02, shrink=shrink, aspect=aspect)
    bar.set_label(quantity)
    bar.outline.set_linewidth(0.5)


def _slices(values: np.ndarray) -> np.ndarray:
    """Slices of a volume side by side, with gaps."""
    gap = np.full((values.shape[1], max(1, values.shape[2] // 16)), np.nan)
    parts = [part for i in _sliced(values) for part in (gap, values[i])]
    return np.concatenate(parts[1:], axis=1)


def _sliced(values: np.ndarray) -> list[int]:
    """Which slices of a volume are shown."""
    last = len(values) - 1
    return sorted({0, last // 2, last})


def name_row(axes: Axes, label: str) -> None:
    """Write what a row of panels shows left of its first."""
    text = "\n".join(wrapped(line, 18) for line in label.splitlines())
    axes.set_ylabel(text, rotation=0, ha="right", va="center", labelpad=6)


def common_legend(figure: Figure, panels: Iterable[Axes], columns: int) -> None:
    """One legend above all panels, with every label once, in at most ``columns`` columns.

    They are fewer where labels are long, and the figure grows with every line but the first.
    """
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    width = figure.get_figwidth()
    labels = [wrapped(label, int((width - HANDLE) / LETTER)) for label in handles]
    longest = max((len(line) for label in labels for line in label.split("\n")), default=0)
    across = max(1, min(len(handles), columns, int(width / (HANDLE + LETTER * longest))))
    down = -(-len(labels) // across)
    parts = [labels[start : start + down] for start in range(0, len(labels), down or 1)]
    lines = max((_lines(part) for part in parts), default=1)
    figure.set_figheight(figure.get_figheight() + LINE * (lines - 1))
    figure.legend([*handles.values()], labels, loc="outside upper center", ncols=across)


def seeds_in_a_band(
    axes: Axes, x: ArrayLike, values: xr.DataArray, *, color: Any, **style: Any
) -> None:
    """The geometric mean over seeds of values (seed, x) as a curve, in a band of their range."""
    axes.plot(x, np.exp(xr.apply_ufunc(np.log, values).mean("seed")), color=color, **style)
    ends = values.min("seed"), values.max("seed")
    axes.fill_between(x, *ends, color=color, alpha=0.2, linewidth=0)


def side_legend(figure: Figure, axes: Axes, width: int = 24) -> None:
    """A legend right of all panels, its lines of at most so many characters.

    The figure grows to the height of all of them.
    """
    handles, labels = axes.get_legend_handles_labels()
    labels = [wrapped(label, width) for label in labels]
    figure.set_figheight(max(figure.get_figheight(), LINE * (_lines(labels) + 2)))
    figure.legend(handles, labels, loc="outside right center")


def _lines(labels: Sequence[str]) -> int:
    return sum(1 + label.count("\n") for label in labels)
