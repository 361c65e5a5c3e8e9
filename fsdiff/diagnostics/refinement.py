"""Statistics of fields that must not depend on the grid if their law is one of functions."""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.metrics.spectra import radial_spectrum
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.shells import whole_shells


def statistics(fields: Tensor, basis: Basis, length: float = 1.0) -> xr.Dataset:
    """Statistics of a set of fields (sample, n, n), n > 2, with their standard errors.

    ``value(statistic)``: ``root mean square``, about zero; ``kurtosis`` of all values, about their
    mean, a Gaussian's is 3; ``correlation length``, the mean of 1/|ω| over the spectrum without the
    mean, on a box of side ``length``. ``spectrum(wavenumber)`` is the energy by whole shells, as of
    ``fsdiff.metrics.spectra``. ``value_error`` and ``spectrum_error`` are the jackknife's: one
    sample at a time is left out.
    """
    moments = torch.stack([(fields**p).mean((-2, -1)) for p in range(1, 5)], -1)
    shells = whole_shells(fields.shape[-1], basis) + 1
    energy = torch.stack([radial_spectrum(field[None, None], basis)[1][0] for field in fields])
    k = np.arange(1, energy.shape[1])
    wavelength = length / (basis.angular_frequency() * k)

    def values(mean: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                np.sqrt(mean[..., 1]),
                _kurtosis(*np.moveaxis(mean[..., :4], -1, 0)),
                (mean[..., 5:] * wavelength).sum(-1) / mean[..., 5:].sum(-1),
            ],
            -1,
        )

    samples = torch.cat([moments, energy], 1).double().numpy()
    spectrum = samples[:, 4 : 4 + shells]
    names = ["root mean square", "kurtosis", "correlation length"]
    return xr.Dataset(
        {
            "value": ("statistic", values(samples.mean(0))),
            "value_error": ("statistic", jackknife(samples, values)),
            "spectrum": ("wavenumber", spectrum.mean(0)),
            "spectrum_error": ("wavenumber", jackknife(spectrum, lambda mean: mean)),
        },
        {"statistic": names, "wavenumber": np.arange(shells)},
    )


def jackknife(samples: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Standard error of ``function`` of the mean over samples (sample, …), by leaving one out."""
    count = len(samples)
    left_out = function((samples.sum(0) - samples) / (count - 1))
    return np.sqrt((count - 1) * left_out.var(0))


def change_of_paths(coarse: Tensor, fine: Tensor, basis: Basis) -> Tensor:
    """‖u_n − P u_m‖ / ‖P u_m‖ by sample, of fields (sample, n, n) and (sample, m, m), m > n.

    P is the restriction to n nodes; the same index on both grids is meant to be the same function.
    """
    restricted = basis.restrict(fine, coarse.shape[-1])
    return (coarse - restricted).flatten(1).norm(dim=1) / restricted.flatten(1).norm(dim=1)


def _kurtosis(m1: np.ndarray, m2: np.ndarray, m3: np.ndarray, m4: np.ndarray) -> np.ndarray:
    """From moments about zero."""
    variance = m2 - m1**2
    return (m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4) / variance**2
