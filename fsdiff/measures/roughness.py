"""Is the noise rough enough for the data? Their spectra side by side.

Where the ratio c_k/λ_k of data to noise grows with the wavenumber, the noise is smoother than the
data, and the score of those modes is unbounded as t → 0 (Hagemann et al., arXiv 2303.04772, Example
3.11; Chen & Vanden-Eijnden, arXiv 2509.02971). Modes that the noise does not have at all cannot be
generated. ``fsdiff.reports.roughness`` says it in words.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.shells import shell_energy, whole_shells

GROWTH = 10.0
"""How many times scarcer noise may be, relative to the data, than at all lower wavenumbers."""

NEGLIGIBLE = 1e-6
"""Share of the data's energy that does not count: 10⁻³ of the amplitude."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Energy of data and noise on the shells k = 0, 1, … that the grid resolves whole.

    ``uncovered`` is the share of the data's energy in modes that the noise does not have.
    """

    data: np.ndarray
    noise: np.ndarray
    uncovered: float

    @cached_property
    def ratio(self) -> np.ndarray:
        """Data/noise by shell: infinite where there is no noise, NaN where data are negligible."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.data / self.noise
        return np.where(self.data > NEGLIGIBLE * self.data.sum(), ratio, np.nan)

    @cached_property
    def smoother(self) -> np.ndarray:
        """Wavenumbers k ≥ 1 at which the noise is smoother than the data.

        There the ratio data/noise, data that rise counting as level, exceeds ``GROWTH`` times that
        of the shells 1 … k − 1 together, or there is no noise. Shells with negligible data do not
        count.
        """
        return np.union1d(self.scarcer, 1 + np.flatnonzero(np.isposinf(self.ratio[1:])))

    @cached_property
    def scarcer(self) -> np.ndarray:
        """Those of them at which there is noise, but too little."""
        return 1 + np.flatnonzero(self._growth > GROWTH)

    @property
    def rough_enough(self) -> bool:
        """Whether no mode of the data is left to noise that is too smooth, or to none."""
        return len(self.scarcer) == 0 and not self.incomplete

    @property
    def incomplete(self) -> bool:
        """Whether data are in modes without any noise."""
        return self.uncovered > NEGLIGIBLE or len(self.scarcer) < len(self.smoother)

    @cached_property
    def fitted(self) -> tuple[int, int]:
        """First and last wavenumber between which decay is compared.

        Where the noise is smoother, the range over which the ratio grows most; otherwise from the
        peak of the data's energy to the last shell that counts.
        """
        counted = np.flatnonzero(np.isfinite(self.ratio[1:]))
        if not len(counted):
            return 1, 1
        last = counted[np.argmax(self._growth[counted])]
        if self._growth[last] > GROWTH:
            below = counted[counted <= last]
            return 1 + int(below[np.argmin(self.ratio[1 + below])]), 1 + int(last)
        return 1 + int(counted[np.argmax(self.data[1 + counted])]), 1 + int(counted[-1])

    @cached_property
    def exponents(self) -> tuple[float, float]:
        """p of the least-squares fits of k^−p to the energy per shell: (data, noise).

        NaN where ``fitted`` holds fewer than two shells.
        """
        k = np.flatnonzero(np.isfinite(self.ratio))
        k = k[(k >= self.fitted[0]) & (k <= self.fitted[1])]
        if len(k) < 2:
            return np.nan, np.nan
        # On shells evenly spaced in k, the weight 1/k makes it a fit over ln k.
        weights = np.sqrt(1 / k)
        fits = (np.polyfit(np.log(k), np.log(e[k]), 1, w=weights) for e in (self.data, self.noise))
        data, noise = (-float(fit[0]) for fit in fits)
        return data, noise

    @cached_property
    def _growth(self) -> np.ndarray:
        """Ratio of each shell k ≥ 1 over that of the shells 1 … k − 1 together, 0 if undefined.

        Data that have more there than below count as if they had as much: their rise is not the
        doing of the noise, and none is rough enough for it.
        """
        counted = ~np.isnan(self.ratio[1:])
        with np.errstate(divide="ignore", invalid="ignore"):
            data, noise = (
                energy[2:] / (np.cumsum(energy[1:] * counted) / np.cumsum(counted))[:-1]
                for energy in (self.data, self.noise)
            )
            growth = data.clip(max=1) / noise * counted[1:]
        return np.concatenate([[0.0], np.where(np.isfinite(growth), growth, 0.0)])


def compare(spectrum: Tensor, eigenvalues: Tensor, basis: Basis, n: int) -> Comparison:
    """Data with mean-square coefficients ``spectrum`` beside noise of the given eigenvalues.

    Both have shape (*coefficients on n nodes).
    """
    spectrum, eigenvalues = spectrum.double(), eigenvalues.double()
    energy = basis.multiplicity(n) * spectrum
    shells = whole_shells(n, basis) + 1
    data, noise = (shell_energy(x, basis, n)[:shells].numpy() for x in (spectrum, eigenvalues))
    total = float(energy.sum())
    uncovered = float(energy[eigenvalues == 0].sum()) / total if total else 0.0
    return Comparison(data, noise, uncovered)


def compare_prior(spectra: Tensor, prior: SpectralPrior, basis: Basis, n: int) -> Comparison:
    """Normalised data, with mean-square coefficients (channel, *coefficients), beside a prior.

    Channels are all of unit mean square: in their average the roughest one counts. Where channels
    have noise of their own, the one that it suits least.
    """
    eigenvalues = prior.eigenvalues(basis, n)
    if eigenvalues.ndim == basis.dimension:
        return compare(spectra.mean(0), eigenvalues, basis, n)
    each = [
        compare(*channel, n)
        for channel in zip(spectra, eigenvalues, basis.by_channel(len(spectra)), strict=True)
    ]
    return max(each, key=lambda one: (len(one.smoother), one.uncovered))
