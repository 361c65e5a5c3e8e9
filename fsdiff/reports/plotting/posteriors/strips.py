"""Posteriors of functions of time and place, or of volumes: strips of frames."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from fsdiff.reports.plotting.grids import Grid, nodes
from fsdiff.reports.plotting.panels import name_row, proportion, show
from fsdiff.reports.plotting.posteriors.planes import observed, scatter
from fsdiff.reports.plotting.posteriors.scene import (
    STEPS,
    Ensemble,
    Scene,
    deviation_scale,
    error_scale,
    value_scale,
)
from fsdiff.reports.plotting.posteriors.sheet import BAR, NAMES, TITLE, TITLES, Sheet
from fsdiff.reports.plotting.style import WIDTH, styled, unit_of
from fsdiff.reports.posteriors.seen import Dots, Image, Shown

GAP, APART = 0.05, 0.12
"""Inches between frames, and between what belongs to different posteriors."""


@styled
def strips(scene: Scene, shown: Sequence[Ensemble], *, draws: int = 2, frames: int = 6) -> Figure:
    """Frames along the first axis: of truth, data, and for each posterior of what ``planes`` shows.

    Frames are at equal distances, from the first to the last. Colour scales are those of all
    frames.
    """
    truth = scene.truth
    chosen = np.unique(np.rint(np.linspace(0, truth.shape[1] - 1, frames)).astype(int))
    flat = Grid(scene.grid.names[-2:], scene.grid.aspect)
    shape = proportion(truth.values[0, 0], flat)
    across = min((WIDTH - NAMES) / len(chosen), 0.95 / shape)
    size = across - GAP, (across - GAP) * shape
    rows = 2 + len(shown) * (3 + min(draws, *(len(own.draws) for own in shown)))
    block = TITLES + rows * (size[1] + GAP) + (1 + len(shown)) * APART + BAR
    title = f"{scene.title} at {nodes(truth.shape[1:])}"
    width = NAMES + max(len(chosen), 5) * across
    sheet = Sheet(width, TITLE + truth.sizes["channel"] * block, title)
    for channel in range(truth.sizes["channel"]):
        _block(sheet, scene, shown, channel, chosen, draws, flat, size)
    return sheet.figure


def _block(
    sheet: Sheet,
    scene: Scene,
    shown: Sequence[Ensemble],
    channel: int,
    chosen: np.ndarray,
    draws: int,
    grid: Grid,
    size: tuple[float, float],
) -> None:
    """A channel: the truth and what is seen, rows for each ensemble, and the colour bars."""
    lefts = NAMES + np.arange(len(chosen)) * (size[0] + GAP)
    values, deviations = value_scale(scene, channel), deviation_scale(shown, channel)
    sheet.top += TITLES
    first, second = (sheet.row(lefts, size, GAP) for _ in range(2))
    _truth(first, second, scene, channel, chosen, values, grid)
    for own in shown:
        sheet.top += APART
        for name, fields, colours in _rows(own, scene, channel, draws, values, deviations):
            row = sheet.row(lefts, size, GAP)
            for axes, field in zip(row, fields[chosen], strict=True):
                show(axes, field, colours, grid)
            name_row(row[0], f"{own.label}\n{name}")
            row[0].yaxis.label.set_color(own.ink)
    sheet.top += APART
    third = (sheet.width - NAMES) / 3
    bars = [
        (values, scene.quantity(channel), "both", 4),
        (deviations, f"sd{scene.unit}", "max", 4),
        (error_scale(), scene.error, "neither", STEPS),
    ]
    for number, (colours, label, extend, ticks) in enumerate(bars):
        left = NAMES + number * third
        sheet.bar(left, third - 0.25, colours, label, extend=extend, ticks=ticks)
    sheet.top += BAR


def _truth(
    first: np.ndarray,
    second: np.ndarray,
    scene: Scene,
    channel: int,
    chosen: np.ndarray,
    values: ScalarMappable,
    grid: Grid,
) -> None:
    """The frames of the truth, with sensors on them, and below what is seen of each."""
    truth, seen = scene.truth.values[channel], scene.seen.get(channel, [])
    for above, below, frame in zip(first, second, chosen.tolist(), strict=True):
        now = list(_at(seen, frame, len(truth)))
        show(above, truth[frame], values, grid)
        for item in now:
            if isinstance(item, Dots):
                scatter(above, item, values)
        observed(below, truth[frame], now, values, grid)
        above.set_title(_coordinate(scene, frame))
    name_row(first[0], f"{scene.called}\n{scene.quantity(channel)}")
    name_row(second[0], "observed")


def _rows(
    own: Ensemble,
    scene: Scene,
    channel: int,
    draws: int,
    values: ScalarMappable,
    deviations: ScalarMappable,
) -> Iterator[tuple[str, np.ndarray, ScalarMappable]]:
    """What is shown of an ensemble: names, fields (frame, *grid) and colours."""
    yield "mean", own.mean[channel], values
    for number, draw in enumerate(own.draws[:draws, channel]):
        yield f"draw {number + 1}", draw, values
    yield "sd", own.deviation[channel], deviations
    yield scene.error, own.error(scene.truth.values)[channel], error_scale()


def _at(seen: Sequence[Shown], frame: int, frames: int) -> Iterator[Shown]:
    """What is seen in a frame: the nearest frame of an image, the dots that are nearest to it."""
    for item in seen:
        if isinstance(item, Image):
            last = len(item.values) - 1
            values = item.values[round(frame * last / max(frames - 1, 1))]
            if not np.isnan(values).all():
                yield Image(values)
        if not isinstance(item, Dots):
            continue
        here = np.rint(item.places[:, 0]).clip(0, frames - 1) == frame
        if here.any():
            yield replace(item, places=item.places[here, 1:], values=item.values[here])


def _coordinate(scene: Scene, frame: int) -> str:
    """The coordinate of a frame along the first axis."""
    along = scene.truth[scene.axes[0]]
    unit = unit_of(along)
    return f"{scene.axes[0]} = {float(along[frame]):.3g}" + ("" if unit == "1" else f" {unit}")
