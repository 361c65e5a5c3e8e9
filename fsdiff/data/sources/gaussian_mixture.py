"""Mixtures of Gaussian processes about straight lines: data whose exact denoiser is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, FiniteFloat, PositiveFloat
from torch import Tensor

from fsdiff.data.sources.labels import label
from fsdiff.data.sources.source import Source
from fsdiff.measures.mixtures import GaussianMixture
from fsdiff.measures.priors.kernel import RBF
from fsdiff.measures.priors.spectral import SpectralPrior, white_noise
from fsdiff.randomness import generator
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream
from fsdiff.threads import single_thread


def _published() -> RBF:
    return RBF(length=0.1, variance=0.4, normalize=False)


@dataclass(frozen=True)
class GaussianMixtureData(Source):
    """Fields μ_i + √C ξ, of component i with the odds ``weights``, all alike if there are none.

    The mean μ_i goes in a straight line along the last axis of ``basis``, from the first to the
    second of its ``means``; C is ``covariance``, the same for all components and diagonal in the
    basis. With more than one component no two moments tell the law: between the lines there is
    nothing.

    The defaults are those of Kerrigan, Ley and Smyth (arXiv 2212.00886), ±(10x − 5) and a kernel of
    variance 0.4 and length 0.1, except that the kernel is that of its images in the ends of the
    interval (see ``fsdiff.measures.priors``), so that C is diagonal. ``law`` is what the exact
    denoiser is made of.
    """

    resolution: Annotated[Nodes, Field(ge=2)] = 64
    basis: Basis = field(default_factory=lambda: CosineBasis(1))
    means: Annotated[tuple[tuple[FiniteFloat, FiniteFloat], ...], Field(min_length=1)] = (
        (-5.0, 5.0),
        (5.0, -5.0),
    )
    weights: tuple[PositiveFloat, ...] = ()
    covariance: SpectralPrior = field(default_factory=_published)
    kind: Literal["gaussian_mixture"] = "gaussian_mixture"

    def __post_init__(self) -> None:
        if self.weights and len(self.weights) != len(self.means):
            raise ValueError(
                f"weights = {self.weights}: give one for each of the {len(self.means)} means, or "
                "none"
            )
        self.covariance.check(len(self.basis.refined_axes))

    @property
    def names(self) -> tuple[str, ...]:
        """What the one channel is."""
        return ("u",)

    @property
    def label(self) -> str | None:
        """The component, where there are several."""
        return "component" if len(self.means) > 1 else None

    @cached_property
    def law(self) -> GaussianMixture:
        """The law of the fields, on the grid of the data and on coarser ones."""
        basis, n = self.basis, self.resolution
        along = torch.from_numpy(basis.axis_nodes(n)[-1]) / basis.axes[-1].side
        lines = [start + (end - start) * along for start, end in self.means]
        means = torch.stack(lines).view(len(lines), 1, *[1] * (basis.dimension - 1), len(along))
        weights = torch.tensor(self.weights or [1.0] * len(lines), dtype=torch.float64)
        return GaussianMixture(
            basis,
            means.expand(len(lines), 1, *basis.grid(n)).contiguous(),
            lambda m: self.covariance.eigenvalues(basis, m)[None],
            weights / weights.sum(),
        )

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, *axes of the basis), float32, with the
        coordinate ``component`` (sample). ``progress`` is called with the number of samples
        finished since the last call.
        """
        n, odds = self.resolution, self.law.weights.numpy()
        streams = [generator(seed, index, Stream.COMPONENT) for index in indices]
        components = np.array([random.choice(len(odds), p=odds) for random in streams])
        fields = self.law.means[components] + self._deviations(n, indices, seed)
        if progress is not None:
            progress(len(indices))
        labelled = label(
            fields.to(torch.float32).numpy(),
            indices,
            basis=self.basis,
            measured_from="corner",
            channels=self.names,
            meaning="sample of a mixture",
        )
        about = {"long_name": "component of the mixture"}
        return labelled.assign_coords(component=("sample", components.astype(np.int64), about))

    @single_thread()
    def _deviations(self, n: int, indices: Sequence[int], seed: int) -> Tensor:
        """√C ξ, the same functions on every grid."""
        white = white_noise(self.basis, n, indices, seed, Stream.INITIAL_STATE)
        scale = self.covariance.eigenvalues(self.basis, n).sqrt()
        return torch.stack([self.basis.inverse(scale * noise, n) for noise in white])
