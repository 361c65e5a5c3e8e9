"""Data whose conditional expectation given X_t is known exactly, and the denoiser that it gives.

The law is a mixture of Gaussians with one common covariance C that is diagonal in the basis. One
component is Gaussian data; C = 0 is a finite set of points, in a function space or in ℝ^d; C = Q is
the mixture of functions of Hagemann et al. (arXiv 2303.04772, §5.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import Estimate
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.measures.mixtures import GaussianMixture
from fsdiff.measures.priors.convolution import Standard
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.spaces.bases import Basis, CosineBasis

POINTS = CosineBasis(1)
"""The basis of ℝ^d: a point is a field of d channels on a grid of one node."""

CACHED = 2**20
"""Posterior probabilities that are computed at once, of all fields and components."""

STANDARD_NORMAL = Standard(reference_resolution=1)
"""N(0, I) on ℝ^d."""


def gaussian(basis: Basis, covariance: SpectralPrior) -> GaussianMixture:
    """The law N(0, C) of fields with one channel."""
    zero = torch.zeros((1, 1, *basis.grid(basis.reference_level(1))), dtype=torch.float64)
    return mixture(basis, zero, lambda n: covariance.eigenvalues(basis, n)[None])


def mixture(basis: Basis, means: Tensor, covariance: Callable[[int], Tensor]) -> GaussianMixture:
    """Equally likely Gaussians N(μ_i, C)."""
    weights = torch.full((len(means),), 1 / len(means), dtype=torch.float64)
    return GaussianMixture(basis, means, covariance, weights)


def point_set(points: Tensor, weights: Tensor | None = None) -> GaussianMixture:
    """Points (count, d) of ℝ^d, equally likely unless weights (count,) are given."""
    if weights is None:
        weights = torch.ones(len(points), dtype=torch.float64)
    nothing = torch.zeros((points.shape[1], 1), dtype=torch.float64)
    return GaussianMixture(POINTS, points[..., None], lambda n: nothing, weights / weights.sum())


class ExactDenoiser:
    """Answers "data, noise, score, velocity" for X_t = x without error, for every sampler to use.

    ``data`` is the law of X_0. Expectations are computed in float64 and returned in the precision
    of x.
    """

    def __init__(
        self, data: GaussianMixture, *, noise: SpectralPrior, process: GaussianPath
    ) -> None:
        self.data = data
        self.law = Law(basis=data.basis, noise=noise, process=process, data=data)
        component = _Component(data)
        self._component = Law(basis=data.basis, noise=noise, process=process, data=component)
        self._means = lru_cache(maxsize=32)(data.mean_coefficients)

    def __call__(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) at times t (batch,) or (1,)."""
        return self.estimate(x, self.law.marginal(t, self.law.basis.resolution(x)), condition)

    def estimate(self, x: Tensor, marginal: Marginal, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) of the law ``marginal``."""
        if condition is not None:
            raise ValueError("exact expectations of an unconditional law know no condition")
        n, seen = self.law.basis.resolution(x), x.double()
        component = self._component.marginal(marginal.time.flatten(), n)
        data = self._in_blocks(seen, component)
        noise = component.noise_from_data(seen, data)
        return Estimate(data.to(x), noise.to(x), marginal)

    def _in_blocks(self, x: Tensor, component: Marginal) -> Tensor:
        """The conditional mean, of no more fields at once than leave their weights in the cache."""
        rows = max(1, CACHED // len(self.data.weights))
        if len(x) <= rows or component.time.numel() > 1:
            return self._conditional_mean(x, component)
        return torch.cat([self._conditional_mean(part, component) for part in x.split(rows)])

    def _conditional_mean(self, x: Tensor, component: Marginal) -> Tensor:
        """E[X_0 | X_t = x] = μ̄ + G (x − m μ̄), float64.

        μ̄ = Σ_i p_i μ_i with the posterior probabilities p_i of the components, proportional to
        w_i exp(−½ Σ_k |x_k − m μ_ik|²/v_k), and G = m c/v mode by mode.
        """
        n = self.law.basis.resolution(x)
        means = self._means(n)
        seen, m, v = self.law.basis.forward(x), component.mean_scale, component.variance
        weight = component.multiplicity * torch.where(v > 0, m / v, 0.0)
        match = _inner(weight * seen, means)
        size = _inner(m * weight, means.abs().square())
        posterior = torch.softmax(self.data.weights.log() + match - 0.5 * size, dim=1)
        centre = torch.tensordot(posterior.to(means), means, 1)
        data = centre + component.wiener_gain * (seen - m * centre)
        return self.law.basis.inverse(data, n)


@dataclass(frozen=True, eq=False)
class _Component:
    """Second moments of a component of a mixture about its mean."""

    mixture: GaussianMixture

    @property
    def channels(self) -> int:
        return self.mixture.channels

    @property
    def resolution(self) -> int:
        return self.mixture.resolution

    def spectrum(self, n: int) -> Tensor:
        return self.mixture.covariance(n)

    def joint(self, n: int) -> None:
        return None


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """Real parts of the inner products of each of ``a`` with each of ``b``, (len(a), len(b))."""
    a, b = a.flatten(1), b.flatten(1)
    return (a @ b.conj().T).real if a.is_complex() else a @ b.T
