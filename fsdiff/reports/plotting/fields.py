"""Panels of fields: data beside samples, and the same samples at several resolutions."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fsdiff.reports.labels import REFERENCES, TEST_DATA, labelled, labels
from fsdiff.reports.plotting.panels import PANEL, colour_scale, frame, name_row, show
from fsdiff.reports.plotting.style import WARNING, styled


@styled
def sample_grid(
    data: ArrayLike,
    experiments: Mapping[str, ArrayLike],
    *,
    surrogate: ArrayLike | None = None,
    quantity: str = "u",
    channel: int = 0,
    columns: int = 6,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """Fields of the data, of each experiment and of the Gaussian surrogate, one row each.

    All arrays are (sample, channel, y, x) in physical units, at one resolution; the first
    ``columns`` samples are shown. The colour scale is that of the data; values beyond it are shown
    in the end colours. ``quantity`` names the channel and its unit, e.g. "u" or "vorticity [1/s]".
    Experiments are given by name; ``titles`` are what they are called, if not that.
    """
    rows = {TEST_DATA: data, **labelled(experiments, titles)}
    if surrogate is not None:
        rows[REFERENCES["surrogate"]] = surrogate
    fields = {label: _channel(label, values, channel) for label, values in rows.items()}
    columns = min(columns, *(len(values) for values in fields.values()))
    size = ((columns + 1.9) * PANEL, (len(fields) + 0.45) * PANEL)
    figure = Figure(figsize=size, layout="compressed")
    panels = figure.subplots(len(fields), columns, squeeze=False)
    colours = colour_scale(fields[TEST_DATA])
    for row, (label, values) in zip(panels, fields.items(), strict=True):
        for axes, field in zip(row, values, strict=False):
            _show(axes, field, colours)
        name_row(row[0], label)
    resolution = fields[TEST_DATA].shape[-1]
    figure.suptitle(f"{quantity} at {resolution} × {resolution}", fontsize=10.5)
    _colour_bar(figure, panels, colours, list(fields.values()), quantity)
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
) -> Figure:
    """The same data and the same samples of one experiment at every resolution, one column each.

    ``samples`` and ``data`` map a resolution n to fields (sample, channel, n, n) in physical units;
    row i shows sample i throughout. Samples above ``finest_trained``, the resolution of the last
    training level, are framed. Data need not exist at every resolution.
    """
    resolutions = sorted({*samples, *data})
    title = labels([title])[title]
    blocks = {
        TEST_DATA: {n: _channel(TEST_DATA, values, channel) for n, values in data.items()},
        title: {n: _channel(title, values, channel) for n, values in samples.items()},
    }
    everything = [values for block in blocks.values() for values in block.values()]
    rows = min(rows, *(len(values) for values in everything))
    size = ((len(resolutions) + 1.9) * PANEL, (2 * rows + 0.6) * PANEL)
    figure = Figure(figsize=size, layout="compressed")
    panels = figure.subplots(2 * rows, len(resolutions), squeeze=False)
    colours = colour_scale(blocks[TEST_DATA][max(data)])
    for number, (label, block) in enumerate(blocks.items()):
        band = panels[number * rows : (number + 1) * rows]
        for i, line in enumerate(band):
            for axes, n in zip(line, resolutions, strict=True):
                _show(axes, block[n][i] if n in block else None, colours)
                if label == title and n > finest_trained:
                    _frame(axes)
            name_row(line[0], f"{label}\nsample {i}")
    _name_columns(panels[0], resolutions, finest_trained)
    _colour_bar(figure, panels, colours, everything, quantity)
    return figure


def _channel(label: str, values: ArrayLike, channel: int) -> np.ndarray:
    fields = np.asarray(values)
    if fields.ndim != 4:
        raise ValueError(
            f"fields of '{label}' have shape {fields.shape}; give (sample, channel, y, x)"
        )
    return fields[:, channel]


def _show(axes: Axes, field: np.ndarray | None, colours: ScalarMappable) -> None:
    if field is not None:
        show(axes, field, colours)
        return
    frame(axes)
    axes.set_box_aspect(1)
    axes.text(
        0.5,
        0.5,
        "no data\nat this\nresolution",
        ha="center",
        va="center",
        color="#888888",
        fontsize=8,
    )


def _frame(axes: Axes) -> None:
    axes.spines[:].set(linewidth=2.0, color=WARNING)


def _name_columns(axes: Sequence[Axes], resolutions: Sequence[int], finest_trained: int) -> None:
    for panel, n in zip(axes, resolutions, strict=True):
        above = n > finest_trained
        note = "above training" if above else ""
        panel.set_title(f"{n} × {n}\n{note}", color=WARNING if above else "black")


def _colour_bar(
    figure: Figure,
    panels: np.ndarray,
    colours: ScalarMappable,
    fields: Sequence[np.ndarray],
    quantity: str,
) -> None:
    low, high = colours.get_clim()
    below = min(float(values.min()) for values in fields) < low
    above = max(float(values.max()) for values in fields) > high
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
    bar = figure.colorbar(
        colours, ax=panels, extend=extend, shrink=min(1.0, 3.5 / len(panels)), aspect=25, pad=0.02
    )
    bar.set_label(quantity)
    bar.outline.set_linewidth(0.5)
