"""How well noise is estimated on finer and finer grids, in the norms of two losses."""

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from tqdm import tqdm

from fsdiff.analyses.base import Analysis, NetworkFactory, results
from fsdiff.analyses.fitting import initialised
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.randomness import generator
from fsdiff.spaces.bases import Basis, FourierBasis, Nodes
from fsdiff.streams import Stream

Norm = Literal["l2", "cameron_martin"]


@dataclass(frozen=True, kw_only=True)
class NoiseRegularity(Analysis):
    """A network of one size is trained, at one level of noise, on grid after grid.

    It estimates η from x = X_0 + ``level``·η with Gaussian data N(0, C) and noise N(0, Q), by the
    mean square of F − η over nodes (``l2``) or of Q^(−½)(F − η) (``cameron_martin``). The first is
    tr Q for F = 0, the same on all grids if Q is trace class; the second is the number of modes
    that there are. Lim et al. (arXiv 2302.07400), Figure 9.

    ``missed`` is E‖F − η‖² of the trained network in the norm of ``loss``, ``error`` the same over
    that of F = 0, and ``least`` the error of the best estimate E[η|x], which is linear. As
    E‖F − η‖² = E‖E[η|x] − η‖² + E‖F − E[η|x]‖², only the last is measured, on ``test_fields``.
    Each grid has networks of its own, one for each of the ``seeds``, with the same first weights
    and ``steps`` steps.
    """

    numbers: ClassVar[tuple[str, ...]] = ("missed", "error", "least", "size")

    network: NetworkFactory
    covariance: SpectralPrior
    prior: SpectralPrior = field(default_factory=Bessel)
    loss: Norm = "l2"
    basis: Basis = field(default_factory=FourierBasis)
    level: PositiveFloat = 1.0
    resolutions: Annotated[tuple[Nodes, ...], Field(min_length=1)] = (16, 32, 64)
    steps: NonNegativeInt = 300
    batch_size: PositiveInt = 16
    learning_rate: PositiveFloat = 1e-3
    test_fields: PositiveInt = 64
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    kind: Literal["noise_regularity"] = "noise_regularity"

    def run(self) -> xr.Dataset:
        """``missed`` and ``error`` (seed, resolution), ``least`` and ``size``, that of η itself."""
        grids = [_Spectra.of(self, n) for n in self.resolutions]
        least = np.array([spectra.least(self.level) for spectra in grids])
        sizes = np.array([spectra.size for spectra in grids])
        runs = [(seed, spectra) for seed in self.seeds for spectra in grids]
        excess = [self.excess(*run) for run in tqdm(runs, desc="networks", disable=None)]
        missed = least * sizes + np.reshape(excess, (len(self.seeds), len(grids)))
        each = ("seed", "resolution")
        return results(
            {
                "missed": (each, missed, "mean square norm of the error"),
                "error": (each, missed / sizes, "error of the estimated noise over its size"),
                "least": ("resolution", least, "that of the best estimate"),
                "size": ("resolution", sizes, "mean square norm of the noise"),
            },
            {
                "seed": ("seed", list(self.seeds), "seed"),
                "resolution": ("resolution", list(self.resolutions), "nodes per axis"),
            },
        ).assign_attrs(loss=self.loss, noise=self.prior.kind)

    def excess(self, seed: int, spectra: "_Spectra") -> float:
        """E‖F − E[η|x]‖² of a network that is trained on one grid."""
        network, total = initialised(self.network, 1, seed), 0.0
        if self.steps:
            self.train(network, spectra, seed)
        best = spectra.best(self.level)
        for index in range(self.test_fields):
            random = _random(seed, Stream.SCORE_ERROR, spectra.n, index)
            x = spectra.draw(1, random, self.level)[0]
            with torch.no_grad():
                missed = self.estimate(network, x) - spectra.basis.multiply(x, best.to(x))
            total += float(spectra.norm(missed))
        return total / self.test_fields

    def train(self, network: nn.Module, spectra: "_Spectra", seed: int) -> None:
        """Adam at a constant rate, on fields that are drawn afresh in every step."""
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        for step in range(self.steps):
            random = _random(seed, Stream.FITTED_DATA, spectra.n, step)
            x, noise = spectra.draw(self.batch_size, random, self.level)
            loss = spectra.norm(self.estimate(network, x) - noise).mean() / spectra.size
            if not torch.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss} in step {step}: lower learning_rate")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    def estimate(self, network: nn.Module, x: Tensor) -> Tensor:
        """F(x), at the one level of noise that there is."""
        estimate: Tensor = network(x, x.new_full((len(x),), -math.log(self.level)))
        return estimate


def _random(seed: int, *stream: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(generator(seed, *stream).integers(2**63 - 1)))


@dataclass(frozen=True)
class _Spectra:
    """Data, noise and the weights of the norm on one grid, over the coefficients."""

    basis: Basis
    n: int
    data: Tensor
    noise: Tensor
    weights: Tensor

    @classmethod
    def of(cls, analysis: NoiseRegularity, n: int) -> "_Spectra":
        basis = analysis.basis
        data, noise = (
            prior.eigenvalues(basis, n) for prior in (analysis.covariance, analysis.prior)
        )
        inverse = torch.where(noise > 0, 1 / noise.clamp(min=torch.finfo(noise.dtype).tiny), 0.0)
        weights = torch.ones_like(noise) if analysis.loss == "l2" else inverse
        return cls(basis, n, data, noise, weights * basis.resolved(n))

    @property
    def size(self) -> float:
        """E‖η‖², the sum of weights·λ: tr Q, or the number of modes."""
        return self._sum(self.noise)

    def best(self, level: float) -> Tensor:
        """The symbol of E[η|x]."""
        seen = level**2 * self.noise + self.data
        return torch.where(seen > 0, level * self.noise / seen.clamp(min=1e-300), 0.0)

    def least(self, level: float) -> float:
        """E‖E[η|x] − η‖² over the size."""
        return self._sum(self.noise * (1 - level * self.best(level))) / self.size

    def norm(self, u: Tensor) -> Tensor:
        """‖u‖² of each of the fields (batch, 1, *grid), (batch,)."""
        weighted = self.basis.multiply(u, self.weights.sqrt().to(u.dtype))
        return weighted.square().flatten(1).mean(1)

    def draw(self, count: int, random: torch.Generator, level: float) -> tuple[Tensor, Tensor]:
        """x and η, fields (count, 1, *grid), float32."""
        shape, nodes = (count, 1, *self.basis.grid(self.n)), self.basis.size(self.n)
        white = [torch.randn(shape, generator=random, dtype=torch.float64) for _ in range(2)]
        data, noise = (
            self.basis.multiply(u, (nodes * spectrum).sqrt())
            for u, spectrum in zip(white, (self.data, self.noise), strict=True)
        )
        return (data + level * noise).float(), noise.float()

    def _sum(self, values: Tensor) -> float:
        return float((self.basis.multiplicity(self.n) * self.weights * values).sum())
