"""Flows by their vorticity: how much of it there is, and how it moves between scales."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.densities import sorted_values, wasserstein_1
from fsdiff.metrics.fields import blocks
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.shells import shell_energy, whole_shells


@dataclass(frozen=True)
class EnstrophyFlux(Metric):
    """Enstrophy that flows leave scales larger than 1/K at: Π(K) = E⟨ω_{≤K}, (u·∇ω)_{≤K}⟩.

    ω_{≤K} has the shells up to K of a periodic field in the plane, the velocity is u = (ψ_y, −ψ_x)
    with −Δψ = ω, and products are free of aliasing. Π is exactly zero for every homogeneous
    Gaussian law, and positive where vorticity is stretched to smaller scales: whoever has only
    learned the spectrum has an error of one.

    Returns ``enstrophy_flux_error``, ‖Π − Π_reference‖/‖Π_reference‖ over the shells that the grid
    resolves whole, averaged over channels that have any flux, and the largest |Π| over K,
    ``enstrophy_flux`` of the samples and ``enstrophy_flux_reference``. Third moments need many
    fields: compare with the number of two sets of real data.
    """

    continued: ClassVar[bool] = True
    kind: Literal["enstrophy_flux"] = "enstrophy_flux"
    words = (
        Words("enstrophy_flux_error", "enstrophy flux, error", "structure"),
        Words("enstrophy_flux", "largest enstrophy flux", "structure", target="reference"),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """An error, and the largest flux with its target."""
        return "enstrophy_flux_error", "enstrophy_flux", "enstrophy_flux_reference"

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse fields of which no flow is made."""
        check_plane(basis, n)

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The comparison of two sets of fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        found, expected = enstrophy_flux(samples, basis), enstrophy_flux(reference, basis)
        error, size = (found - expected).norm(dim=1), expected.norm(dim=1)
        error = torch.where(size > 0, error / size, torch.nan).nanmean()
        largest = (flux.abs().amax(1) for flux in (found, expected))
        values = map(float, (error, *(size.mean() for size in largest)))
        return dict(zip(self.results, values, strict=True))


@dataclass(frozen=True)
class Enstrophy(Metric):
    """The laws of a flow's enstrophy ½⟨ω²⟩ and palinstrophy ½⟨|∇ω|²⟩, means over the plane.

    Their means are second moments; how much they vary from flow to flow is not.

    Returns ``enstrophy_w1`` and ``palinstrophy_w1``, Wasserstein-1 distances over the mean of the
    reference, averaged over channels that have any.
    """

    continued: ClassVar[bool] = True
    kind: Literal["enstrophy"] = "enstrophy"
    words = (
        Words("enstrophy_w1", "enstrophy, W₁", "structure"),
        Words("palinstrophy_w1", "palinstrophy, W₁", "structure"),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """Two distances."""
        return "enstrophy_w1", "palinstrophy_w1"

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse fields of which no flow is made."""
        check_plane(basis, n)

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The distances of two sets of fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        pairs = zip(enstrophies(samples, basis), enstrophies(reference, basis), strict=True)
        return {name: _relative(*pair) for name, pair in zip(self.results, pairs, strict=True)}


def check_plane(basis: Basis, n: int) -> None:
    """Raise ValueError for fields that are no flows in a periodic plane."""
    if basis.dimension != 2 or not basis.periodic or any(axis.held for axis in basis.axes):
        raise ValueError(
            "is that of flows in a periodic plane; use others for other fields, and for "
            "functions of time"
        )
    if min(basis.grid(n)) < 3:
        raise ValueError("needs a wave along each axis; use 3 nodes or more")


def enstrophies(fields: Tensor, basis: Basis) -> tuple[Tensor, Tensor]:
    """½⟨ω²⟩ and ½⟨|∇ω|²⟩ of vorticity fields (N, channels, *grid), (N, channels), float64.

    Fourier Nyquist modes are no part of them.
    """
    axes = basis.grid_axes()
    squared = basis.omega_squared(basis.resolution(fields)).to(fields.device)
    found = []
    for block in blocks(fields):
        energy = basis.energy(block)
        found.append(torch.stack([energy.sum(axes), (squared * energy).sum(axes)]) / 2)
    enstrophy, palinstrophy = torch.cat(found, 1)
    return enstrophy, palinstrophy


def _relative(found: Tensor, expected: Tensor) -> float:
    """W₁ over the mean of what is expected, averaged over channels that have any."""
    pairs = zip(found.unbind(1), expected.unbind(1), strict=True)
    distances = [
        wasserstein_1(sorted_values([x]), sorted_values([y])) / float(y.mean())
        for x, y in pairs
        if float(y.mean()) > 0
    ]
    return float(np.mean(distances)) if distances else math.nan


def enstrophy_flux(fields: Tensor, basis: Basis) -> Tensor:
    """Π(K) of a set of vorticity fields (N, channels, *grid), (channels, K), for K = 0, 1, …"""
    n = basis.resolution(fields)
    moved = sum((transfer(block, basis).sum(0) for block in blocks(fields)), torch.zeros(()))
    shells = shell_energy(moved / len(fields), basis, n)
    return shells.cumsum(1)[:, : whole_shells(n, basis) + 1]


def transfer(vorticity: Tensor, basis: Basis) -> Tensor:
    """Re ω̂_k̄ (u·∇ω)^_k over the coefficients of fields (..., *grid), float64."""
    n = basis.resolution(vorticity)
    fine = 3 * n // 2 + 2  # three halves along every axis, however its nodes are rounded
    coefficients = basis.forward(vorticity.double())
    symbols = [1j * wave.to(vorticity.device) for wave in _waves(basis, n)]
    squared = basis.omega_squared(n).to(vorticity.device)
    potential = torch.where(squared > 0, 1 / squared.clamp(min=1e-300), 0.0) * coefficients

    def on_fine_grid(spectrum: Tensor) -> Tensor:
        return basis.prolong(basis.inverse(spectrum, n), fine)

    along_y, along_x = (on_fine_grid(symbol * coefficients) for symbol in symbols)
    psi_y, psi_x = (on_fine_grid(symbol * potential) for symbol in symbols)
    advected = basis.forward(basis.restrict(psi_y * along_x - psi_x * along_y, n))
    return (coefficients.conj() * advected).real


def _waves(basis: Basis, n: int) -> list[Tensor]:
    """Signed angular frequencies along each axis, over the coefficients."""
    modes = zip(basis.axes, basis.axis_modes(n), strict=True)
    along = [2 * math.pi / axis.side * torch.from_numpy(k).double() for axis, k in modes]
    return list(torch.meshgrid(*along, indexing="ij"))
