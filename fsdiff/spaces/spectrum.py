"""The second moments of a data set: mean-square coefficients, on every grid.

Measured once on the training set at the finest resolution, mode by mode; on a coarser grid they
are a subset of these, on a finer one the tail is continued by the power law of the last octave.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fsdiff.spaces.bases import Basis


def resample_spectrum(spectrum: Tensor, basis: Basis, source: int, n: int) -> Tensor:
    """Mean-square coefficients on n nodes per axis from those on ``source`` nodes.

    ``spectrum`` has shape (channel, *coefficients on source); the result (channel, *coefficients
    on n), float64, zero on modes that n nodes do not resolve and positive elsewhere.
    """
    spectrum = spectrum.double()
    spectrum = spectrum.clamp_min(1e-12 * float(spectrum.max()))
    result = power_law_tail(spectrum, basis, source)(basis.wavenumber(n))
    kept = (min(source, n) - 1) // 2 if basis.periodic else min(source, n) - 1
    result[:, *_positions(basis, n, kept)] = spectrum[:, *_positions(basis, source, kept)]
    return result * basis.resolved(n)


def power_law_tail(spectrum: Tensor, basis: Basis, source: int) -> Callable[[Tensor], Tensor]:
    """A function of |k| that continues each channel's spectrum beyond the modes it holds.

    The exponent and level are fitted by least squares in log–log over the last resolved octave.
    """
    limit = float(max(k.max() for k in basis.axis_modes(source)))
    wavenumber = basis.wavenumber(source)
    octave = (wavenumber >= limit / 2) & (wavenumber <= limit) & basis.resolved(source)
    abscissa = wavenumber[octave].log()
    ordinate = spectrum[:, octave].log()
    centred = abscissa - abscissa.mean()
    slope = (ordinate @ centred) / centred.square().sum()
    level = ordinate.mean(1)

    def tail(k: Tensor) -> Tensor:
        distance = k.clamp_min(1.0).log() - abscissa.mean()
        exponent = slope.view(-1, *[1] * k.ndim) * distance
        return torch.exp(level.view(-1, *[1] * k.ndim) + exponent)

    return tail


def _positions(basis: Basis, n: int, kept: int) -> tuple[Tensor, ...]:
    """Where the modes |k_i| <= kept stand among the coefficients on n nodes."""
    axes = [torch.from_numpy(np.flatnonzero(np.abs(k) <= kept)) for k in basis.axis_modes(n)]
    return torch.meshgrid(*axes, indexing="ij")
