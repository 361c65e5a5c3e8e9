"""What comparisons mean, in words: of noise for training, of experiments for whoever chooses."""

import math

import numpy as np

from fsdiff.measures.roughness import NEGLIGIBLE, Comparison
from fsdiff.reports.standings import Place, Standing

FLOOR = "the distance between two sets of real data"
"""What distances are multiples of."""


def of_noise(comparison: Comparison) -> str:
    """Whether noise is rough enough for data; if not, where, and which prior to choose."""
    data, noise = comparison.exponents
    first, last = comparison.fitted
    decay = (
        f"from wavenumber {first} to {last} the energy of the noise goes like "
        f"k^{-noise:.1f} and that of the data like k^{-data:.1f}"
    )
    if comparison.rough_enough:
        return f"the noise is rough enough for these data: {decay}"
    reasons, remedies = [], []
    if len(comparison.scarcer):
        reasons.append(
            f"the noise is smoother than the data at wavenumbers {_ranges(comparison.scarcer)}, "
            f"whose score grows without bound as t → 0: {decay}"
        )
        remedies.append("rougher (a smaller power, smoothness or length)")
    if comparison.uncovered > NEGLIGIBLE or len(comparison.scarcer) < len(comparison.smoother):
        reasons.append(
            f"{100 * comparison.uncovered:.2g}\u00a0% of the data's energy is in modes without any "
            "noise, which cannot be generated"
        )
        remedies.append("positive in every mode, like bessel")
    return f"{'; '.join(reasons)}; choose a prior that is {' and '.join(remedies)}"


def of_standing(standing: Standing) -> str:
    """Which experiment is nearest to the data, and how near, beside the Gaussian surrogate."""
    if not standing.columns:
        return (
            "no metric of this study sees structure, which is what a Gaussian field with the "
            "spectrum of the data lacks, so experiments are not ranked; metrics that see it: "
            "one_point, gradient, patch_sliced_wasserstein"
        )
    best, surrogate = standing.places[0], standing.surrogate
    if math.isnan(best.mean):
        return "experiments are not ranked, because none has numbers in all of these columns"
    first = f"{best.name}: " if len(standing.places) == 1 else f"nearest is {best.name}, at "
    reached = f"{multiple(best.mean)} times {FLOOR}"
    text = f"{first}{reached if standing.floor else f'a mean distance of {best.mean:.3g}'}"
    if surrogate and not math.isnan(surrogate.mean):
        text += f"; the {surrogate.name}: {mean_of(surrogate, standing)}"
        if surrogate.mean <= best.mean:
            text += ", which no experiment reaches: they have second moments at best"
    if not standing.floor:
        text += "; distances stand by themselves, because there is none of real data from real data"
    return text


def of_place(place: Place, standing: Standing) -> str:
    """What an experiment is called, with a remark where it was not trained so finely."""
    coarse = place.trained_at is not None and place.trained_at < standing.resolution
    return f"{place.name} (trained up to {place.trained_at})" if coarse else place.name


def mean_of(place: Place, standing: Standing) -> str:
    """The mean distance of an experiment, as a multiple of the floor where there is one."""
    return multiple(place.mean) if standing.floor else plain(place.mean)


def multiple(value: float) -> str:
    """A multiple of the floor, with a decimal; nothing where it is unknown."""
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def plain(value: float) -> str:
    """A distance with three digits; nothing where it is unknown."""
    return "" if math.isnan(value) else f"{value:.3g}"


def _ranges(wavenumbers: np.ndarray) -> str:
    """Runs of consecutive numbers as "3–17, 20"."""
    runs = np.split(wavenumbers, 1 + np.flatnonzero(np.diff(wavenumbers) > 1))
    return ", ".join(f"{r[0]}–{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in runs)
