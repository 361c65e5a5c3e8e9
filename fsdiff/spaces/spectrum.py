"""The second moments of a data set: mean-square coefficients, on every grid.

Measured once on the training set at the finest resolution, mode by mode; on a coarser grid they
are a subset of these, on a finer one the tail is continued by the power law of the last octave.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fsdiff.spaces.basis import Basis


@dataclass(frozen=True, eq=False)
class MeasuredSpectrum:
    """Mean-square coefficients ``values`` (channel, *coefficients), measured at ``resolution``.

    ``coherence`` has the correlations of channels, (channel, channel, *coefficients), if known.
    """

    values: Tensor
    basis: Basis
    resolution: int
    coherence: Tensor | None = None

    @property
    def channels(self) -> int:
        """Number of channels of a field."""
        return len(self.values)

    def spectrum(self, n: int) -> Tensor:
        """Those at level n, (channel, *coefficients), float64."""
        return resample_spectrum(self.values.cpu(), self.basis, self.resolution, n)

    def joint(self, n: int) -> Tensor | None:
        """E û_a û_b* at level n, (channel, channel, *coefficients), in double precision.

        Channels are independent in modes that are finer than measured; None where they are in all.
        """
        if self.coherence is None:
            return None
        root, coherence = self.spectrum(n).sqrt(), self.coherence.cpu()
        found = torch.zeros((len(root), *root.shape), dtype=coherence.dtype)
        for a, own in enumerate(self.basis.by_channel(len(root))):
            kept = _kept(own, self.resolution, n)
            here, there = (_positions(own, level, kept) for level in (n, self.resolution))
            found[a][here] = coherence[a][there]
            found[a, a] = 1.0
        return found * root[:, None] * root


def resample_spectrum(spectrum: Tensor, basis: Basis, source: int, n: int) -> Tensor:
    """Mean-square coefficients at level n from those at level ``source``.

    ``spectrum`` has shape (channel, *coefficients on source); the result (channel, *coefficients
    on n), float64, zero on modes that level n does not resolve and positive elsewhere.
    """
    if basis.resolved(n).ndim > basis.dimension:
        pairs = enumerate(basis.by_channel(len(spectrum)))
        return torch.cat([resample_spectrum(spectrum[[c]], own, source, n) for c, own in pairs])
    spectrum = spectrum.double()
    spectrum = spectrum.clamp_min(1e-12 * float(spectrum.max()))
    result = power_law_tail(spectrum, basis, source)(basis.wavenumber(n))
    kept = _kept(basis, source, n)
    # Along an axis with fewer modes than others, some of low wavenumbers are missing: these have no
    # more than the last that is known.
    low, last = basis.wavenumber(n) <= _limit(basis, source), spectrum[_nearest(basis, n, source)]
    result = torch.where(low, result.minimum(last), result)
    result[_positions(basis, n, kept)] = spectrum[_positions(basis, source, kept)]
    return result * basis.resolved(n)


def power_law_tail(spectrum: Tensor, basis: Basis, source: int) -> Callable[[Tensor], Tensor]:
    """A function of |k| that continues each channel's spectrum beyond the modes it holds.

    The exponent and level are fitted by least squares in log–log over the last resolved octave, for
    each mode of the axes that are held by itself. A spectrum that rises there is continued as a
    constant, as it is to wavenumbers below the octave. These are (*coefficients) of a level.
    """
    held = [number for number, axis in enumerate(basis.axes) if axis.held]
    limit = _limit(basis, source)
    wavenumber = _first(basis.wavenumber(source), held)
    octave = (wavenumber >= limit / 2) & (wavenumber <= limit)
    octave &= _first(basis.resolved(source), held)
    rows = spectrum.movedim([1 + axis for axis in held], [*range(1, 1 + len(held))])
    lead = rows.shape[: 1 + len(held)]
    abscissa = wavenumber[octave].log()
    ordinate = rows.flatten(0, len(held))[:, octave].log()
    centred = abscissa - abscissa.mean()
    slope = (ordinate @ centred) / centred.square().sum().clamp_min(torch.finfo().tiny)
    slope, level = slope.clamp_max(0), ordinate.mean(1)
    first = max(float(wavenumber[octave].min()), 1.0)

    def tail(k: Tensor) -> Tensor:
        k = _first(k, held)
        distance = k.clamp_min(first).log() - abscissa.mean()
        exponent = slope.view(-1, *[1] * k.ndim) * distance
        values = torch.exp(level.view(-1, *[1] * k.ndim) + exponent).unflatten(0, lead)
        return values.movedim([*range(1, 1 + len(held))], [1 + axis for axis in held])

    return tail


def _limit(basis: Basis, source: int) -> float:
    """The highest wavenumber along any axis that is refined."""
    modes, unit = zip(basis.axes, basis.axis_modes(source), strict=True), basis.angular_frequency()
    return max(a.frequency / unit * float(np.abs(k).max()) for a, k in modes if not a.held)


def _first(modes: Tensor, axes: Sequence[int]) -> Tensor:
    """An array over modes at the first place along some axes, which it does not depend on."""
    for axis in reversed(axes):
        modes = modes.select(axis, 0)
    return modes


def _kept(basis: Basis, source: int, n: int) -> list[int]:
    """The highest wavenumbers along each axis that both levels resolve."""
    grids = zip(basis.axes, basis.grid(source), basis.grid(n), strict=True)
    return [axis.highest(min(nodes)) for axis, *nodes in grids]


def _nearest(basis: Basis, n: int, source: int) -> tuple[slice | Tensor, ...]:
    """Where, among (channel, *coefficients) of ``source``, those next to the modes of n are."""
    axes = []
    modes = zip(basis.axis_modes(n), basis.axis_modes(source), _kept(basis, source, n), strict=True)
    for wanted, known, most in modes:
        places = {int(k): place for place, k in enumerate(known)}
        axes.append(torch.tensor([places[int(k)] for k in np.clip(wanted, -most, most)]))
    return (slice(None), *torch.meshgrid(*axes, indexing="ij"))


def _positions(basis: Basis, n: int, kept: Sequence[int]) -> tuple[slice | Tensor, ...]:
    """Where the modes |k_i| <= kept_i stand among (channel, *coefficients) of level n."""
    axes = [
        torch.from_numpy(np.flatnonzero(np.abs(k) <= most))
        for k, most in zip(basis.axis_modes(n), kept, strict=True)
    ]
    return (slice(None), *torch.meshgrid(*axes, indexing="ij"))
