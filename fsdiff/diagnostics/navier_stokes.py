"""Energy and enstrophy of two-dimensional flows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.sources.navier_stokes import NavierStokesData
from fsdiff.diagnostics.balance import Examination, evolving, frames
from fsdiff.pde.rectangle import sides
from fsdiff.spaces.bases import FourierBasis
from fsdiff.spaces.basis import Basis

_FRAMES, _GRADING = 257, 1.5
"""Frames of an examination; the balances then close to about 1e-6 or better (measured)."""


@dataclass(frozen=True)
class NavierStokesDiagnostics:
    """Balances of energy and enstrophy."""

    kind: Literal["navier_stokes"] = "navier_stokes"

    def examine(self, source: NavierStokesData, index: int, seed: int) -> Examination:
        """Sample ``index`` of the data set ``seed``, from its initial state to its last time."""
        n, times = source.nodes, frames(source.times[-1], _FRAMES, _GRADING)
        series = replace(source, time=times, time_nodes=None, time_refined=False)
        states = replace(series, resolution=n, solver_resolution=n).solve(index, seed)
        values = source.space.restrict(states, source.resolution).numpy()
        forcing, unit = source.forcings(n, index, seed)[0, 0], max(sides(source.length))
        coordinates = {"time": list(times), "channel": list(source.channels)}
        return Examination(
            xr.DataArray(values, coordinates, ("time", "channel", "y", "x")),
            budget(states[:, 0], times, source.viscosity, forcing, source.space, unit),
        )


def budget(
    vorticity: Tensor,
    times: Sequence[float],
    viscosity: float,
    forcing: Tensor,
    basis: Basis | None = None,
    unit: float = 1.0,
) -> tuple[xr.Dataset, xr.Dataset]:
    """The balances of energy E = ½⟨|u|²⟩ and enstrophy Z = ½⟨ω²⟩ of flows (time, n_y, n_x).

    dE/dt = ⟨ψf⟩ − 2νZ and dZ/dt = ⟨ωf⟩ − ν⟨|∇ω|²⟩ with ``forcing`` f of shape (n_y, n_x). Advection
    moves energy and enstrophy and makes none; its terms ⟨ψN⟩ and ⟨ωN⟩, N = −u·∇ω, are given as they
    come out. For states whose modes are |k_i| < n_i/3, as the solver's are, all terms are exact up
    to rounding. ``basis`` is that of the rectangle, by default the unit square, with sides in the
    given ``unit`` of length.
    """
    modes = _Modes(basis or FourierBasis(), vorticity, unit)
    w, f = modes.basis.forward(vorticity), modes.basis.forward(forcing)
    psi, advected, inner = modes.stream_function(w), modes.advection(w), modes.inner
    enstrophy = inner(w, w) / 2
    gradients = inner(modes.squared * w, w)
    energy_rates = {
        "forcing ⟨ψf⟩": inner(psi, f),
        "viscosity −2νZ": -2 * viscosity * enstrophy,
        "advection": inner(psi, advected),
    }
    enstrophy_rates = {
        "forcing ⟨ωf⟩": inner(w, f),
        "viscosity −ν⟨|∇ω|²⟩": -viscosity * gradients,
        "advection": inner(w, advected),
    }
    return (
        evolving("kinetic energy", "E = ½⟨|u|²⟩", inner(psi, w) / 2, energy_rates, times),
        evolving("enstrophy", "Z = ½⟨ω²⟩", enstrophy, enstrophy_rates, times),
    )


class _Modes:
    """Operators on coefficients of fields like ``like``."""

    def __init__(self, basis: Basis, like: Tensor, unit: float) -> None:
        self.basis, self.n = basis, basis.resolution(like)
        self.squared = basis.omega_squared(self.n) / unit**2
        self.multiplicity = basis.multiplicity(self.n)
        k_y, k_x = (
            1j * axis.frequency / unit * torch.from_numpy(k).double()
            for axis, k in zip(basis.axes, basis.axis_modes(self.n), strict=True)
        )
        self.gradient = k_y[:, None], k_x

    def stream_function(self, w: Tensor) -> Tensor:
        """ψ with −Δψ = ω and mean zero."""
        return w * torch.where(self.squared > 0, 1 / self.squared, 0.0)

    def advection(self, w: Tensor) -> Tensor:
        """The coefficients of −u·∇ω, u = (ψ_y, −ψ_x); the products are formed on the nodes."""
        d_y, d_x = self.gradient
        psi = self.stream_function(w)
        u, v = self.values(d_y * psi), self.values(-d_x * psi)
        return -self.basis.forward(u * self.values(d_x * w) + v * self.values(d_y * w))

    def values(self, coefficients: Tensor) -> Tensor:
        """On the nodes."""
        return self.basis.inverse(coefficients, self.n)

    def inner(self, a: Tensor, b: Tensor) -> Tensor:
        """⟨a, b⟩, the mean over the rectangle, from coefficients (…, n_y, n_x//2 + 1)."""
        return (self.multiplicity * (a * b.conj()).real).sum((-2, -1))
