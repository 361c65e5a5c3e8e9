"""Data whose conditional expectation given X_t is known exactly, and the denoiser that it gives.

The law is a mixture of Gaussians with one common covariance C that is diagonal in the basis. One
component is Gaussian data; C = 0 is a finite set of points, in a function space or in ℝ^d; C = Q is
the mixture of functions of Hagemann et al. (arXiv 2303.04772, §5.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import Estimate
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.measures.priors.convolution import Standard
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.spaces.bases import Basis, CosineBasis

POINTS = CosineBasis(1)
"""The basis of ℝ^d: a point is a field of d channels on a grid of one node."""

STANDARD_NORMAL = Standard(reference_resolution=1)
"""N(0, I) on ℝ^d."""


@dataclass(frozen=True)
class GaussianMixture:
    """The law Σ_i w_i N(μ_i, C) of fields, C diagonal in ``basis``.

    ``means`` are fields (component, channel, *grid) on any grid; ``covariance`` gives the
    eigenvalues c_k (channel, *coefficients) on n nodes per axis; ``weights`` (component,) sum to
    one. On a coarser grid than that of the means it is the law of the restricted fields.
    """

    basis: Basis
    means: Tensor
    covariance: Callable[[int], Tensor]
    weights: Tensor

    @property
    def channels(self) -> int:
        """Number of channels of a field."""
        return self.means.shape[1]

    def mean_coefficients(self, n: int) -> Tensor:
        """Coefficients of the μ_i on n nodes, (component, channel, *coefficients)."""
        return self.basis.forward(self.basis.resample(self.means, n))

    def spectrum(self, n: int) -> Tensor:
        """Mean-square coefficients E|û_k|² on n nodes, (channel, *coefficients)."""
        squares = self.mean_coefficients(n).abs().square()
        return torch.tensordot(self.weights, squares, 1) + self.covariance(n)

    def sample(self, random: np.random.Generator, count: int, n: int) -> Tensor:
        """Independent fields (count, channel, *grid) on n nodes, float64."""
        component = torch.from_numpy(random.choice(len(self.weights), count, p=self.weights))
        centres = self.basis.resample(self.means, n)[component]
        normals = random.standard_normal((count, self.channels, n**self.basis.dimension))
        white = self.basis.white_noise(normals, n)
        return centres + self.basis.inverse(white * self.covariance(n).sqrt(), n)


def gaussian(basis: Basis, covariance: SpectralPrior) -> GaussianMixture:
    """The law N(0, C) of fields with one channel."""
    zero = torch.zeros((1, 1, *(1,) * basis.dimension), dtype=torch.float64)
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

    Has the attributes and the call of ``fsdiff.diffusion.denoiser.Denoiser``. Expectations are
    computed in float64 and returned in the precision of x.
    """

    def __init__(
        self, law: GaussianMixture, *, prior: SpectralPrior, process: GaussianPath
    ) -> None:
        self.law, self.prior, self.process = law, prior, process
        self.basis, self.channels = law.basis, law.channels
        self._spectra = lru_cache(maxsize=32)(self._make_spectra)

    def marginal(self, t: Tensor, n: int) -> Marginal:
        """The law of X_t given X_0 on n nodes at times t (batch,), or (1,) for the whole batch."""
        return self._marginal(t, n, self._spectra(n).total)

    def __call__(self, x: Tensor, t: Tensor) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) at times t (batch,) or (1,)."""
        n, seen = x.shape[-1], x.double()
        component = self._marginal(t.double(), n, self._spectra(n).covariance)
        data = self._conditional_mean(seen, component)
        noise = component.noise_from_data(seen, data)
        return Estimate(data.to(x), noise.to(x), self.marginal(t, n))

    def _conditional_mean(self, x: Tensor, component: Marginal) -> Tensor:
        """E[X_0 | X_t = x] = μ̄ + G (x − m μ̄), float64.

        μ̄ = Σ_i p_i μ_i with the posterior probabilities p_i of the components, proportional to
        w_i exp(−½ Σ_k |x_k − m μ_ik|²/v_k), and G = m c/v mode by mode.
        """
        means = self._spectra(x.shape[-1]).means
        seen, m, v = self.basis.forward(x), component.mean_scale, component.variance
        weight = component.multiplicity * torch.where(v > 0, m / v, 0.0)
        match = _inner(weight * seen, means)
        size = _inner(m * weight, means.abs().square())
        posterior = torch.softmax(self.law.weights.log() + match - 0.5 * size, dim=1)
        centre = torch.tensordot(posterior.to(means), means, 1)
        data = centre + component.wiener_gain * (seen - m * centre)
        return self.basis.inverse(data, x.shape[-1])

    def _marginal(self, t: Tensor, n: int, data: Tensor) -> Marginal:
        spectra = self._spectra(n)
        time = t.double().view(-1, *[1] * (self.basis.dimension + 1))
        return Marginal(
            self.basis,
            self.process,
            time,
            spectra.omega_squared,
            spectra.noise.to(t),
            data.to(t),
            spectra.multiplicity.to(t),
        )

    def _make_spectra(self, n: int) -> "_Spectra":
        return _Spectra(
            means=self.law.mean_coefficients(n),
            covariance=self.law.covariance(n),
            total=self.law.spectrum(n),
            noise=self.prior.eigenvalues(self.basis, n),
            omega_squared=self.basis.omega_squared(n),
            multiplicity=self.basis.multiplicity(n),
        )


class _Spectra(NamedTuple):
    """What an exact denoiser knows of a grid."""

    means: Tensor
    covariance: Tensor
    total: Tensor
    noise: Tensor
    omega_squared: Tensor
    multiplicity: Tensor


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """Real parts of the inner products of each of ``a`` with each of ``b``, (len(a), len(b))."""
    a, b = a.flatten(1), b.flatten(1)
    return (a @ b.conj().T).real if a.is_complex() else a @ b.T
