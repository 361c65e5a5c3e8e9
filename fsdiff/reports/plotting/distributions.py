"""One-point and derivative densities: where non-Gaussian fields differ from Gaussian ones."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fsdiff.metrics.densities import partial_derivatives
from fsdiff.reports.labels import REFERENCES, TEST_DATA, labelled
from fsdiff.reports.plotting.panels import side_legend
from fsdiff.reports.plotting.style import DATA, SURROGATE, WIDTH, line_styles, styled
from fsdiff.spaces.bases import Basis

BINS = 120


@styled
def densities(
    data: ArrayLike,
    experiments: Mapping[str, ArrayLike],
    *,
    basis: Basis,
    surrogate: ArrayLike | None = None,
    lengths: Mapping[str, float] | None = None,
    quantity: str = "u",
    slope: str | None = None,
    titles: Mapping[str, str] | None = None,
    places: Sequence[int] | None = None,
) -> Figure:
    """Density of the values and of the first derivatives, on a logarithmic axis.

    Fields are (sample, channel, *grid) in physical units at one resolution; channels are pooled, so
    slice to draw one, and values that are NaN left out. Derivatives are differences of neighbouring
    nodes over their distance, pooled over the axes that ``lengths`` names, by default all; their
    values are what a unit of the basis is in that of the axis, by default one. ``slope`` is what
    derivatives are called, with their unit. A Gaussian is a parabola here. Experiments are given by
    name; ``titles`` are what they are called, if not that, ``places`` those among all of a study,
    which decide their colours.
    """
    experiments = labelled(experiments, titles)
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    values, slopes = figure.subplots(1, 2)
    curves = {TEST_DATA: (data, DATA)}
    if surrogate is not None:
        curves[REFERENCES["surrogate"]] = (surrogate, SURROGATE)
    for label, style in line_styles(experiments, places).items():
        curves[label] = (experiments[label], style)
    fields = {label: np.asarray(array) for label, (array, _) in curves.items()}
    lengths = lengths or {axis.name: 1.0 for axis in basis.axes}
    derivatives = {label: _derivatives(array, basis, lengths) for label, array in fields.items()}
    styles = {label: style for label, (_, style) in curves.items()}
    _draw(values, {label: _known(array) for label, array in fields.items()}, styles)
    _draw(slopes, derivatives, styles)
    values.set(xlabel=quantity, ylabel="probability density", title="one-point density")
    slopes.set(
        xlabel=f"{slope or f'derivative of {quantity}'} along {_along(lengths)}",
        title="density of derivatives",
    )
    side_legend(figure, values)
    return figure


def _derivatives(fields: np.ndarray, basis: Basis, lengths: Mapping[str, float]) -> np.ndarray:
    parts = zip(basis.axes, partial_derivatives(torch.from_numpy(fields), basis), strict=True)
    shown = [(part, lengths[axis.name]) for axis, part in parts if axis.name in lengths]
    return np.concatenate([_known(part.numpy()) / length for part, length in shown])


def _known(values: np.ndarray) -> np.ndarray:
    """Those that are not missing, flat."""
    return values[~np.isnan(values)]


def _draw(
    axes: Axes, samples: Mapping[str, np.ndarray], styles: Mapping[str, dict[str, Any]]
) -> None:
    """Histograms on common bins that hold the data and nearly all of everything else."""
    reference = samples[TEST_DATA]
    edges = [np.quantile(array, (1e-4, 1 - 1e-4)) for array in samples.values()]
    low, high = float(reference.min()), float(reference.max())
    margin = 0.5 * (high - low)
    low = max(min(edge[0] for edge in edges), low - margin)
    high = min(max(edge[1] for edge in edges), high + margin)
    bins = np.linspace(low, high, BINS + 1)
    centres = (bins[1:] + bins[:-1]) / 2
    for label, array in samples.items():
        count = np.histogram(array, bins)[0]
        # Densities are relative to all values, so that mass outside the bins is not hidden.
        density = np.where(count > 0, count / (array.size * np.diff(bins)), np.nan)
        axes.plot(centres, density, label=label, **styles[label])
    axes.set(yscale="log", xlim=(low, high))


def _along(axes: Iterable[str]) -> str:
    """The axes in words, the last first: "x and y"."""
    *others, last = reversed(list(axes))
    return f"{', '.join(others)} and {last}" if others else last
