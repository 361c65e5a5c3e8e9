"""Second moments: radial energy spectrum and autocovariance."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.fields import blocks
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.shells import shell_energy, whole_shells

MOST_OCTAVES = 14
"""Those of the finest grid."""

UNEVEN = 1e-3
"""Deviation of the shares of nodes that is put down to rounding."""


@dataclass(frozen=True)
class SpectrumError(Metric):
    """Root mean square over shells and channels of ln(E_samples/E_reference).

    Shells are those that the grid resolves whole (see ``whole_shells``). An energy below the
    fraction ``negligible`` of the reference's mean square (per channel) is set to this: shells that
    are as good as empty in both sets count as equal, and energy where the reference has none counts
    as the error it is. The default is 10⁻⁴ of the field's amplitude; smooth fields have many shells
    below it, whose ratios would otherwise outweigh all that can be seen.

    Returns ``log_spectrum_error``, natural logarithm; |ln c²| for samples c times the reference.
    With ``octaves`` there are as many further errors, ``log_spectrum_error_1``,
    ``log_spectrum_error_2``, ``log_spectrum_error_4`` and so on, each over the shells k … 2k − 1
    from the one that it names, as far as the grid resolves them.
    """

    negligible: Annotated[float, Field(gt=0, lt=1)] = 1e-8
    octaves: Annotated[int, Field(ge=0, le=MOST_OCTAVES)] = 0
    continued: ClassVar[bool] = True
    kind: Literal["spectrum"] = "spectrum"

    @property
    def words(self) -> tuple[Words, ...]:
        """Errors."""
        octaves = [(name, f"{k} ≤ k < {2 * k}") for name, k in self._octaves]
        named = [("log_spectrum_error", "log-spectrum error")]
        named += [(name, f"log-spectrum error, {shells}") for name, shells in octaves]
        return tuple(Words(name, title, "whole field") for name, title in named)

    @property
    def results(self) -> tuple[str, ...]:
        """Errors."""
        return ("log_spectrum_error", *(name for name, _ in self._octaves))

    @property
    def _octaves(self) -> list[tuple[str, int]]:
        """What errors of octaves are called, and their first shells."""
        first = [2**octave for octave in range(self.octaves)]
        return [(f"log_spectrum_error_{k}", k) for k in first]

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse grids without a mode, be it of one channel."""
        if not basis.resolved(n).flatten(-basis.dimension).any(-1).all():
            raise ValueError(f"{n} nodes resolve no {basis.kind} mode; use more")

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The error between two sets of fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        k, energy = radial_spectrum(samples, basis)
        _, expected = radial_spectrum(reference, basis)
        # A reference that is identically zero leaves the smallest positive number as the floor.
        smallest = torch.finfo(expected.dtype).tiny
        floor = (self.negligible * expected.sum(1, keepdim=True)).clamp(min=smallest)
        squares = torch.log(energy.maximum(floor) / expected.maximum(floor)).square()
        n = basis.resolution(samples)
        some = held(basis, n, samples.shape[1]) & (k <= whole_shells(n, basis))
        shells = {"log_spectrum_error": some} | {
            name: some & (first <= k) & (k < 2 * first) for name, first in self._octaves
        }
        return {
            name: float(squares[part.to(squares.device)].mean().sqrt())
            for name, part in shells.items()
            if part.any()
        }


@dataclass(frozen=True)
class AutocovarianceError(Metric):
    """‖C_samples − C_reference‖ / ‖C_reference‖ in L² over lags, averaged over channels.

    Returns ``autocovariance_error``.
    """

    at_least: ClassVar[int] = 2
    continued: ClassVar[bool] = True
    kind: Literal["autocovariance"] = "autocovariance"
    words = (Words("autocovariance_error", "autocovariance error", "whole field"),)

    @property
    def results(self) -> tuple[str, ...]:
        """An error."""
        return ("autocovariance_error",)

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse nodes between which there are no equal lags."""
        if (basis.shares(n) - 1).abs().max() > UNEVEN:
            raise ValueError("has lags of equal steps, and nodes are at different distances")

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The error between two sets of at least two fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        found, expected = autocovariance(samples, basis), autocovariance(reference, basis)
        error = (found - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
        return {"autocovariance_error": float(error.mean())}


def held(basis: Basis, n: int, channels: int) -> Tensor:
    """Which shells have any modes at level n, (channels, S)."""
    modes = torch.ones(channels, *basis.coefficient_shape(n))
    return shell_energy(modes, basis, n) > 0


def radial_spectrum(fields: Tensor, basis: Basis) -> tuple[Tensor, Tensor]:
    """Energy of a set of fields by shells of wavenumber: (k, energy), shapes (S,), (channels, S).

    The energy of a shell is the sum over its modes of the mean square over the set, see
    ``fsdiff.spaces.shells.shell_energy``; Fourier Nyquist modes are no part of it.
    """
    squares = (basis.forward(block).abs().square().sum(0) for block in blocks(fields))
    mean = sum(squares, torch.zeros(())) / len(fields)
    energy = shell_energy(mean, basis, basis.resolution(fields))
    return torch.arange(energy.shape[1], dtype=torch.float64), energy


def autocovariance(fields: Tensor, basis: Basis) -> Tensor:
    """C(h) = mean over places x of cov(u(x), u(x + h)), shape (channels, *lags), float64.

    Lags along an axis of n nodes are −⌊n/2⌋ … ⌈n/2⌉ − 1 nodes, in this order. Fields wrap around
    along periodic axes and are averaged over the places x for which x + h is in the box along
    others. The covariance is the unbiased one of the set.
    """
    grid, axes = fields.shape[2:], basis.grid_axes()
    padded = [n if axis.periodic else 2 * n for n, axis in zip(grid, basis.axes, strict=True)]
    mean = sum(block.sum(0) for block in blocks(fields)) / len(fields)
    energy = sum(
        torch.fft.rfftn(block - mean, s=padded, dim=axes).abs().square().sum(0)
        for block in blocks(fields)
    )
    products = torch.fft.irfftn(energy / (len(fields) - 1), s=padded, dim=axes)
    for axis, n, length in zip(axes, grid, padded, strict=True):
        lags = torch.arange(-(n // 2), (n + 1) // 2, device=fields.device)
        places = torch.full_like(lags, n) if length == n else n - lags.abs()
        products = products.index_select(axis, lags % length)
        products = products / places.reshape(-1, *(1,) * (-1 - axis))
    return products
