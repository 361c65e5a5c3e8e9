"""Sampling on a fine grid with a score that was learned on a coarse one: error and bounds."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
import xarray as xr
from pydantic import Field
from torch import Tensor

from fsdiff.analyses.base import Analysis, results
from fsdiff.analyses.modes import check_uniform, resolved_by, squared_scales
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.spaces.bases import Basis, FourierBasis, Nodes

NODES = 4000
"""Times at which integrals over time are evaluated."""


@dataclass(frozen=True, kw_only=True)
class MultilevelBound(Analysis):
    """W₂ between data N(0, C) on the finest grid and samples with the score of a coarser one.

    The reverse equation starts from r_T N(0, Q). Its score is exact on the modes that ``levels``
    nodes resolve, and beyond them zero, as Hagemann et al. (arXiv 2303.04772, Theorem 3.12) have
    it, or that of data which are zero there, x̂_0 = 0, which is S = −x/r². Modes do not interact, so
    both laws are known in closed form. Grönwall's inequality bounds the first error by
    A(T) d_T + ∫ A g² ε dt, with ε² = Σ_{k beyond} λ_k²/v_k the squared norm of the score that is
    missing, A(t) = exp ∫₀ᵗ (g² L − f), L the Lipschitz constant of the score that is used, and d_T
    the distance of the starts: the theorem, with its constant for these data.
    """

    levelled: ClassVar[tuple[str, ...]] = ("finest", "levels")

    covariance: SpectralPrior
    basis: Basis = field(default_factory=FourierBasis)
    prior: SpectralPrior = field(default_factory=Bessel)
    process: GaussianPath = field(default_factory=VariancePreserving)
    finest: Nodes = 128
    levels: Annotated[tuple[Nodes, ...], Field(min_length=1)] = (4, 8, 16, 32, 64)
    kind: Literal["multilevel_bound"] = "multilevel_bound"

    def __post_init__(self) -> None:
        """Refuse processes without a closed form here."""
        check_uniform(self.process)

    def run(self) -> xr.Dataset:
        """Distances and bounds (level), relative to the root mean square of the data."""
        data, _, weight = self._modes()
        size = float((weight * data).sum().sqrt())
        known = [self._resolved(n) for n in self.levels]
        zero_score = [self._distance(k, self._without_score()) / size for k in known]
        zero_data = [self._distance(k, torch.zeros_like(data)) / size for k in known]
        bound = [self._bound(k) / size for k in known]
        return results(
            {
                "zero_score": ("level", zero_score, "W₂ with the score zero beyond the level"),
                "zero_data": ("level", zero_data, "W₂ with the data zero beyond the level"),
                "bound": ("level", bound, "bound on W₂ with the score zero beyond the level"),
            },
            {"level": ("level", list(self.levels), "nodes per axis that the score is exact on")},
        )

    def _modes(self) -> tuple[Tensor, Tensor, Tensor]:
        """c_k, λ_k and multiplicities of the modes on the finest grid."""
        data, noise = self._spectra()
        there = data + noise > 0
        return data[there], noise[there], self.basis.multiplicity(self.finest)[there]

    def _spectra(self) -> tuple[Tensor, ...]:
        """c_k and λ_k on the finest grid; both are zero on modes that have no part in X_t."""
        laws = (self.covariance, self.prior)
        return tuple(law.eigenvalues(self.basis, self.finest) for law in laws)

    def _resolved(self, n: int) -> Tensor:
        """Which of the modes n nodes resolve."""
        data, noise = self._spectra()
        return resolved_by(self.basis, n, self.finest)[data + noise > 0]

    def _end(self) -> tuple[Tensor, Tensor]:
        """m² and r² at time T."""
        return squared_scales(self.process, torch.tensor(self.process.T, dtype=torch.float64))

    def _distance(self, known: Tensor, beyond: Tensor) -> float:
        """W₂ between the data and samples with variances ``beyond`` in modes that are not known.

        With the exact score the error of the start, −m_T²c, is multiplied by m_T²(c/v_T)².
        """
        data, noise, weight = self._modes()
        kept, spread = self._end()
        exact = data - kept.square() * data * (data / (kept * data + spread * noise)).square()
        found = torch.where(known, exact, beyond)
        return float((weight * (found.sqrt() - data.sqrt()).square()).sum().sqrt())

    def _without_score(self) -> Tensor:
        """2λ r_T²/m_T², where v′ = −2fv + g²λ takes r_T²λ in reverse time."""
        kept, spread = self._end()
        return 2 * self._modes()[1] * spread / kept

    def _bound(self, known: Tensor) -> float:
        """A(T) d_T + ∫ A g² ε dt by the trapezoidal rule."""
        data, noise, weight = self._modes()
        t = torch.linspace(0, self.process.T, NODES, dtype=torch.float64)
        zero = torch.zeros((), dtype=torch.float64)
        drift, rate = self.process.drift(t, zero), self.process.diffusion(t, zero).square()
        kept, spread = (scale[:, None] for scale in squared_scales(self.process, t))
        variance = kept * data + spread * noise
        lipschitz = (noise / variance)[:, known].amax(1)
        missing = (weight * noise.square() / variance)[:, ~known].sum(1).sqrt()
        exponent = torch.cumulative_trapezoid(rate * lipschitz - drift, t)
        growth = torch.cat([torch.zeros_like(t[:1]), exponent]).exp()
        apart = variance[-1].sqrt() - (spread[-1] * noise).sqrt()
        start = growth[-1] * (weight * apart.square()).sum().sqrt()
        return float(start + torch.trapezoid(growth * rate * missing, t))
