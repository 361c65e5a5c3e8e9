"""Energy and enstrophy of two-dimensional flows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.sources.navier_stokes import NavierStokesData
from fsdiff.diagnostics.balance import Examination, evolving, frames
from fsdiff.measures.initial import FORCING_STREAM
from fsdiff.spaces.bases import FourierBasis

BASIS = FourierBasis()

_FRAMES, _GRADING = 257, 1.5
"""Frames of an examination; the balances then close to about 1e-6 or better (measured)."""


@dataclass(frozen=True)
class NavierStokesDiagnostics:
    """Balances of energy and enstrophy."""

    kind: Literal["navier_stokes"] = "navier_stokes"

    def examine(self, source: NavierStokesData, index: int, seed: int) -> Examination:
        """Sample ``index`` of the data set ``seed``, from its initial state to its last time."""
        n, times = source.nodes, frames(source.times[-1], _FRAMES, _GRADING)
        states = replace(source, time=times, resolution=n, solver_resolution=n).solve(index, seed)
        values = BASIS.restrict(states, source.resolution).numpy()
        coordinates = {"time": list(times), "channel": list(source.channels)}
        return Examination(
            xr.DataArray(values, coordinates, ("time", "channel", "y", "x")),
            budget(states[:, 0], times, source.viscosity, _forcing(source, index, seed)),
        )


def budget(
    vorticity: Tensor, times: Sequence[float], viscosity: float, forcing: Tensor
) -> tuple[xr.Dataset, xr.Dataset]:
    """The balances of energy E = ½⟨|u|²⟩ and enstrophy Z = ½⟨ω²⟩ of flows (time, n, n).

    dE/dt = ⟨ψf⟩ − 2νZ and dZ/dt = ⟨ωf⟩ − ν⟨|∇ω|²⟩ with ``forcing`` f of shape (n, n). Advection
    moves energy and enstrophy and makes none; its terms ⟨ψN⟩ and ⟨ωN⟩, N = −u·∇ω, are given as they
    come out. For states whose modes are |k_i| < n/3, as the solver's are, all terms are exact up to
    rounding.
    """
    n = vorticity.shape[-1]
    w, f = BASIS.forward(vorticity), BASIS.forward(forcing)
    psi, advected = _stream_function(w, n), _advection(w, n)
    enstrophy = _inner(w, w) / 2
    gradients = _inner(BASIS.omega_squared(n) * w, w)
    energy_rates = {
        "forcing ⟨ψf⟩": _inner(psi, f),
        "viscosity −2νZ": -2 * viscosity * enstrophy,
        "advection": _inner(psi, advected),
    }
    enstrophy_rates = {
        "forcing ⟨ωf⟩": _inner(w, f),
        "viscosity −ν⟨|∇ω|²⟩": -viscosity * gradients,
        "advection": _inner(w, advected),
    }
    return (
        evolving("kinetic energy", "E = ½⟨|u|²⟩", _inner(psi, w) / 2, energy_rates, times),
        evolving("enstrophy", "Z = ½⟨ω²⟩", enstrophy, enstrophy_rates, times),
    )


def _forcing(source: NavierStokesData, index: int, seed: int) -> Tensor:
    """The forcing of one sample, (n, n)."""
    draw = source.random_forcing.sample(
        BASIS, source.nodes, [index], seed, channels=1, stream=FORCING_STREAM
    )
    return source.system.forcing_field(source.nodes) + draw[0, 0] - draw.mean()


def _stream_function(w: Tensor, n: int) -> Tensor:
    """ψ with −Δψ = ω and mean zero."""
    squared = BASIS.omega_squared(n)
    return w * torch.where(squared > 0, 1 / squared, 0.0)


def _advection(w: Tensor, n: int) -> Tensor:
    """The coefficients of −u·∇ω, u = (ψ_y, −ψ_x); the products are formed on the nodes."""
    k_y, k_x = (2j * torch.pi * torch.from_numpy(k).double() for k in BASIS.axis_modes(n))
    k_y = k_y[:, None]
    psi = _stream_function(w, n)
    u, v = BASIS.inverse(k_y * psi, n), BASIS.inverse(-k_x * psi, n)
    return -BASIS.forward(u * BASIS.inverse(k_x * w, n) + v * BASIS.inverse(k_y * w, n))


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """⟨a, b⟩, the mean over the square, from coefficients (…, n, n/2 + 1)."""
    weights = BASIS.multiplicity(a.shape[-2])
    return (weights * (a * b.conj()).real).sum((-2, -1))
