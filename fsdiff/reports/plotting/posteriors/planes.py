"""Posteriors of fields on planes: truth and data above, a row for each posterior below."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from fsdiff.reports.plotting.grids import Grid, nodes
from fsdiff.reports.plotting.panels import name_row, proportion, show
from fsdiff.reports.plotting.posteriors.scene import (
    BEYOND,
    STEPS,
    TRUTH,
    Ensemble,
    Scene,
    deviation_scale,
    error_scale,
    note,
    root_mean_square,
    value_scale,
)
from fsdiff.reports.plotting.posteriors.sheet import BAR, NAMES, NOTE, TITLE, TITLES, Sheet
from fsdiff.reports.plotting.style import SMALL, WIDTH, styled
from fsdiff.reports.posteriors.seen import Dots, Elsewhere, Image, Shown

UNSEEN = "#DCDCDC"
"""What nothing is known of."""

BETWEEN = 0.3
"""Inches between the blocks of two channels."""

CROWDED = 150
"""Sensors of which more would hide each other behind their outlines."""

GAP, APART = 0.08, 0.2
"""Inches between panels of one colour scale, and of two."""


@styled
def planes(scene: Scene, shown: Sequence[Ensemble], *, draws: int = 3) -> Figure:
    """A block of rows for each channel: mean, ``draws`` draws, deviation and error in deviations.

    Values share the colour scale of the truth, deviations that of the reference where there is one.
    """
    channels = scene.truth.sizes["channel"]
    shape = proportion(scene.truth.values[0], scene.grid)
    free = WIDTH - NAMES - draws * GAP - 2 * APART - 0.1
    across = min(free / (draws + 3), 1.6 / shape)
    size = across, across * shape
    lefts = NAMES + np.arange(draws + 3) * (across + GAP)
    lefts[-2:] += np.array([1, 2]) * (APART - GAP)
    rows = (1 + len(shown)) * (size[1] + NOTE) + 2 * TITLES + BAR
    height = (
        TITLE
        + channels * rows
        + (channels - 1) * BETWEEN
        + (0.2 if scene.grid.description else 0.0)
    )
    title = f"{scene.title} at {nodes(scene.truth.shape[1:])}"
    sheet = Sheet(float(lefts[-1]) + across + 0.1, height, title)
    for channel in range(channels):
        _block(sheet, scene, shown, channel, lefts, size)
    if scene.grid.description:
        sheet.figure.text(0.5, 0.12 / height, scene.grid.description, ha="center", fontsize=SMALL)
    return sheet.figure


def _block(
    sheet: Sheet,
    scene: Scene,
    shown: Sequence[Ensemble],
    channel: int,
    lefts: np.ndarray,
    size: tuple[float, float],
) -> None:
    """A channel: the truth and what is seen, a row for each ensemble, and the colour bars."""
    draws = len(lefts) - 3
    values, deviations = value_scale(scene, channel), deviation_scale(shown, channel)
    sheet.top += TITLES
    _first_row(sheet.row(lefts[:3], size, NOTE + TITLES), scene, channel, values)
    for number, own in enumerate(shown):
        panels = sheet.row(lefts, size, NOTE)
        _row(panels, scene, own, channel, values, deviations)
        if number == 0:
            titles = ["mean", *(f"draw {i + 1}" for i in range(draws)), "sd of draws", scene.error]
            for axes, title in zip(panels, titles, strict=True):
                axes.set_title(title)
    sheet.top += 0.1
    wide = float(lefts[-3] + size[0] - lefts[0])
    sheet.bar(lefts[0], wide, values, scene.quantity(channel), extend="both")
    sheet.bar(lefts[-2], size[0], deviations, f"sd{scene.unit}", extend="max", ticks=3)
    sheet.bar(lefts[-1], size[0], error_scale(), "in sd", ticks=STEPS)
    sheet.top += BAR - 0.1 + BETWEEN


def _row(
    panels: np.ndarray,
    scene: Scene,
    own: Ensemble,
    channel: int,
    values: ScalarMappable,
    deviations: ScalarMappable,
) -> None:
    name_row(panels[0], own.label)
    panels[0].yaxis.label.set_color(own.ink)
    draws = own.draws[: len(panels) - 3, channel]
    for axes, field in zip(panels, [own.mean[channel], *draws], strict=False):
        show(axes, field, values, scene.grid)
    for axes in panels[1 + len(draws) : -2]:
        axes.set_axis_off()
    show(panels[-2], own.deviation[channel], deviations, scene.grid)
    error = own.error(scene.truth.values)[channel]
    show(panels[-1], error, error_scale(), scene.grid)
    off = root_mean_square(own.mean[channel] - scene.truth.values[channel])
    note(panels[0], f"rms error {off:.2g}")
    note(panels[-2], f"rms {root_mean_square(own.deviation[channel]):.2g}")
    note(panels[-1], beyond(error))


def beyond(error: np.ndarray) -> str:
    """At how many of the nodes that have values the truth is far from the mean."""
    known = error[~np.isnan(error)]
    return f"{100 * (known > BEYOND).mean():.0f} % above {BEYOND:g}" if len(known) else ""


def _first_row(row: np.ndarray, scene: Scene, channel: int, values: ScalarMappable) -> None:
    """The truth with sensors on it, what is seen by itself, and how to read the rest."""
    truth, seen = scene.truth.values[channel], scene.seen.get(channel, [])
    show(row[0], truth, values, scene.grid)
    row[0].set_title(scene.called)
    name_row(row[0], scene.quantity(channel))
    for item in seen:
        if isinstance(item, Dots):
            scatter(row[0], item, values)
    observed(row[1], truth, seen, values, scene.grid)
    row[1].set_title("observed")
    row[2].set_axis_off()
    row[2].text(
        0.05, 1.0, _legend(scene, seen), va="top", fontsize=SMALL, transform=row[2].transAxes
    )


def _legend(scene: Scene, seen: Sequence[Shown]) -> str:
    lines = [_told(item) for item in seen] or ["nothing is seen of this channel"]
    if any(isinstance(item, Image) and np.isnan(item.values).any() for item in seen):
        lines.append("grey: nothing is seen")
    if scene.called != TRUTH:
        return "\n".join(lines)
    return "\n".join(
        [
            *lines,
            f"\n{scene.error} of a sound, Gaussian posterior",
            f"is above {BEYOND:g} at 5 % of the nodes, on average",
        ]
    )


def _told(item: Shown) -> str:
    """How much is seen, and how well."""
    values = item.values[~np.isnan(item.values)]
    one, several = ("sensor", "sensors") if isinstance(item, Dots) else ("datum", "data")
    said = f"{len(values)} {one if len(values) == 1 else several}"
    if isinstance(item, Elsewhere) or (isinstance(item, Dots) and item.foreign):
        ends = dict.fromkeys(f"{end:.2g}" for end in (values.min(), values.max()))
        said += f" of another quantity,\n{' to '.join(ends)}"
    noise = [] if item.deviation is None else sorted({f"{d:.2g}" for d in item.deviation})
    return said + (f", noise {' to '.join(noise[:: max(1, len(noise) - 1)])}" if noise else "")


def observed(
    axes: Axes, truth: np.ndarray, seen: Sequence[Shown], values: ScalarMappable, grid: Grid
) -> None:
    """What data show, and nothing of the rest; ``truth`` is the field on its grid."""
    blank = np.full(truth.shape, np.nan)
    images = [item for item in seen if isinstance(item, Image)]
    if images:
        show(axes, images[0].values, values, _on(grid, truth, images[0].values))
    else:
        show(axes, blank, values, grid)
    axes.set_facecolor(UNSEEN)
    for item in seen:
        if isinstance(item, Dots):
            scatter(axes, item, values)


def scatter(axes: Axes, dots: Dots, values: ScalarMappable) -> None:
    """Sensors in the colours of their data: those of the field, or a range of their own."""
    y, x = dots.places[:, -2:].T
    size = float(np.clip(900 / max(len(x), 1), 3, 20))
    edge = 0.5 if len(x) <= CROWDED else 0.0
    how: dict[str, Any] = {
        "s": size,
        "linewidths": edge,
        "edgecolors": "black",
        "clip_on": False,
        "zorder": 3,
    }
    own: dict[str, Any] = {"norm": values.norm, "cmap": values.cmap}
    colours = {"cmap": "viridis"} if dots.foreign else own
    axes.scatter(x, y, c=dots.values, **colours, **how)


def _on(grid: Grid, truth: np.ndarray, image: np.ndarray) -> Grid:
    """The grid of an image of the same box as the truth."""
    if grid.aspect is None:
        return grid
    (high, wide), (rows, columns) = truth.shape[-2:], image.shape[-2:]
    return Grid(grid.names, grid.aspect * (high / rows) / (wide / columns))
