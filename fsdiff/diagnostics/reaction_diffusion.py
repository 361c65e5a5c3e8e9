"""Mass and free energy of reaction–diffusion patterns, and residuals of their equations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.sources.reaction_diffusion import SPECIES, ReactionDiffusionData
from fsdiff.diagnostics.balance import INTERIOR, Examination, derivative, evolving, frames
from fsdiff.pde.reaction_diffusion import ReactionDiffusion
from fsdiff.pde.rectangle import sides
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.basis import Basis

_FRAMES, _GRADING = 97, 3.0
"""Frames of an examination; the balances then close to about 1e-6 or better (measured)."""

GRID = "on the grid, five-point Laplacian"
CONTINUUM = "as functions, Laplacian of the cosine series"
"""What the residuals are those of."""


@dataclass(frozen=True)
class ReactionDiffusionDiagnostics:
    """Balances of mass and free energy, residuals on the grid and of the functions."""

    kind: Literal["reaction_diffusion"] = "reaction_diffusion"

    def examine(self, source: ReactionDiffusionData, index: int, seed: int) -> Examination:
        """Sample ``index`` of the data set ``seed``, from its initial state to its last time."""
        times = frames(source.times[-1], _FRAMES, _GRADING)
        series = replace(source, time=times, time_nodes=None, time_refined=False, channels=SPECIES)
        states = series.solve(index, seed)
        coordinates = {"time": list(times), "channel": list(SPECIES)}
        return Examination(
            xr.DataArray(states.numpy(), coordinates, ("time", "channel", "y", "x")),
            budget(states, times, source.system),
            residual(states, times, source.system, source.space),
        )


def budget(
    states: Tensor, times: Sequence[float], system: ReactionDiffusion
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """The balances of ⟨u⟩, ⟨v⟩ and the free energy F of u, for states (time, 2, n_y, n_x).

    Diffusion moves u and v and makes none: d⟨u⟩/dt = ⟨u − u³ − k − v⟩, d⟨v⟩/dt = ⟨u − v⟩. With
    F = ½D_u⟨|∇u|²⟩ + ⟨¼(u² − 1)² + ku⟩ the equation of u is u_t = −δF/δu − v, so that
    dF/dt = −⟨u_t²⟩ − ⟨v u_t⟩. With the differences of the finite volumes for ∇ and Δ the balances
    hold exactly on the grid.
    """
    u, v = states.unbind(1)
    cells = _cells(states, system)
    slope = _slope(states, system, lambda field: _five_point(field, cells))[:, 0]
    along_y, along_x = (
        u.diff(dim=axis).square().sum((-2, -1)) / cell**2
        for axis, cell in zip((-2, -1), cells, strict=True)
    )
    fronts = system.diffusivity_u / 2 * (along_y + along_x) / u[0].numel()
    bulk = _mean((u.square() - 1).square() / 4 + system.k * u)
    parts = {"fronts ½D⟨|∇u|²⟩": fronts, "bulk ⟨¼(u² − 1)² + ku⟩": bulk}
    u_rates = {
        "⟨u⟩": _mean(u),
        "−⟨u³⟩": -_mean(u**3),
        "−k": torch.full_like(_mean(u), -system.k),
        "−⟨v⟩": -_mean(v),
    }
    v_rates = {"⟨u⟩": _mean(u), "−⟨v⟩": -_mean(v)}
    energy_rates = {
        "relaxation −⟨(∂ₜu)²⟩": -_mean(slope.square()),
        "coupling −⟨v ∂ₜu⟩": -_mean(v * slope),
    }
    return (
        evolving("mean of u", "⟨u⟩", _mean(u), u_rates, times),
        evolving("mean of v", "⟨v⟩", _mean(v), v_rates, times),
        evolving("free energy of u", "F", fronts + bulk, energy_rates, times, parts),
    )


def residual(
    states: Tensor, times: Sequence[float], system: ReactionDiffusion, basis: Basis | None = None
) -> xr.DataArray:
    """‖y_t − F(y)‖ / ‖y_t‖ for y = (u, v), (time, 2, n_y, n_x); dimensions (equation, time).

    With the five-point Laplacian, on which the solution was computed, it shows the error of the
    time integration; with that of the cosine series through the values, the error of the grid, too:
    how far the data are from solving the partial differential equation as functions. y_t is the
    derivative of the quintic spline through the frames. ``basis`` is that of the rectangle with
    sides in units of the longer one, by default a square.
    """
    basis = basis or CosineBasis()
    symbol = -basis.omega_squared(basis.resolution(states)) / max(sides(system.length)) ** 2
    laplacians = {
        GRID: lambda field: _five_point(field, _cells(states, system)),
        CONTINUUM: lambda field: basis.multiply(field, symbol),
    }
    change = torch.from_numpy(derivative(states.numpy(), times))
    left = [_norm(change - _slope(states, system, each)) for each in laplacians.values()]
    relative = xr.DataArray(
        np.stack([norm / _norm(change) for norm in left]),
        {"equation": list(laplacians), "time": list(times)},
        ("equation", "time"),
    )
    return relative.isel(time=INTERIOR)


def _slope(
    states: Tensor, system: ReactionDiffusion, laplacian: Callable[[Tensor], Tensor]
) -> Tensor:
    """(u_t, v_t) by the equations."""
    u, v = states.unbind(1)
    u_slope = system.diffusivity_u * laplacian(u) + u - u**3 - system.k - v
    return torch.stack([u_slope, system.diffusivity_v * laplacian(v) + u - v], 1)


def _cells(states: Tensor, system: ReactionDiffusion) -> list[float]:
    """Height and width of the cells."""
    return [side / n for side, n in zip(sides(system.length), states.shape[-2:], strict=True)]


def _five_point(field: Tensor, cells: Sequence[float]) -> Tensor:
    """The divergence of fluxes through faces, none of which are in the walls."""
    result = torch.zeros_like(field)
    for axis, cell in zip((-2, -1), cells, strict=True):
        flux = field.diff(dim=axis) / cell**2
        result.narrow(axis, 0, flux.shape[axis]).add_(flux)
        result.narrow(axis, 1, flux.shape[axis]).sub_(flux)
    return result


def _mean(field: Tensor) -> Tensor:
    return field.mean((-2, -1))


def _norm(states: Tensor) -> np.ndarray:
    return states.square().sum(1).mean((-2, -1)).sqrt().numpy()
