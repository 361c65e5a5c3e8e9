"""What a comparison of noise with data means for training, in words."""

import numpy as np

from fsdiff.measures.roughness import Comparison
from fsdiff.reports.plain_text import two_digits


def of_noise(comparison: Comparison) -> str:
    """Whether noise is rough enough for data; if not, where, and which prior to choose."""
    decay = _decay(comparison)
    if comparison.rough_enough:
        return f"the noise is rough enough for these data{decay}"
    reasons, remedies = [], []
    if len(comparison.scarcer):
        reasons.append(
            f"the noise is smoother than the data at {_wavenumbers(comparison.scarcer)}, "
            f"whose score grows without bound as t → 0{decay}"
        )
        remedies.append("rougher (a smaller power, smoothness or length)")
    if comparison.incomplete:
        reasons.append(
            f"{two_digits(100 * comparison.uncovered)}\u00a0% of the data's energy is in modes "
            "without any noise, which cannot be generated"
        )
        remedies.append("positive in every mode, like bessel")
    return f"{'; '.join(reasons)}; choose a prior that is {' and '.join(remedies)}"


def _decay(comparison: Comparison) -> str:
    """How both fall with the wavenumber, where there are enough shells to say so."""
    data, noise = comparison.exponents
    if np.isnan(data):
        return ""
    first, last = comparison.fitted
    return (
        f": from wavenumber {first} to {last} the energy of the noise goes like k^{-noise:z.1f} "
        f"and that of the data like k^{-data:z.1f}"
    )


def _wavenumbers(wavenumbers: np.ndarray) -> str:
    """Runs of consecutive numbers as "wavenumbers 3–17, 20"."""
    runs = np.split(wavenumbers, 1 + np.flatnonzero(np.diff(wavenumbers) > 1))
    told = ", ".join(f"{r[0]}–{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in runs)
    return f"wavenumber{'s' if len(wavenumbers) > 1 else ''} {told}"
