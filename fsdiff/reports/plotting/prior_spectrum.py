"""Whether the noise of priors is rough enough for the data: spectra and verdicts."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fsdiff.measures.roughness import Comparison
from fsdiff.reports.labels import TRAINING_DATA, labels
from fsdiff.reports.plotting.spectra import distinct_spectra, format_axes, visible
from fsdiff.reports.plotting.style import (
    DATA,
    SMALL,
    WARNING,
    experiment_styles,
    label_ends,
    styled,
)
from fsdiff.reports.roughness import of_noise

VERDICT_WIDTH = 108
"""Characters in a line of a verdict."""


@styled
def prior_spectrum(
    comparisons: Mapping[str, Comparison], titles: Mapping[str, str] | None = None
) -> Figure:
    """The priors' eigenvalue spectra beside the data's, the ratio data/prior, and the verdicts.

    Comparisons are of the same data, normalised as for training (zero mean, unit mean square), with
    the prior of each experiment. Wavenumbers at which a prior is smoother than the data are shaded.
    ``titles`` are what experiments are called, if not by name; those without noise keep their
    places among the colours.
    """
    called = labels([*(titles or {}), *comparisons], titles)
    styles = experiment_styles(called.values())
    comparisons = {called[name]: item for name, item in comparisons.items()}
    reference = visible(next(iter(comparisons.values())).data)
    noise = {label: item.noise for label, item in comparisons.items()}
    distinct = distinct_spectra(noise, styles)
    verdicts = [_verdict(label, comparisons[first]) for label, first, _ in distinct]
    rows = sum(text.count("\n") + 1 for text, _ in verdicts)
    figure = Figure(figsize=(7.6, 6.4 + 0.18 * rows), layout="constrained")
    grid = figure.add_gridspec(3, 1, height_ratios=(3.5, 2.4, 0.18 * rows))
    energy = figure.add_subplot(grid[0])
    ratio = figure.add_subplot(grid[1], sharex=energy)
    energy.tick_params(labelbottom=False)
    lines = energy.plot(np.arange(len(reference)), reference, label=TRAINING_DATA, **DATA)
    for label, first, colour in distinct:
        item = comparisons[first]
        drawn: dict[str, Any] = {"color": colour, "linestyle": (0, (6, 2))}
        shown = visible(item.noise)
        lines += energy.plot(np.arange(len(shown)), shown, label=label, **drawn)
        ratio.plot(np.arange(len(shown)), reference / shown, **drawn)
        _shade(energy, ratio, item.smoother, colour)
    format_axes(energy, ratio, reference, "normalised field")
    ratio.set_ylabel("ratio data / prior")
    energy.set_title("where the noise puts its energy, and where the data have theirs", loc="left")
    _write(figure.add_subplot(grid[2]), verdicts)
    label_ends(energy, lines)
    return figure


def _verdict(label: str, comparison: Comparison) -> tuple[str, str]:
    """The verdict on an experiment's prior in lines of text, and their colour."""
    mark, colour = ("✓", "#333333") if comparison.rough_enough else ("⚠", WARNING)
    text = f"{mark} {label}: {of_noise(comparison)}."
    return textwrap.fill(text, VERDICT_WIDTH, subsequent_indent="     "), colour


def _write(axes: Axes, verdicts: Sequence[tuple[str, str]]) -> None:
    """Lines of text in their colours, below each other in axes that hold nothing else."""
    axes.set_axis_off()
    rows = [text.count("\n") + 1 for text, _ in verdicts]
    heights = 1 - np.cumsum([0, *rows[:-1]]) / sum(rows)
    for (text, colour), height in zip(verdicts, heights, strict=True):
        axes.text(
            0,
            height,
            text,
            color=colour,
            fontsize=SMALL,
            va="top",
            transform=axes.transAxes,
            in_layout=False,
        )


def _shade(energy: Axes, ratio: Axes, wavenumbers: np.ndarray, colour: str) -> None:
    """Shade runs of consecutive wavenumbers."""
    runs = np.split(wavenumbers, 1 + np.flatnonzero(np.diff(wavenumbers) > 1))
    for run in (run for run in runs if len(run)):
        for axes in (energy, ratio):
            axes.axvspan(run[0] - 0.5, run[-1] + 0.5, color=colour, alpha=0.13, linewidth=0)
