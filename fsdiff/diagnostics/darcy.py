"""Mass and energy of Darcy flow, and what its discrete solutions leave of the equation."""

from dataclasses import dataclass
from typing import Literal

import torch
import xarray as xr
from torch import Tensor

from fsdiff.data.sources.darcy import DarcyData
from fsdiff.diagnostics.balance import Examination, steady
from fsdiff.pde.darcy import Darcy
from fsdiff.spaces.bases import CosineBasis

EQUATIONS = "discrete equations"
"""The residual of the linear system, as the finite volumes have it."""

REFINED = "pressure against that on twice as fine a grid"
"""The error of the grid: how far pressure is from that of the same function a on more cells."""


@dataclass(frozen=True)
class DarcyDiagnostics:
    """Balances of mass and energy, residual of the equations, error of the grid."""

    kind: Literal["darcy"] = "darcy"

    def examine(self, source: DarcyData, index: int, seed: int) -> Examination:
        """Sample ``index`` of the data set ``seed``: permeability, pressure and flux."""
        system, n = source.system, source.resolution
        coarse, fine = (
            source.permeability.sample(CosineBasis(), size, [index], seed) for size in (n, 2 * n)
        )
        a, u = coarse[0, 0], system.solve(coarse)[0, 0]
        refined = system.solve(fine)[0, 0].unflatten(0, (n, 2)).unflatten(2, (n, 2)).mean((1, 3))
        relative = {
            EQUATIONS: residual(a, u, system),
            REFINED: float((u - refined).norm() / refined.norm()),
        }
        q_x, q_y = flux(a, u, system.length)
        fields = {
            "permeability": a,
            "pressure": u,
            "flux_x": (q_x[:, 1:] + q_x[:, :-1]) / 2,
            "flux_y": (q_y[1:] + q_y[:-1]) / 2,
        }
        values = torch.stack(list(fields.values())).numpy()
        return Examination(
            xr.DataArray(values, {"channel": list(fields)}, ("channel", "y", "x")),
            budget(a, u, system),
            xr.DataArray(list(relative.values()), {"equation": list(relative)}, ("equation",)),
        )


def budget(a: Tensor, u: Tensor, system: Darcy) -> tuple[xr.Dataset, xr.Dataset]:
    """The balances of mass, ∫f = Σ outflow through walls, and of energy, ∫fu = ∫a|∇u|².

    ``a`` and ``u`` are permeability and pressure, (n, n). Both hold exactly for finite volumes.
    """
    cell = system.length / a.shape[-1]
    q_x, q_y = flux(a, u, system.length)
    mass = {
        "source ∫f": system.forcing * system.length**2,
        "outflow west": float(q_x[:, 0].sum()) * cell,
        "outflow east": -float(q_x[:, -1].sum()) * cell,
        "outflow south": float(q_y[0].sum()) * cell,
        "outflow north": -float(q_y[-1].sum()) * cell,
    }
    dissipated = sum(float((q * _jumps(u, axis)).sum()) for axis, q in ((-1, q_x), (-2, q_y)))
    energy = {
        "work ∫fu": system.forcing * float(u.sum()) * cell**2,
        "dissipation −∫a|∇u|²": dissipated * cell,
    }
    return (
        steady("mass", "∫f = Σ outflow", mass),
        steady("energy", "∫fu = ∫a|∇u|²", energy),
    )


def residual(a: Tensor, u: Tensor, system: Darcy) -> float:
    """‖∇·q − f‖ / ‖f‖ over cells, the net flux out of them over their area."""
    q_x, q_y = flux(a, u, system.length)
    divergence = (q_x.diff(dim=-1) + q_y.diff(dim=-2)) * (a.shape[-1] / system.length)
    return float((divergence - system.forcing).square().mean().sqrt() / abs(system.forcing))


def flux(a: Tensor, u: Tensor, length: float) -> tuple[Tensor, Tensor]:
    """q = −a ∇u normal to the faces of cells: along x, (n, n + 1), and along y, (n + 1, n).

    Between cells, half a cell of each conducts in series; walls, where u = 0, are half a cell away.
    """

    def across(axis: int) -> Tensor:
        return -2 * _jumps(u, axis) / _sums(1 / a, axis) * (a.shape[-1] / length)

    return across(-1), across(-2)


def _jumps(u: Tensor, axis: int) -> Tensor:
    """Differences across faces, with zero outside the walls."""
    return _padded(u, axis).diff(dim=axis)


def _sums(r: Tensor, axis: int) -> Tensor:
    """Sums of the two cells at a face, with zero outside the walls."""
    padded, faces = _padded(r, axis), r.shape[axis] + 1
    return padded.narrow(axis, 0, faces) + padded.narrow(axis, 1, faces)


def _padded(u: Tensor, axis: int) -> Tensor:
    outside = torch.zeros_like(u.narrow(axis, 0, 1))
    return torch.cat([outside, u, outside], axis)
