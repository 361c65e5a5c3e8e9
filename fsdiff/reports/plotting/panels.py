"""Panels of a figure: colours and frames of those that show fields, labels and legends."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fsdiff.reports.plotting.style import wrapped

PANEL = 1.25
"""Side of a panel in inches."""


def colour_scale(values: ArrayLike) -> ScalarMappable:
    """Diverging and centred where the values take both signs, sequential otherwise.

    The scale leaves out the extreme 2 in 1000 values at either end.
    """
    low, high = (float(edge) for edge in np.quantile(np.asarray(values), (0.002, 0.998)))
    if low < 0 < high:
        limit = max(-low, high)
        return ScalarMappable(Normalize(-limit, limit), cmap="RdBu_r")
    return ScalarMappable(Normalize(low, high), cmap="viridis")


def frame(axes: Axes) -> None:
    """Leave a panel its outline alone."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(True)
    axes.spines[:].set(linewidth=0.5, color="#888888")


def show(axes: Axes, field: ArrayLike, colours: ScalarMappable) -> None:
    """A field (y, x) with y upwards, a square for each node."""
    frame(axes)
    axes.imshow(
        field,
        origin="lower",
        interpolation="nearest",
        norm=colours.norm,  # type: ignore[arg-type] # any norm will do; the stubs ask for one class
        cmap=colours.cmap,
    )


def name_row(axes: Axes, label: str) -> None:
    """Write what a row of panels shows left of its first."""
    text = "\n".join(wrapped(line, 18) for line in label.splitlines())
    axes.set_ylabel(text, rotation=0, ha="right", va="center", labelpad=6)


def common_legend(figure: Figure, panels: Iterable[Axes], columns: int) -> None:
    """One legend above all panels, with every label once, in at most ``columns`` columns."""
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    across = min(len(handles), columns)
    figure.legend([*handles.values()], [*handles], loc="outside upper center", ncols=across)
