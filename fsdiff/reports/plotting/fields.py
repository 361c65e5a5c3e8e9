"""Panels of fields: data beside samples, and the same samples at several resolutions."""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fsdiff.reports.labels import REFERENCES, TEST_DATA, labelled, labels
from fsdiff.reports.plotting.grids import Grid, nodes
from fsdiff.reports.plotting.panels import (
    SQUARE,
    columns_for,
    frame,
    name_axes,
    name_row,
    panelled,
    proportion,
    scale,
    scale_of,
    show,
)
from fsdiff.reports.plotting.style import SMALL, WARNING, styled

MOST = 50
"""Experiments in a figure of samples: of more, nobody would see the last beside the data."""


@styled
def sample_grid(
    data: ArrayLike,
    experiments: Mapping[str, ArrayLike],
    *,
    surrogate: ArrayLike | None = None,
    quantity: str = "u",
    channel: int = 0,
    columns: int | None = None,
    titles: Mapping[str, str] | None = None,
    grid: Grid = SQUARE,
) -> Figure:
    """Fields of the data, of each experiment and of the Gaussian surrogate, one row each.

    All arrays are (sample, channel, *grid) in physical units, at one resolution; the first
    ``columns`` samples are shown, by default four, or two of volumes, of the first ``MOST``
    experiments. The colour scale is that of the data; values beyond it are shown in the end
    colours, and marked where fields are curves. ``quantity`` names the channel and its unit, e.g.
    "u" or "vorticity [1/s]". Experiments are given by name; ``titles`` are what they are called,
    if not that. ``grid`` says what the axes are.
    """
    called = labelled(experiments, titles)
    rows = {TEST_DATA: data, **dict(islice(called.items(), MOST))}
    if surrogate is not None:
        rows[REFERENCES["surrogate"]] = surrogate
    fields = {label: _channel(label, values, channel, data) for label, values in rows.items()}
    first = fields[TEST_DATA]
    columns = min(columns or columns_for(first), *(len(values) for values in fields.values()))
    shape = proportion(first[0], grid)
    figure = panelled(len(fields), columns, shape, names=bool(grid.description))
    panels = figure.subplots(len(fields), columns, squeeze=False)
    colours = scale_of(first)
    for row, (label, values) in zip(panels, fields.items(), strict=True):
        for axes, field in zip(row, values, strict=False):
            show(axes, field, colours, grid)
        name_row(row[0], label)
    name_axes(figure, grid)
    some = f", the first {MOST} of {len(called)} experiments" if len(called) > MOST else ""
    figure.suptitle(f"{quantity} at {nodes(first.shape[1:])}{some}", fontsize=11)
    scale(figure, panels, colours, list(fields.values()), quantity, shrink=_shrink(figure))
    return figure


@styled
def resolution_grid(
    samples: Mapping[int, ArrayLike],
    data: Mapping[int, ArrayLike],
    *,
    title: str,
    finest_trained: int,
    quantity: str = "u",
    channel: int = 0,
    rows: int = 3,
    grids: Mapping[int, Grid] | None = None,
) -> Figure:
    """The same data and the same samples of one experiment at every resolution, one column each.

    ``samples`` and ``data`` map a level to fields (sample, channel, *grid) in physical units; row i
    shows sample i throughout. Samples above ``finest_trained``, the resolution of the last training
    level, are framed. Data need not exist at every resolution. ``grids`` say what the axes are.
    """
    resolutions = sorted({*samples, *data})
    grids = {n: (grids or {}).get(n, SQUARE) for n in resolutions}
    title, first = labels([title])[title], data[min(data)]
    blocks = {
        TEST_DATA: {n: _channel(TEST_DATA, values, channel, first) for n, values in data.items()},
        title: {n: _channel(title, values, channel, first) for n, values in samples.items()},
    }
    everything = [values for block in blocks.values() for values in block.values()]
    rows = min(rows, *(len(values) for values in everything))
    grid, shape = (
        grids[resolutions[-1]],
        proportion(np.asarray(first)[0, channel], grids[min(data)]),
    )
    figure = panelled(2 * rows, len(resolutions), shape, above=0.7, names=bool(grid.description))
    panels = figure.subplots(2 * rows, len(resolutions), squeeze=False)
    colours = scale_of(blocks[TEST_DATA][max(data)])
    for number, (label, block) in enumerate(blocks.items()):
        band = panels[number * rows : (number + 1) * rows]
        for i, line in enumerate(band):
            for axes, n in zip(line, resolutions, strict=True):
                _show(axes, block[n][i] if n in block else None, colours, grids[n], shape)
                if label == title and n > finest_trained:
                    _frame(axes)
            name_row(line[0], f"{label}\nsample {i}")
    shapes = {
        n: nodes(values.shape[1:]) for block in blocks.values() for n, values in block.items()
    }
    _name_columns(panels[0], shapes, finest_trained)
    name_axes(figure, grid)
    scale(figure, panels, colours, everything, quantity, shrink=_shrink(figure))
    return figure


def _shrink(figure: Figure) -> float:
    """The part of the height that the colour bar takes, four inches at most."""
    return min(1.0, 4.0 / figure.get_figheight())


def _channel(label: str, values: ArrayLike, channel: int, like: ArrayLike) -> np.ndarray:
    fields, dimensions = np.asarray(values), np.ndim(like)
    if fields.ndim != dimensions or not 3 <= dimensions <= 5:
        raise ValueError(
            f"fields of '{label}' have shape {fields.shape}; give (sample, channel, *grid), as "
            f"those of {TEST_DATA} are, with one to three axes"
        )
    return fields[:, channel]


def _show(
    axes: Axes, field: np.ndarray | None, colours: ScalarMappable, grid: Grid, shape: float
) -> None:
    if field is not None:
        show(axes, field, colours, grid)
        return
    frame(axes)
    axes.set_box_aspect(shape)
    axes.text(
        0.5,
        0.5,
        "no data\nat this\nresolution",
        ha="center",
        va="center",
        color="#888888",
        fontsize=SMALL,
    )


def _frame(axes: Axes) -> None:
    axes.spines[:].set(linewidth=2.0, color=WARNING)


def _name_columns(axes: Sequence[Axes], shapes: Mapping[int, str], finest_trained: int) -> None:
    for panel, n in zip(axes, sorted(shapes), strict=True):
        above = n > finest_trained
        note = "above training" if above else ""
        panel.set_title(f"{shapes[n]}\n{note}", color=WARNING if above else "black")
