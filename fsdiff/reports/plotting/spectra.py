"""Energy spectra: data, samples, Gaussian surrogate and the prior, by wavenumber.

A spectrum is an array over shells of wavenumber: entry k is the energy of the modes with |k|
rounded to k, and the entries sum to the field's mean square. That of fields is made by
``fsdiff.metrics.spectra.radial_spectrum``, that of mean-square coefficients by
``fsdiff.spaces.shells.shell_energy``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fsdiff.reports.labels import REFERENCES, TEST_DATA, labelled
from fsdiff.reports.plotting.grids import nodes
from fsdiff.reports.plotting.style import (
    DATA,
    SMALL,
    SURROGATE,
    WIDTH,
    experiment_styles,
    label_ends,
    line_styles,
    plain_ticks,
    styled,
)
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.shells import whole_shells

NOISE: dict[str, Any] = {"color": "0.55", "linestyle": (0, (1, 1.5)), "linewidth": 1.6}
"""How the noise that experiments start from is drawn beside their samples."""


@styled
def spectra(
    data: ArrayLike,
    experiments: Mapping[str, ArrayLike],
    *,
    basis: Basis,
    resolution: int,
    levels: Sequence[int],
    surrogate: ArrayLike | None = None,
    priors: Mapping[str, ArrayLike] | None = None,
    quantity: str = "u",
    titles: Mapping[str, str] | None = None,
    places: Sequence[int] | None = None,
) -> Figure:
    """Energy spectra of data, experiments, surrogate and priors, and their ratio to the data's.

    Spectra are arrays over shells in the same units; those of the priors, by experiment, are to be
    scaled to the data's units, and equal ones are drawn once. ``quantity`` names the channel and
    the unit of its square. Shells are shown as far as the grid
    resolves them whole. Vertical lines mark the last such shell of each training level. ``titles``
    are what experiments are called, if not by name, ``places`` those of the experiments among all
    of a study, which decide their colours.
    """
    experiments, priors = labelled(experiments, titles), labelled(priors or {}, titles)
    shells = whole_shells(resolution, basis) + 1
    figure = Figure(figsize=(WIDTH, 6.8), layout="constrained")
    energy, ratio = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    reference = _shells(data, shells)
    lines = []
    for label, first, _ in distinct_spectra(priors):
        shown = _shells(priors[first], shells)
        lines += energy.plot(np.arange(len(shown)), shown, label=f"noise of {label}", **NOISE)
    for label, (values, style) in _curves(experiments, surrogate, places).items():
        shown = _shells(values, shells)
        lines += energy.plot(np.arange(len(shown)), shown, label=label, **style)
        common = min(len(shown), len(reference))
        ratio.plot(np.arange(common), shown[:common] / reference[:common], **style)
    lines += energy.plot(np.arange(len(reference)), reference, label=TEST_DATA, **DATA)
    ratio.axhline(1.0, **DATA)
    format_axes(energy, ratio, reference, quantity)
    _mark_levels(energy, ratio, basis, [n for n in levels if n <= resolution])
    energy.set_title(f"energy spectrum at {nodes(basis.grid(resolution))}", loc="left")
    label_ends(energy, lines)
    return figure


def _shells(values: ArrayLike, shells: int) -> np.ndarray:
    """Energies of the shells k < ``shells`` as a log–log plot can show them."""
    energy = np.asarray(values, dtype=float)
    if energy.ndim != 1:
        raise ValueError(f"a spectrum has shape (shells,), not {energy.shape}")
    return visible(energy[:shells])


def visible(energy: np.ndarray) -> np.ndarray:
    """NaN in place of what a log–log plot cannot show: the shell k = 0, and empty shells."""
    return np.where((np.arange(len(energy)) > 0) & (energy > 0), energy, np.nan)


def distinct_spectra(
    priors: Mapping[str, ArrayLike], styles: Mapping[str, Mapping[str, Any]] | None = None
) -> list[tuple[str, str, str]]:
    """(label, first key, colour) of the different spectra; labels of equal ones are joined.

    Of more than three the first stands for all.
    ``styles`` are those of the labels, by their order if absent.
    """
    styles = styles or experiment_styles(priors)
    groups: list[tuple[list[str], str]] = []
    for label in priors:
        same = [g for g in groups if np.array_equal(priors[g[0][0]], priors[label])]
        if same:
            same[0][0].append(label)
        else:
            groups.append(([label], styles[label]["color"]))
    return [(_joined(labels), labels[0], colour) for labels, colour in groups]


def _joined(labels: Sequence[str]) -> str:
    return "; ".join(labels) if len(labels) <= 3 else f"{labels[0]} and {len(labels) - 1} others"


def _curves(
    experiments: Mapping[str, ArrayLike],
    surrogate: ArrayLike | None,
    places: Sequence[int] | None,
) -> dict[str, tuple[ArrayLike, dict[str, Any]]]:
    """What is compared with the data: label → (spectrum, how to draw it)."""
    curves = {}
    if surrogate is not None:
        curves[REFERENCES["surrogate"]] = (surrogate, SURROGATE)
    for label, style in line_styles(experiments, places).items():
        curves[label] = (experiments[label], style)
    return curves


def format_axes(energy: Axes, ratio: Axes, reference: np.ndarray, quantity: str) -> None:
    """Logarithmic axes whose ranges follow the data's spectrum, ``reference``.

    There are none where the data have no wavenumber, as on two nodes of a circle.
    """
    if np.isnan(reference).all():
        for axes in (energy, ratio):
            axes.set_axis_off()
        return
    for axes in (energy, ratio):
        axes.set(xscale="log", yscale="log", xlim=(0.9, len(reference) * 1.05))
    energy.set_ylabel(f"energy per shell of {quantity}")
    ratio.set(xlabel="wavenumber |k|", ylabel="ratio to data")
    # A prior or a failed model orders of magnitude off must not flatten the rest.
    energies, peak = _values(energy), np.nanmax(reference)
    low, high = np.nanmin(energies), np.nanmax(energies)
    energy.set_ylim(max(low, peak * 1e-12) / 2, min(high, peak * 1e4) * 3)
    low, high = np.nanmin(_values(ratio)), np.nanmax(_values(ratio))
    ratio.set_ylim(max(min(low, 0.5), 1e-4) / 1.3, min(max(high, 2.0), 1e6) * 1.3)
    plain_ticks(ratio.yaxis)


def _values(axes: Axes) -> np.ndarray:
    """All ordinates drawn in the axes."""
    return np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])


def _mark_levels(energy: Axes, ratio: Axes, basis: Basis, levels: Sequence[int]) -> None:
    for n in levels:
        k = whole_shells(n, basis)
        for axes in (energy, ratio):
            axes.axvline(k, color="#999999", linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        energy.text(
            k * 0.97,
            0.98,
            f"resolved by {n}",
            rotation=90,
            fontsize=SMALL,
            color="#666666",
            ha="right",
            va="top",
            transform=energy.get_xaxis_transform(),
        )
