"""Posteriors of one case on every grid: means and standard deviations that should not change."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from fsdiff.reports.plotting.grids import Grid, nodes
from fsdiff.reports.plotting.panels import frame, name_row, proportion, show
from fsdiff.reports.plotting.posteriors.scene import (
    Ensemble,
    Scene,
    deviation_scale,
    note,
    root_mean_square,
    value_scale,
)
from fsdiff.reports.plotting.posteriors.sheet import BAR, NAMES, NOTE, TITLE, TITLES, Sheet
from fsdiff.reports.plotting.style import WIDTH, level_colours, styled

GAP, APART = 0.08, 0.25
"""Inches between panels, and between means and deviations."""

TRUTH: dict[str, Any] = {"color": "black", "linestyle": "--"}

Drawn = Mapping[int, tuple[Scene, Sequence[Ensemble]]]
"""A case and the draws of its posteriors by resolution."""


@styled
def across_resolutions(drawn: Drawn) -> Figure:
    """Mean and standard deviation of each posterior, a column for each grid that it is drawn on.

    Of functions of one variable, a panel with a curve for each grid. Of those of three, the middle
    frame along the first axis. Colours are those of the finest grid.
    """
    finest, _ = drawn[max(drawn)]
    return _curves(drawn) if len(finest.axes) == 1 else _panels(drawn)


def _panels(drawn: Drawn) -> Figure:
    finest, _ = drawn[max(drawn)]
    names, channels, count = _names(drawn), finest.truth.sizes["channel"], len(drawn)
    grid = Grid(finest.grid.names[-2:], finest.grid.aspect)
    shape = proportion(_plane(finest.truth.values[0]), grid)
    across = min((WIDTH - NAMES - APART) / (2 * count) - GAP, 1.4, 1.4 / shape)
    size = across, across * shape
    means = NAMES + np.arange(count) * (across + GAP)
    lefts = np.concatenate([means, means + count * (across + GAP) + APART])
    block = 2 * TITLES + (1 + len(names)) * (size[1] + NOTE) + BAR
    width = max(float(lefts[-1]) + across + GAP, 5.0)
    sheet = Sheet(width, TITLE + channels * block, finest.title)
    for channel in range(channels):
        _block(sheet, drawn, names, channel, lefts, size)
    return sheet.figure


def _block(
    sheet: Sheet,
    drawn: Drawn,
    names: Sequence[str],
    channel: int,
    lefts: np.ndarray,
    size: tuple[float, float],
) -> None:
    """A channel: the truth on all grids, and a row of means and deviations for each posterior."""
    finest, shown = drawn[max(drawn)]
    grids, count = [drawn[n] for n in sorted(drawn)], len(drawn)
    values, deviations = value_scale(finest, channel), deviation_scale(shown, channel)
    sheet.top += TITLES
    first = sheet.row(lefts[:count], size, NOTE + TITLES)
    name_row(first[0], f"{finest.called}\n{finest.quantity(channel)}")
    for axes, (scene, _) in zip(first, grids, strict=True):
        axes.set_title(nodes(scene.truth.shape[1:]))
        _show(axes, scene, scene.truth.values[channel], values)
    for number, name in enumerate(names):
        row = sheet.row(lefts, size, NOTE)
        name_row(row[0], name)
        if number == 0:
            row[0].set_title("mean", loc="left")
            row[count].set_title("sd of draws", loc="left")
        for left, right, (scene, ensembles) in zip(row, row[count:], grids, strict=False):
            _pair(left, right, scene, _of(ensembles, name), channel, values, deviations)
    sheet.top += 0.1
    wide = count * (size[0] + GAP) - GAP
    sheet.bar(lefts[0], wide, values, finest.quantity(channel), extend="both", ticks=4)
    sheet.bar(lefts[count], wide, deviations, f"sd{finest.unit}", extend="max", ticks=4)
    sheet.top += BAR - 0.1


def _pair(
    left: Axes,
    right: Axes,
    scene: Scene,
    own: Ensemble | None,
    channel: int,
    values: ScalarMappable,
    deviations: ScalarMappable,
) -> None:
    """Mean and deviation on one grid; nothing where the posterior is not drawn on it."""
    if own is None:
        for axes in (left, right):
            frame(axes)
            axes.spines[:].set_visible(False)
        return
    left.yaxis.label.set_color(own.ink)
    _show(left, scene, own.mean[channel], values)
    _show(right, scene, own.deviation[channel], deviations)
    off = root_mean_square(own.mean[channel] - scene.truth.values[channel])
    note(left, f"rms error {off:.2g}")
    note(right, f"rms {root_mean_square(own.deviation[channel]):.2g}")


def _show(axes: Axes, scene: Scene, field: np.ndarray, colours: ScalarMappable) -> None:
    show(axes, _plane(field), colours, Grid(scene.grid.names[-2:], scene.grid.aspect))


def _plane(field: np.ndarray) -> np.ndarray:
    """A field on a plane, or the middle frame of one."""
    return field if field.ndim == 2 else field[len(field) // 2]


def _curves(drawn: Drawn) -> Figure:
    finest, _ = drawn[max(drawn)]
    names, channels = _names(drawn), finest.truth.sizes["channel"]
    figure = Figure(figsize=(WIDTH, channels * (1.75 * len(names) + 0.9)), layout="constrained")
    bands = figure.subfigures(channels, 1, squeeze=False)[:, 0]
    for channel, band in enumerate(bands):
        _band(band, drawn, names, channel)
    colours = level_colours(list(drawn))
    handles = [Line2D([], [], color=colours[n], label=_nodes(drawn, n)) for n in sorted(drawn)]
    truth = Line2D([], [], label=finest.called, **TRUTH)
    figure.legend(handles=[*handles, truth], loc="outside lower center", ncols=5)
    figure.suptitle(finest.title, fontsize=11)
    return figure


def _band(band: SubFigure, drawn: Drawn, names: Sequence[str], channel: int) -> None:
    """A channel, on axes of its own: its unit may be another."""
    finest, _ = drawn[max(drawn)]
    panels = band.subplots(len(names), 2, squeeze=False, sharex=True, sharey="col")
    colours = level_colours(list(drawn))
    for row, name in zip(panels, names, strict=True):
        for n in sorted(drawn):
            scene, ensembles = drawn[n]
            own, x = _of(ensembles, name), scene.truth[scene.axes[0]].values
            if own is not None:
                style: dict[str, Any] = {"color": colours[n], "label": _nodes(drawn, n)}
                row[0].plot(x, own.mean[channel], **style)
                row[1].plot(x, own.deviation[channel], **style)
        x = finest.truth[finest.axes[0]].values
        row[0].plot(x, finest.truth.values[channel], label=finest.called, **TRUTH)
        row[0].set_ylabel(finest.quantity(channel))
        row[0].set_title(f"{name}: mean", loc="left")
        row[1].set_title("sd of draws", loc="left")
    panels[0, 1].set_ylim(bottom=0)
    for axes in panels[-1]:
        axes.set_xlabel(finest.grid.description)


def _nodes(drawn: Drawn, n: int) -> str:
    """The grid of a level."""
    return nodes(drawn[n][0].truth.shape[1:])


def _names(drawn: Drawn) -> list[str]:
    """What is drawn on some grid: references, then posteriors in the order of the finest grid."""
    everyone = [own for n in sorted(drawn, reverse=True) for own in drawn[n][1]]
    ordered = sorted(everyone, key=lambda own: not own.is_reference)
    return list(dict.fromkeys(own.label for own in ordered))


def _of(shown: Sequence[Ensemble], name: str) -> Ensemble | None:
    return next((own for own in shown if own.label == name), None)
