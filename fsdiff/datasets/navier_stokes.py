"""Two-dimensional flows: vorticity at one or several times, from random initial states."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveInt

from fsdiff.bases import FourierBasis
from fsdiff.datasets.labels import label
from fsdiff.initial import Initial, PowerLawField
from fsdiff.pde.integrators import IntegrationError
from fsdiff.pde.navier_stokes import Forcing, NavierStokes, Tolerance

Time = Annotated[FiniteFloat, Field(ge=0)]
PositiveTime = Annotated[FiniteFloat, Field(gt=0)]


@dataclass(frozen=True)
class NavierStokesData:
    """Vorticity of the flows of Li et al. (arXiv 2010.08895, A.3.3) and of others like them.

    Sample i is the solution of ``fsdiff.pde.NavierStokes`` from the i-th field of ``initial``, less
    its mean, computed on ``solver_resolution`` nodes per axis and restricted to ``resolution``.
    Without a ``solver_resolution`` it is ³⁄₂ of ``resolution``, the least for which the solver
    carries every mode that is kept. A single ``time`` gives fields, several (increasing) give
    series.

    Good values: the defaults; for ν = 1e-5, ``solver_resolution`` 256 and ``tolerance`` 1e-5. The
    published fields are every fourth value of a solution on 256 nodes, without a filter.
    """

    resolution: Annotated[int, Field(ge=4)] = 64
    solver_resolution: Annotated[int, Field(ge=4)] | None = None
    time: PositiveTime | tuple[Time, ...] = 50.0
    viscosity: NonNegativeFloat = 1e-3
    forcing: Forcing = "diagonal"
    amplitude: FiniteFloat = 0.1
    wavenumber: PositiveInt = 1
    tolerance: Tolerance = 2e-7
    initial: Initial = field(default_factory=PowerLawField)
    kind: Literal["navier_stokes"] = "navier_stokes"

    def __post_init__(self) -> None:
        if self.nodes < self.resolution:
            raise ValueError(
                f"solver_resolution = {self.solver_resolution} is below resolution = "
                f"{self.resolution}: fields are restricted, never refined; leave it out or raise it"
            )
        times = self.times
        if not times or any(a >= b for a, b in pairwise(times)):
            raise ValueError(f"time = {self.time}: give one time or several, strictly increasing")

    @property
    def basis(self) -> FourierBasis:
        """Periodic functions."""
        return FourierBasis()

    @property
    def length(self) -> float:
        """Side of the square."""
        return 1.0

    @property
    def nodes(self) -> int:
        """Nodes per axis on which the equations are solved."""
        return self.solver_resolution or -(-3 * self.resolution // 2)

    @property
    def times(self) -> tuple[float, ...]:
        """The times that are kept."""
        return self.time if isinstance(self.time, tuple) else (self.time,)

    @property
    def system(self) -> NavierStokes:
        """The equations."""
        return NavierStokes(
            self.viscosity, self.forcing, self.amplitude, self.wavenumber, self.tolerance
        )

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, y, x), float32, with a dimension ``time`` after
        ``sample`` if there are several times. ``progress`` is called with the number of samples
        finished since the last call. Raises ``IntegrationError`` with the sample's index.
        """
        n = self.resolution
        fields = np.empty((len(indices), len(self.times), 1, n, n), np.float32)
        for position, index in enumerate(indices):
            fields[position] = self._series(index, seed)
            if progress is not None:
                progress(1)
        return self._label(fields, indices)

    def _series(self, index: int, seed: int) -> np.ndarray:
        """One sample, shape (time, channel, y, x)."""
        initial = self.initial.sample(self.basis, self.nodes, [index], seed, channels=1)
        initial -= initial.mean((-2, -1), keepdim=True)
        try:
            states = self.system.solve(initial, self.times)[0]
        except IntegrationError as error:
            message = f"sample {index} of seed {seed}: {error}"
            raise IntegrationError(message, error.time) from error
        return self.basis.restrict(states, self.resolution).to(torch.float32).numpy()

    def _label(self, fields: np.ndarray, indices: Sequence[int]) -> xr.Dataset:
        series = label(
            fields,
            indices,
            basis=self.basis,
            nodes=self.basis.nodes(self.resolution) * self.length,
            measured_from="corner",
            channels=["vorticity"],
            meaning="vorticity",
            times=self.times,
        )
        return series if isinstance(self.time, tuple) else series.isel(time=0)
