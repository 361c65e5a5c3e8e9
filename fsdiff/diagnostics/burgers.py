"""Mean and energy of waves of the viscous Burgers equation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import xarray as xr
from torch import Tensor

from fsdiff.data.sources.burgers import BurgersData
from fsdiff.diagnostics.balance import Examination, evolving, frames
from fsdiff.spaces.bases import FourierBasis

BASIS = FourierBasis(1)

_NODES = 4096
"""Nodes that resolve fronts."""

_FRAMES, _GRADING = 257, 2.0
"""Frames of an examination; the balances then close to about 1e-6 or better (measured)."""


@dataclass(frozen=True)
class BurgersDiagnostics:
    """Balances of the mean and of energy."""

    kind: Literal["burgers"] = "burgers"

    def examine(self, source: BurgersData, index: int, seed: int) -> Examination:
        """Sample ``index`` of the data set ``seed``, from its initial state to its last time."""
        times = frames(source.times[-1], _FRAMES, _GRADING)
        initial = source.initial_state(index, seed)
        initial = BASIS.prolong(initial, max(_NODES, source.nodes))
        states = source.system.solve(initial, times)[0]
        values = BASIS.restrict(states, source.resolution).numpy()
        coordinates = {"time": list(times), "channel": list(source.channels)}
        return Examination(
            xr.DataArray(values, coordinates, ("time", "channel", "x")),
            budget(states[:, 0], times, source.viscosity, source.length),
        )


def budget(
    states: Tensor, times: Sequence[float], viscosity: float, length: float = 1.0
) -> tuple[xr.Dataset, xr.Dataset]:
    """The balances of the mean ⟨u⟩ and the energy E = ½⟨u²⟩ of waves (time, n).

    d⟨u⟩/dt = −⟨u u_x⟩ = 0: what advection adds where u rises it takes where u falls. It makes no
    energy either, dE/dt = −ν⟨u_x²⟩ − ⟨u² u_x⟩ where the last term vanishes. Both hold as far as the
    nodes resolve the wave.
    """
    n = states.shape[-1]
    omega = BASIS.omega_squared(n).sqrt() / length
    gradient = BASIS.inverse(1j * omega * BASIS.forward(states), n)
    carried = -states * gradient
    mean_rates = {
        "where u rises": carried.clamp_min(0).mean(-1),
        "where u falls": carried.clamp_max(0).mean(-1),
    }
    energy_rates = {
        "viscosity −ν⟨u_x²⟩": -viscosity * gradient.square().mean(-1),
        "advection −⟨u² u_x⟩": (states * carried).mean(-1),
    }
    energy = states.square().mean(-1) / 2
    return (
        evolving("mean", "⟨u⟩", states.mean(-1), mean_rates, times),
        evolving("energy", "E = ½⟨u²⟩", energy, energy_rates, times),
    )
