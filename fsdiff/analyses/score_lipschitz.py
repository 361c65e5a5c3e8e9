"""How steep the exact score of Gaussian data is, against the resolution and the time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
import xarray as xr
from pydantic import Field, PositiveFloat
from torch import Tensor

from fsdiff.analyses.base import Analysis, results, times_beyond
from fsdiff.blocks.explain import Problem
from fsdiff.diffusion.exact import ExactDenoiser, gaussian
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.spaces.bases import Basis, FourierBasis, Nodes


@dataclass(frozen=True, kw_only=True)
class ScoreLipschitz(Analysis):
    """Lipschitz constants of x ↦ S(x, t) = Q ∇ log p_t(x) for data N(0, C) that commute with Q.

    S multiplies mode k by −λ_k/(m²c_k + r²λ_k), so its constant on n nodes is the largest of these:
    at most 1/r² at every n, and bounded in n as t → 0 exactly where c_k/λ_k is bounded below
    (Hagemann et al., arXiv 2303.04772, Example 3.11).
    """

    covariance: SpectralPrior
    basis: Basis = field(default_factory=FourierBasis)
    prior: SpectralPrior = field(default_factory=Bessel)
    process: GaussianPath = field(default_factory=VariancePreserving)
    resolutions: Annotated[tuple[Nodes, ...], Field(min_length=1)] = (8, 16, 32, 64, 128)
    times: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1e-3, 1e-2, 1e-1, 1.0)
    kind: Literal["score_lipschitz"] = "score_lipschitz"

    def check(self) -> Iterator[Problem]:
        """Refuse times beyond the end of the process."""
        yield from times_beyond(self.times, self.process.T)

    def run(self) -> xr.Dataset:
        """``closed_form`` and ``measured`` (time, resolution), ``bound`` (time)."""
        times = torch.tensor(self.times, dtype=torch.float64)
        closed = [[self.closed_form(t, n) for n in self.resolutions] for t in times]
        measured = [[self.measured(t, n) for n in self.resolutions] for t in times]
        bound = 1 / self.process.noise_variance(times, torch.zeros(()))
        return results(
            {
                "closed_form": (("time", "resolution"), closed, "largest multiplier of the score"),
                "measured": (("time", "resolution"), measured, "operator norm by power iteration"),
                "bound": ("time", bound, "bound 1/r²"),
            },
            {
                "time": ("time", self.times, "time"),
                "resolution": ("resolution", list(self.resolutions), "nodes per axis"),
            },
        )

    def closed_form(self, t: Tensor, n: int) -> float:
        """max_k λ_k/(m²c_k + r²λ_k) over the modes on n nodes that X_t has."""
        variance, noise = self._variance(t, n), self.prior.eigenvalues(self.basis, n)
        return float((noise / variance)[variance > 0].max())

    def _variance(self, t: Tensor, n: int) -> Tensor:
        """m²c_k + r²λ_k of each mode."""
        data, noise = (law.eigenvalues(self.basis, n) for law in (self.covariance, self.prior))
        omega_squared = self.basis.omega_squared(n)
        signal = self.process.mean_scale(t, omega_squared).square() * data
        return signal + self.process.noise_variance(t, omega_squared) * noise

    def measured(self, t: Tensor, n: int, iterations: int = 200) -> float:
        """The norm of the score that samplers call, a linear map, by power iteration."""
        law = gaussian(self.basis, self.covariance)
        denoiser = ExactDenoiser(law, noise=self.prior, process=self.process)
        u = torch.zeros((1, 1, *self.basis.grid(n)), dtype=torch.float64)
        u.view(-1)[0] = 1.0  # a point mass holds every mode
        there = (self._variance(t, n) > 0).double()
        for _ in range(iterations):
            u = self.basis.multiply(u, there)  # rounding errors in other modes would grow
            u = denoiser(u / u.square().mean().sqrt(), t.view(1)).score
        return float(u.square().mean().sqrt())
