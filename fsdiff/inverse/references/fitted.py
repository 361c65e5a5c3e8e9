"""A posterior seen from a Gaussian law that was fitted to draws, and to gradients where there are.

As in ``fsdiff.inverse.references.recentred``, kernels that leave such a law invariant take steps as
long as the posterior is wide in every direction. Here it differs from the prior in some coordinates
only, so that steps do not depend on the resolution.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import Prior

SHRUNK, WIDENED = 1e-3, 1.5
"""By what share correlations of draws are shrunk, and times what their variances are taken."""

PRIOR_DRAWS = 8
"""As how many draws, and gradients, the prior counts where both are used."""

_LEAST = 1e-8
"""The least variance of a coordinate, whose draws may all be the same."""

_BLOCK = 256
"""Functions that are made at a time."""


def coordinate_functions(prior: Prior, count: int) -> Tensor:
    """The functions of a prior's N(0, 1) numbers that vary most, (count or fewer, *shape).

    A draw is the sum of all functions times their numbers. They are orthogonal.
    """
    unit, best = torch.eye(prior.normals, dtype=torch.float64), None
    for rows in unit.split(_BLOCK):
        made = prior.draw(rows)
        best = made if best is None else torch.cat([best, made])
        energies = best.flatten(1).square().sum(1)
        best = best[energies.argsort(descending=True, stable=True)[:count]]
    assert best is not None
    energies = best.flatten(1).square().sum(1)
    return best[energies > 1e-24 * energies[0]]


@dataclass(frozen=True, eq=False)
class FittedLaw(Prior):
    """N(``centre``, L Lᵀ) in some coordinates of a prior in which that is N(0, I).

    ``functions`` (count, *shape) are those of ``coordinate_functions``, ``centre`` is (count,) and
    ``factor`` L, (count, count), lower triangular. All other coordinates are those of the prior.
    """

    prior: Prior
    functions: Tensor
    centre: Tensor
    factor: Tensor

    @classmethod
    def of(cls, prior: Prior, functions: Tensor, deviations: Tensor, weights: Tensor) -> Self:
        """With the moments of deviations (draws, *shape), each of which has a weight.

        Correlations are shrunk, as those of few draws are too large, and the law is wider than the
        draws: chains about one that is too narrow stay for long where it is improbable.
        """
        coordinates = coordinates_of(deviations, functions)
        weights = weights / weights.sum()
        centre = weights @ coordinates
        anomalies = (coordinates - centre) * weights[:, None].sqrt()
        covariance = anomalies.T @ anomalies
        own = covariance.diagonal().clamp_min(_LEAST)
        covariance = (1 - SHRUNK) * covariance + SHRUNK * torch.diag(own)
        return cls(prior, functions, centre, torch.linalg.cholesky(WIDENED * covariance))

    @classmethod
    def between(
        cls, prior: Prior, functions: Tensor, deviations: Tensor, gradients: Tensor
    ) -> Self:
        """With the mean of deviations (draws, *shape), and a covariance between two.

        These are that of the draws, and the inverse of that which gradients of the density have,
        which is its mean curvature; the geometric mean is no wider than the law where this is
        narrow in places, and no narrower than it is there. ``gradients`` are those of Φ.
        """
        coordinates = coordinates_of(deviations, functions)
        centre = coordinates.mean(0)
        pulls = _inner(gradients, functions) + coordinates
        return cls(prior, functions, centre, _between(_spread(coordinates), _spread(pulls)))

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """That of the prior."""
        return self.prior.shape

    @property
    def shift(self) -> Tensor:
        """The mean without the prior's, (*shape)."""
        return torch.tensordot(self.centre, self.functions, 1)

    @cached_property
    def mean(self) -> Tensor:  # type: ignore[override]
        """That of the prior, moved to the centre."""
        return self.prior.mean + self.shift

    @property
    def normals(self) -> int:
        """Those of the prior."""
        return self.prior.normals

    def draw(self, normals: Tensor) -> Tensor:
        """Draws of the prior whose coordinates ξ have become L ξ."""
        z = self.prior.draw(normals)
        own = self.coordinates(z)
        return z + torch.tensordot(own @ self.factor.T - own, self.functions, 1)

    def covariance(self, gradient: Tensor) -> Tensor:
        """C g, and L Lᵀ instead of I between coordinates."""
        along = _inner(gradient, self.functions)
        changed = along @ self.factor @ self.factor.T - along
        return self.prior.covariance(gradient) + torch.tensordot(changed, self.functions, 1)

    def energy(self, deviation: Tensor) -> Tensor:
        """|q|²_C, with |L⁻¹ξ|² for |ξ|²."""
        own = self.coordinates(deviation)
        changed = self.white(own).square().sum(-1) - own.square().sum(-1)
        return self.prior.energy(deviation) + changed

    def leading(self, fields: Tensor) -> Tensor:
        """Those of the prior."""
        return self.prior.leading(fields)

    @property
    def variance(self) -> Tensor:
        """The variance at each node."""
        spread = torch.tensordot(self.factor.T, self.functions, 1).square().sum(0)
        return self.prior.variance + spread - self.functions.square().sum(0)

    @cached_property
    def squares(self) -> Tensor:
        """⟨f, f⟩ of the functions."""
        return _squares(self.functions)

    def coordinates(self, deviation: Tensor) -> Tensor:
        """Those of deviations (..., *shape), (..., count)."""
        return _inner(deviation, self.functions) / self.squares

    def white(self, coordinates: Tensor) -> Tensor:
        """L⁻¹ applied to coordinates (..., count)."""
        return torch.linalg.solve_triangular(self.factor, coordinates.T, upper=False).T


@dataclass(frozen=True, eq=False)
class Fitted(Posterior):
    """The same posterior with respect to a fitted law: Φ + ½|ξ|² − ½|L⁻¹(ξ − centre)|² for Φ."""

    law: FittedLaw

    @classmethod
    def about(cls, posterior: Posterior, law: FittedLaw) -> Self:
        """From the posterior and the law."""
        return cls(law, posterior.map, posterior.likelihood, posterior.data, law)

    def potential(self, deviation: Tensor) -> Tensor:
        """Of deviations from the mean of the law, (batch,)."""
        return super().potential(deviation) + self.difference(deviation)

    def misfit(self, deviation: Tensor, potential: Tensor) -> Tensor:
        """Φ with respect to the prior, (batch,)."""
        return potential - self.difference(deviation)

    def gradient(self, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and its gradient; zero where Φ = ∞."""
        potential, gradient = super().gradient(deviation)
        possible = potential.isfinite().view(-1, *[1] * (deviation.ndim - 1))
        gradient = torch.where(possible, gradient + self.slope(deviation), 0.0)
        return potential + self.difference(deviation), gradient

    def difference(self, deviation: Tensor) -> Tensor:
        """What it is more than Φ with respect to the prior, (batch,)."""
        own = self.law.coordinates(deviation)
        white, coordinates = self.law.white(own), self.law.centre + own
        return 0.5 * (coordinates.square().sum(-1) - white.square().sum(-1))

    def slope(self, deviation: Tensor) -> Tensor:
        """The gradient of that, like deviations."""
        law, own = self.law, self.law.coordinates(deviation)
        pulled = torch.linalg.solve_triangular(law.factor.T, law.white(own).T, upper=True).T
        along = (law.centre + own - pulled) / law.squares
        return torch.tensordot(along, law.functions, 1)


def _spread(values: Tensor) -> Tensor:
    """The covariance of rows, shrunk to that of the prior."""
    anomalies = values - values.mean(0)
    told = anomalies.T @ anomalies + PRIOR_DRAWS * torch.eye(values.shape[1], dtype=values.dtype)
    return told / (len(values) + PRIOR_DRAWS)


def _between(covariance: Tensor, curvature: Tensor) -> Tensor:
    """A triangular factor of K with K · curvature · K = covariance."""
    root = torch.linalg.cholesky(curvature)
    values, vectors = torch.linalg.eigh(root.T @ covariance @ root)
    half = vectors * values.clamp_min(_LEAST**2).pow(0.25)
    narrowed = torch.linalg.solve_triangular(root.T, half, upper=True)
    # K is the square of what has been found, whose factor is triangular after a rotation.
    upper = torch.linalg.qr(narrowed.T).R
    return (upper * upper.diagonal().sign()[:, None]).T


def coordinates_of(deviation: Tensor, functions: Tensor) -> Tensor:
    """⟨q, f⟩/⟨f, f⟩ of deviations (..., *shape), (..., count)."""
    return _inner(deviation, functions) / _squares(functions)


def _inner(fields: Tensor, functions: Tensor) -> Tensor:
    """Means over nodes, summed over channels, of products with functions, (..., count)."""
    flat = fields.flatten(fields.ndim - functions.ndim + 1)
    return flat @ functions.flatten(1).T / torch.Size(functions.shape[2:]).numel()


def _squares(functions: Tensor) -> Tensor:
    return functions.flatten(1).square().sum(1) / torch.Size(functions.shape[2:]).numel()
