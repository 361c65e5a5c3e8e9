"""Random parabolas, of two signs: curves whose conditional expectation given noise is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor

from fsdiff.data.sources.curves import check_interval
from fsdiff.data.sources.labels import label
from fsdiff.data.sources.source import Source
from fsdiff.measures.mixtures import GaussianMixture
from fsdiff.randomness import generator
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream

HALF_WIDTH, SCALE = 10.0, 50.0
"""The interval is [−10, 10], and values are divided by 50."""

UNITS = HALF_WIDTH**2 / SCALE, 1 / SCALE
"""What a and ε are multiplied by, in squares of positions in [−1, 1]."""


@dataclass(frozen=True)
class Quadratic(Source):
    """u(x) = (a·amplitude·x² + deviation·ε)/50 on [−10, 10], ε ~ N(0, 1).

    a is 1 with probability ``positive`` and −1 else. Lim et al. (NeurIPS 2023) have the defaults,
    on 100 equidistant points, as Nguyen and Grover (2022) and Phillips et al. (2022) before them.
    """

    resolution: Annotated[Nodes, Field(ge=2)] = 100
    basis: Basis = field(default_factory=lambda: CosineBasis(1))
    amplitude: PositiveFloat = 1.0
    deviation: NonNegativeFloat = 1.0
    positive: Annotated[float, Field(ge=0, le=1)] = 0.5
    kind: Literal["quadratic"] = "quadratic"

    def __post_init__(self) -> None:
        check_interval(self.basis)

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """A parabola for each index."""
        (nodes,), (axis,) = self.basis.axis_nodes(self.resolution), self.basis.axes
        drawn = [self.draw(generator(seed, index, Stream.INITIAL_STATE)) for index in indices]
        fields = self.at(np.asarray(nodes) / axis.side, np.array(drawn))[:, None]
        if progress is not None:
            progress(len(fields))
        return label(
            fields.astype(np.float32),
            indices,
            basis=self.basis,
            nodes={self.basis.axes[0].name: self._x},
            measured_from="centre",
            channels=("u",),
            meaning="random parabola",
        )

    def law(self) -> GaussianMixture:
        """The law in the basis, a mixture of two Gaussians about ±q.

        Its covariance is that of a constant function, which has to be a mode of the basis.
        """
        if self.basis.kind == "gram":
            raise ValueError("constants are no function of a gram basis: use a cosine basis")
        q = torch.from_numpy(self.parabola)[None]
        weights = torch.tensor([self.positive, 1 - self.positive], dtype=torch.float64)
        return GaussianMixture(self.basis, torch.stack([q, -q]), self._covariance, weights)

    def draw(self, random: np.random.Generator) -> tuple[float, float]:
        """a and ε of a curve."""
        return 1.0 if random.random() < self.positive else -1.0, random.standard_normal()

    def at(self, places: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Curves (curve, place) at shares of the interval, of a and ε (curve, 2)."""
        parabola = self.amplitude * (HALF_WIDTH * (2 * places - 1)) ** 2
        return (drawn[:, :1] * parabola + self.deviation * drawn[:, 1:]) / SCALE

    @property
    def parabola(self) -> np.ndarray:
        """q(x) = amplitude·x²/50 at the nodes."""
        return self.amplitude * self._x**2 / SCALE

    @property
    def _x(self) -> np.ndarray:
        (nodes,), (axis,) = self.basis.axis_nodes(self.resolution), self.basis.axes
        return HALF_WIDTH * (2 * np.asarray(nodes) / axis.side - 1)

    def _covariance(self, n: int) -> Tensor:
        """(deviation/50)² on the constant mode, zero on all others."""
        constant = (self.basis.omega_squared(n) == 0).double()
        return (self.deviation / SCALE) ** 2 * constant[None]
