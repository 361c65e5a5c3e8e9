"""How well noise is estimated on finer and finer grids, in the norms of two losses."""

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

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
    that there are: on fine grids nearly all of it is of modes that carry next to no noise. Lim et
    al. (arXiv 2302.07400), Figure 9.

    ``error`` is that of the trained network in the norm of ``loss``, over that of F = 0, and
    ``least`` that of the best estimate, the linear one, which is exact. Each grid has a network of
    its own, with the same first weights and ``steps`` steps.
    """

    numbers: ClassVar[tuple[str, ...]] = ("error", "least", "size")

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
    seed: NonNegativeInt = 0
    kind: Literal["noise_regularity"] = "noise_regularity"

    def run(self) -> xr.Dataset:
        """``error``, ``least`` and ``size``, the mean norm of η, of each resolution."""
        measured = [self.measure(n) for n in tqdm(self.resolutions, desc="grids", disable=None)]
        errors, least, sizes = zip(*measured, strict=True)
        return results(
            {
                "error": ("resolution", list(errors), "error of the estimated noise over its size"),
                "least": ("resolution", list(least), "that of the best estimate"),
                "size": ("resolution", list(sizes), "mean square norm of the noise"),
            },
            {"resolution": ("resolution", list(self.resolutions), "nodes per axis")},
        ).assign_attrs(loss=self.loss, noise=self.prior.kind)

    def measure(self, n: int) -> tuple[float, float, float]:
        """Error after training on n nodes, the least one, and what both are relative to."""
        spectra, network = _Spectra.of(self, n), initialised(self.network, 1, self.seed)
        if self.steps:
            self.train(network, spectra)
        total = size = 0.0
        for index in range(self.test_fields):
            x, noise = spectra.draw(1, self._random(Stream.SCORE_ERROR, n, index), self.level)
            with torch.no_grad():
                missed = self.estimate(network, x) - noise
            total += float(spectra.norm(missed))
            size += float(spectra.norm(noise))
        return total / size, spectra.least(self.level), spectra.size

    def train(self, network: nn.Module, spectra: "_Spectra") -> None:
        """Adam at a constant rate, on fields that are drawn afresh in every step."""
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        for step in range(self.steps):
            random = self._random(Stream.FITTED_DATA, spectra.n, step)
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

    def _random(self, *stream: int) -> torch.Generator:
        seed = int(generator(self.seed, *stream).integers(2**63 - 1))
        return torch.Generator().manual_seed(seed)


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

    def least(self, level: float) -> float:
        """That of η less its expectation given x, over the size."""
        seen = level**2 * self.noise + self.data
        left = torch.where(seen > 0, self.noise * self.data / seen.clamp(min=1e-300), 0.0)
        return self._sum(left) / self.size

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
