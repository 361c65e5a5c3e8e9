"""Posteriors of functions of one variable: curves in bands, with sensors as dots."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fsdiff.reports.plotting.grids import nodes
from fsdiff.reports.plotting.posteriors.scene import (
    Ensemble,
    Scene,
    root_mean_square,
)
from fsdiff.reports.plotting.style import WIDTH, styled, wrapped
from fsdiff.reports.posteriors.seen import Dots, Image, Shown

BANDS = {0.9: 0.15, 0.5: 0.3}
"""Central intervals of draws, and how opaque they are."""

TRUTH: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 1.5, "zorder": 4}
DOTS: dict[str, Any] = {"color": "black", "marker": "o", "mfc": "white", "linestyle": ""}
SOUND: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1.5}


@styled
def curves(scene: Scene, shown: Sequence[Ensemble], *, draws: int = 5) -> Figure:
    """A row for each posterior: its bands beside truth and data, and its deviation beside errors.

    Bands are central 50 % and 90 % intervals of the draws, thin lines single draws. At the right is
    the standard deviation, beside that of the reference where there is one, and the distance of
    the mean from the truth.
    """
    channels = scene.truth.sizes["channel"]
    figure = Figure(figsize=(WIDTH, channels * (1.75 * len(shown) + 0.9)), layout="constrained")
    bands = figure.subfigures(channels, 1, squeeze=False)[:, 0]
    for channel, band in enumerate(bands):
        _block(band, scene, shown, channel, draws)
    figure.legend(handles=_legend(scene, shown), loc="outside lower center", ncols=5)
    figure.suptitle(f"{scene.title} at {nodes(scene.truth.shape[1:])}", fontsize=11)
    return figure


def _block(
    band: SubFigure, scene: Scene, shown: Sequence[Ensemble], channel: int, draws: int
) -> None:
    panels = band.subplots(
        len(shown), 2, squeeze=False, sharex=True, sharey="col", width_ratios=(2, 1)
    )
    sound = [item for item in shown if item.is_reference and not item.remark]
    for (left, right), own in zip(panels, shown, strict=True):
        _functions(left, scene, own, channel, draws)
        _deviations(right, scene, own, sound, channel)
        left.set_title(own.label.replace("\n", " "), loc="left", color=own.ink)
    panels[0, 1].set_title("deviation and error", loc="left")
    for axes in panels[:, 0]:
        axes.set_ylabel(wrapped(scene.quantity(channel), 18))
    for axes in panels[-1]:
        axes.set_xlabel(scene.grid.description)
    panels[0, 0].set_ylim(*_limits(scene, shown, channel))
    panels[0, 1].set_ylim(bottom=0)


def _legend(scene: Scene, shown: Sequence[Ensemble]) -> list[Artist]:
    """What is drawn, without the colours that tell posteriors apart."""
    grey: dict[str, Any] = {"color": "#7A7A7A"}
    found: list[Artist] = [
        Patch(alpha=opacity, linewidth=0, label=f"{100 * level:.0f} % of draws", **grey)
        for level, opacity in BANDS.items()
    ]
    found.append(Line2D([], [], linewidth=0.5, label="single draws", **grey))
    found.append(Line2D([], [], linewidth=1.8, label="mean; sd", **grey))
    found.append(Line2D([], [], label=scene.called, **TRUTH))
    if scene.seen:
        found.append(Line2D([], [], label="data", **DOTS))
    found.append(Line2D([], [], linewidth=0.8, label=f"|mean − {scene.called}|", **grey))
    if any(item.is_reference and not item.remark for item in shown):
        found.append(Line2D([], [], label="sd of the reference", **SOUND))
    return found


def _functions(axes: Axes, scene: Scene, own: Ensemble, channel: int, draws: int) -> None:
    x, values = _x(scene), own.draws[:, channel]
    for level, opacity in BANDS.items():
        low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2], axis=0)
        axes.fill_between(x, low, high, color=own.colour, alpha=opacity, linewidth=0)
    for draw in values[:draws]:
        axes.plot(x, draw, color=own.colour, linewidth=0.5, alpha=0.7)
    axes.plot(x, own.mean[channel], color=own.colour, linewidth=1.8, label="mean", zorder=3)
    axes.plot(x, scene.truth.values[channel], label=scene.called, **TRUTH)
    for item in scene.seen.get(channel, []):
        if isinstance(item, Image):
            finer = np.interp(_places(scene, item), np.arange(len(x)), x)
            axes.plot(finer, item.values, ":", color="black", label="data")
        elif isinstance(item, Dots):
            _dots(axes, item, x)


def _places(scene: Scene, image: Image) -> np.ndarray:
    """Where the values of an image are among the nodes."""
    return np.linspace(0, scene.truth.shape[-1] - 1, len(image.values))


def _dots(axes: Axes, dots: Dots, x: np.ndarray) -> None:
    at = _coordinates(dots.places[:, 0], x)
    if dots.foreign:
        below: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(at, np.zeros(len(at)), markersize=4, **DOTS, **below)
        return
    size = float(np.clip(60 / max(len(at), 1), 1.5, 5))
    how: dict[str, Any] = {"markersize": size, "elinewidth": 0.8, "zorder": 5, "label": "data"}
    axes.errorbar(at, dots.values, dots.deviation, **DOTS, **how)


def _coordinates(places: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Coordinates of places that are counted in nodes, also beyond the first and the last."""
    first = np.clip(np.floor(places), 0, len(x) - 2).astype(int)
    return x[first] + (places - first) * (x[first + 1] - x[first])


def _deviations(
    axes: Axes, scene: Scene, own: Ensemble, sound: Sequence[Ensemble], channel: int
) -> None:
    x, truth = _x(scene), scene.truth.values[channel]
    error = np.abs(own.mean[channel] - truth)
    axes.plot(x, error, color=own.colour, linewidth=0.8, label=f"|mean − {scene.called}|")
    axes.fill_between(x, 0, own.deviation[channel], color=own.colour, alpha=0.25, linewidth=0)
    axes.plot(x, own.deviation[channel], color=own.colour, linewidth=1.8, label="sd")
    for item in sound if not own.is_reference else []:
        axes.plot(x, item.deviation[channel], label="sd of the reference", **SOUND)
    rms = root_mean_square(own.mean[channel] - truth), root_mean_square(own.deviation[channel])
    axes.text(
        0.98,
        0.93,
        "rms: error {:.2g}, sd {:.2g}".format(*rms),
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=8,
    )


def _x(scene: Scene) -> np.ndarray:
    return scene.truth[scene.axes[0]].values


def _limits(scene: Scene, shown: Sequence[Ensemble], channel: int) -> tuple[float, float]:
    """What holds truth, data and nearly all draws of the reference, or else of all."""
    sound = [item for item in shown if item.is_reference and not item.remark] or shown
    values = [scene.truth.values[channel]]
    values += [np.nanquantile(item.draws[:, channel], [0.01, 0.99]) for item in sound]
    values += [item.values for item in scene.seen.get(channel, []) if _of_field(item)]
    low = min(float(np.nanmin(v)) for v in values)
    high = max(float(np.nanmax(v)) for v in values)
    margin = 0.12 * (high - low) or 1.0
    return low - margin, high + margin


def _of_field(item: Shown) -> bool:
    """Whether data are values of the field."""
    return isinstance(item, Image) or (isinstance(item, Dots) and not item.foreign)
