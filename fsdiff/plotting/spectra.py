"""Energy spectra: data, samples, Gaussian surrogate and the prior, by wavenumber.

A spectrum is an array over shells of wavenumber: entry k is the energy of the modes with |k|
rounded to k, and the entries sum to the field's mean square. That of fields is made by
``fsdiff.metrics.spectra.radial_spectrum``, that of mean-square coefficients by ``shell_energy``.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fsdiff.bases import Basis
from fsdiff.metrics.spectra import whole_shells
from fsdiff.plotting.style import (
    DATA,
    SURROGATE,
    WARNING,
    experiment_styles,
    label_ends,
    plain_ticks,
    styled,
)

GROWTH = 10.0
"""Growth of the ratio data/prior over its least value at lower wavenumbers that draws a warning."""

ROUNDING = 1e-12
"""Share of the data's energy below which a shell is rounding error of the stored float32 fields."""

NOISE = {"color": "0.55", "linestyle": (0, (1, 1.5)), "linewidth": 1.6}
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
) -> Figure:
    """Energy spectra of data, experiments, surrogate and priors, and their ratio to the data's.

    Spectra are arrays over shells in the same units; those of the priors, by experiment, are to be
    scaled to the data's units, and equal ones are drawn once. Shells are shown as far as the grid
    resolves them whole. Vertical lines mark the last such shell of each training level.
    """
    shells = whole_shells(resolution, basis) + 1
    figure = Figure(figsize=(7.6, 6.2), layout="constrained")
    energy, ratio = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    reference = _shells(data, shells)
    lines = []
    for label, values, _ in _distinct(priors or {}):
        shown = _shells(values, shells)
        lines += energy.plot(np.arange(len(shown)), shown, label=f"noise of {label}", **NOISE)
    for label, (values, style) in _curves(experiments, surrogate).items():
        shown = _shells(values, shells)
        lines += energy.plot(np.arange(len(shown)), shown, label=label, **style)
        common = min(len(shown), len(reference))
        ratio.plot(np.arange(common), shown[:common] / reference[:common], **style)
    lines += energy.plot(np.arange(len(reference)), reference, label="data (test)", **DATA)
    ratio.axhline(1.0, **DATA)
    _format(energy, ratio, reference, quantity)
    _mark_levels(energy, ratio, basis, [n for n in levels if n <= resolution])
    energy.set_title(f"energy spectrum at {resolution} × {resolution}", loc="left")
    label_ends(energy, lines)
    return figure


@styled
def prior_spectrum(
    data: ArrayLike,
    priors: Mapping[str, ArrayLike],
    *,
    basis: Basis,
    resolution: int,
) -> Figure:
    """The priors' eigenvalue spectra beside the data's, and the ratio data/prior.

    Spectra are arrays over shells, of the data normalised as for training (zero mean, unit mean
    square) and, by experiment, of its prior: the eigenvalues summed over the shell. Where the ratio
    grows with the wavenumber the noise is smoother than the data and the score of those modes is
    unbounded as t → 0 (Hagemann et al., arXiv 2303.04772, Example 3.11); such ranges are shaded.
    """
    shells = whole_shells(resolution, basis) + 1
    figure = Figure(figsize=(7.6, 6.2), layout="constrained")
    energy, ratio = figure.subplots(2, 1, sharex=True, height_ratios=(1.4, 1))
    reference = _shells(data, shells)
    lines = energy.plot(np.arange(len(reference)), reference, label="data (training)", **DATA)
    warned = False
    for label, values, colour in _distinct(priors):
        drawn = {"color": colour, "linestyle": (0, (6, 2))}
        shown = _shells(values, shells)
        common = min(len(shown), len(reference))
        lines += energy.plot(np.arange(len(shown)), shown, label=label, **drawn)
        ratio.plot(np.arange(common), reference[:common] / shown[:common], **drawn)
        smoother = smoother_than_data(data, values, shells)
        warned = warned or len(smoother) > 0
        _shade(energy, ratio, smoother, colour)
    _format(energy, ratio, reference, "normalised field")
    ratio.set_ylabel("ratio data / prior")
    if warned:
        warning = "⚠ shaded: noise smoother than the data, its score is unbounded as t → 0"
        ratio.set_title(warning, loc="left", color=WARNING)
    energy.set_title("where the noise puts its energy, and where the data have theirs", loc="left")
    label_ends(energy, lines)
    return figure


def shell_energy(mean_squares: ArrayLike, basis: Basis, n: int) -> np.ndarray:
    """Spectrum over shells from mean-square coefficients on n nodes per axis.

    ``mean_squares`` has shape (*coefficients): one channel of a data set's ``spectrum``, or the
    eigenvalues of a prior.
    """
    values = np.asarray(mean_squares, dtype=float)
    shell = np.rint(basis.wavenumber(n).numpy()).astype(int)
    if values.shape != shell.shape:
        raise ValueError(f"{n} nodes have coefficients {shell.shape}, not {values.shape}")
    weights = basis.multiplicity(n).numpy() * values
    return np.bincount(shell.ravel(), weights=weights.ravel())


def smoother_than_data(data: ArrayLike, prior: ArrayLike, shells: int) -> np.ndarray:
    """Wavenumbers 1 ≤ k < shells at which the prior is smoother than the data.

    These are the shells whose ratio data/prior exceeds ``GROWTH`` times its least value at lower
    wavenumbers; a shell without any prior energy counts, one below float32 rounding does not.
    """
    noise = np.asarray(prior, float)
    total = np.asarray(data, float)
    energy = total[1 : min(shells, len(noise))]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = energy / noise[1 : 1 + len(energy)]
    ratio = np.where(energy > ROUNDING * total.sum(), ratio, np.nan)
    least = np.fmin.accumulate(np.where(np.isfinite(ratio), ratio, np.inf))
    return 1 + np.flatnonzero((ratio > GROWTH * least) | np.isposinf(ratio))


def _shells(values: ArrayLike, shells: int) -> np.ndarray:
    """Energies of the shells k < ``shells``; what a log–log plot cannot show (k = 0, 0) is NaN."""
    energy = np.asarray(values, dtype=float)[:shells].copy()
    if energy.ndim != 1:
        raise ValueError(f"a spectrum has shape (shells,), not {energy.shape}")
    energy[0] = np.nan
    energy[energy <= 0] = np.nan
    return energy


def _distinct(priors: Mapping[str, ArrayLike]) -> list[tuple[str, ArrayLike, str]]:
    """(label, spectrum, colour); labels of equal spectra are joined, the first gives the colour."""
    groups: list[tuple[list[str], ArrayLike, str]] = []
    for label, style in experiment_styles(priors).items():
        same = [g for g in groups if np.array_equal(g[1], priors[label])]
        if same:
            same[0][0].append(label)
        else:
            groups.append(([label], priors[label], style["color"]))
    return [("; ".join(labels), values, colour) for labels, values, colour in groups]


def _curves(
    experiments: Mapping[str, ArrayLike], surrogate: ArrayLike | None
) -> dict[str, tuple[ArrayLike, dict]]:
    """What is compared with the data: label → (spectrum, how to draw it)."""
    curves = {}
    if surrogate is not None:
        curves["Gaussian surrogate"] = (surrogate, SURROGATE)
    for label, style in experiment_styles(experiments).items():
        curves[label] = (experiments[label], {"color": style["color"]})
    return curves


def _format(energy: Axes, ratio: Axes, reference: np.ndarray, quantity: str) -> None:
    """Logarithmic axes whose ranges follow the data's spectrum, ``reference``."""
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
            fontsize=7.5,
            color="#666666",
            ha="right",
            va="top",
            transform=energy.get_xaxis_transform(),
        )


def _shade(energy: Axes, ratio: Axes, wavenumbers: np.ndarray, colour: str) -> None:
    """Shade runs of consecutive wavenumbers."""
    runs = np.split(wavenumbers, 1 + np.flatnonzero(np.diff(wavenumbers) > 1))
    for run in (run for run in runs if len(run)):
        for axes in (energy, ratio):
            axes.axvspan(run[0] - 0.5, run[-1] + 0.5, color=colour, alpha=0.13, linewidth=0)
