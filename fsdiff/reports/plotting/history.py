"""Loss curves of coarse-to-fine training, against time and epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.reports.labels import labels
from fsdiff.reports.plotting.panels import common_legend
from fsdiff.reports.plotting.style import WIDTH, experiment_styles, plain_ticks, styled


@dataclass(frozen=True)
class _Course:
    """The levels of one experiment end to end: cumulative seconds and epochs of every row.

    ``ends`` and ``best`` are the rows at which a level ends and whose weights it kept.
    """

    history: xr.Dataset
    seconds: np.ndarray
    epochs: np.ndarray
    ends: np.ndarray
    best: np.ndarray


@styled
def loss_curves(
    histories: Mapping[str, Sequence[xr.Dataset]], titles: Mapping[str, str] | None = None
) -> Figure:
    """Training loss, and validation loss at all resolutions that have one, by seconds and epochs.

    ``histories`` maps an experiment's name to its histories in the order of its levels, as
    training returns them: ``training_loss(epoch)``, ``validation_loss(epoch, resolution)``,
    ``seconds(epoch)`` since the start of the level, and the attribute ``best_epoch``, a value of
    ``epoch``. Dotted vertical lines are the ends of levels, markers rows whose weights were kept.
    ``titles`` are what experiments are called, if not by name; those without histories keep their
    places among the colours.
    """
    called = labels([*(titles or {}), *histories], titles)
    styles = experiment_styles(called)
    courses = {name: _join(levels) for name, levels in histories.items()}
    resolutions = sorted({n for c in courses.values() for n in c.history.resolution.values})
    columns = 1 + len(resolutions)
    figure = Figure(figsize=(min(WIDTH, 0.8 + 2.9 * columns), 5.6), layout="constrained")
    panels = figure.subplots(2, columns, squeeze=False, sharex="row", sharey="col")
    for row, attribute in zip(panels, ("seconds", "epochs"), strict=True):
        for name, course in courses.items():
            label, style = called[name], styles[name]
            _draw(row[0], course, course.history.training_loss, attribute, label, style)
            for axes, n in zip(row[1:], resolutions, strict=True):
                if n in course.history.resolution:
                    loss = course.history.validation_loss.sel(resolution=n)
                    _draw(axes, course, loss, attribute, label, style)
        for axes in row:
            axes.set_xlabel("training time [s]" if attribute == "seconds" else "epochs")
            axes.set_yscale("log")
            plain_ticks(axes.yaxis)
        row[0].set_ylabel("denoising loss")
    panels[0, 0].set_title("training\nat the level's resolution")
    for axes, n in zip(panels[0, 1:], resolutions, strict=True):
        axes.set_title(f"validation\nat resolution {n}")
    common_legend(figure, panels[:1, 0], 4)
    return figure


def _join(levels: Sequence[xr.Dataset]) -> _Course:
    """Put histories end to end, time and epochs counted through."""
    if not levels:
        raise ValueError("an experiment without training histories cannot be drawn; leave it out")
    lengths = np.array([level.sizes["epoch"] for level in levels])
    starts = np.cumsum(lengths) - lengths
    kept = [int(np.flatnonzero(h.epoch == h.attrs["best_epoch"])[0]) for h in levels]
    history = xr.concat(
        [level.drop_vars("epoch") for level in levels],
        dim="epoch",
        data_vars="all",
        join="outer",
        combine_attrs="drop",
    )
    return _Course(
        history=history,
        seconds=_counted_through([level.seconds.values for level in levels]),
        epochs=_counted_through([level.epoch.values for level in levels]),
        ends=starts + lengths - 1,
        best=starts + kept,
    )


def _counted_through(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Cumulative counts that start anew in each part, as one count."""
    before = np.cumsum([0.0] + [float(part[-1]) for part in parts[:-1]])
    return np.concatenate([part + offset for part, offset in zip(parts, before, strict=True)])


def _draw(
    axes: Axes,
    course: _Course,
    loss: xr.DataArray,
    attribute: str,
    label: str,
    style: Mapping[str, Any],
) -> None:
    x = getattr(course, attribute)
    axes.plot(x, loss, label=label, markevery=list(course.best), markersize=4.5, **style)
    for end in course.ends[:-1]:
        axes.axvline(x[end], color=style["color"], linewidth=0.8, linestyle=(0, (1, 2)), zorder=0)
