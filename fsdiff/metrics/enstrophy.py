"""How vorticity moves between scales: a third moment, which no Gaussian field has."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from fsdiff.metrics.base import Metric
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
    resolves whole, averaged over channels, and the largest |Π| over K, ``enstrophy_flux`` of the
    samples and ``enstrophy_flux_reference``. Third moments need many fields: compare with the
    number of two sets of real data.
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
        if basis.dimension != 2 or not basis.periodic or any(axis.held for axis in basis.axes):
            raise ValueError(
                "is that of flows in a periodic plane; use others for other fields, and for "
                "functions of time"
            )
        if min(basis.grid(n)) < 3:
            raise ValueError("needs a wave along each axis; use 3 nodes or more")

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The comparison of two sets of fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        found, expected = enstrophy_flux(samples, basis), enstrophy_flux(reference, basis)
        error = (found - expected).norm(dim=1) / expected.norm(dim=1)
        largest = (flux.abs().amax(1) for flux in (found, expected))
        values = map(float, (error.mean(), *(size.mean() for size in largest)))
        return dict(zip(self.results, values, strict=True))


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
