"""Gaussian posteriors in closed form: exact where the map is linear, Laplace's where it is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from fsdiff.inverse.forward.base import nodes
from fsdiff.inverse.references.likelihoods import GaussianNoise
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import Prior
from fsdiff.randomness import normals
from fsdiff.streams import Stream


@dataclass(frozen=True, eq=False)
class GaussianPosterior:
    """The law of u = mean + q given y = ⟨rows, q⟩ + ``offset`` + N(0, ``noise``).

    ``rows`` are fields (size, *shape), inner products means over nodes; ``offset``, ``noise``
    (variances) and ``data`` are (size,); all in float64.
    """

    prior: Prior
    rows: Tensor
    offset: Tensor
    noise: Tensor
    data: Tensor

    @classmethod
    def of(cls, posterior: Posterior, deviation: Tensor | None = None) -> Self:
        """With the map linearised at a deviation (*shape), the prior's mean by default.

        Exact where the map is linear. Raises ValueError for other noise than Gaussian.
        """
        likelihood, prior = posterior.likelihood, posterior.prior
        if not isinstance(likelihood, GaussianNoise):
            raise ValueError(f"likelihood '{likelihood.kind}' has no Gaussian posterior")
        if deviation is None:
            deviation = torch.zeros(prior.shape, dtype=torch.float64)
        u = (prior.mean + deviation)[None]
        rows = posterior.map.jacobian(u)[0].double()
        observed = posterior.map.evaluate(u)[0].double()
        offset = observed - rows.flatten(1) @ deviation.flatten() / nodes(rows)
        noise = likelihood.deviations(observed).square().expand_as(observed)
        return cls(prior, rows, offset, noise, posterior.data.double())

    @cached_property
    def gains(self) -> Tensor:
        """C H*, a field for each observation, (size, *shape)."""
        return self.prior.covariance(self.rows)

    @cached_property
    def deviation(self) -> Tensor:
        """The posterior mean without the prior's, (*shape)."""
        return self.explained(self.data - self.offset)

    @property
    def mean(self) -> Tensor:
        """The posterior mean, (*shape)."""
        return self.prior.mean + self.deviation

    @cached_property
    def variance(self) -> Tensor:
        """The posterior variance at each node, (*shape)."""
        flat = self.gains.flatten(1)
        seen = torch.linalg.solve_triangular(self._factor, flat, upper=False).square().sum(0)
        return (self.prior.variance - seen.view(self.prior.shape)).clamp_min(0)

    @property
    def log_evidence(self) -> float:
        """log N(y; offset, H C H* + Γ), the probability of the data."""
        residual = (self.data - self.offset)[:, None]
        white = torch.linalg.solve_triangular(self._factor, residual, upper=False)
        determinant = self._factor.diagonal().log().sum()
        constant = 0.5 * len(residual) * np.log(2 * np.pi)
        return float(-0.5 * white.square().sum() - determinant - constant)

    def sample(self, indices: Sequence[int], seed: int) -> Tensor:
        """Draws (len(indices), *shape), float64; draw i depends on (seed, i) only.

        Matheron's rule: a draw z of prior and noise, moved by what it says wrongly of the data.
        """
        count = len(self.data)
        drawn = normals(seed, indices, (self.prior.normals + count,), Stream.CONDITIONAL)
        # One at a time: matrix products round in a way that depends on the batch's size.
        return torch.stack([self._conditioned(row) for row in torch.from_numpy(drawn)])

    def _conditioned(self, numbers: Tensor) -> Tensor:
        """The draw that N(0, 1) numbers (count + normals,) make."""
        error, rest = numbers.split([len(self.data), self.prior.normals])
        z = self.prior.draw(rest)
        said = self.offset + self.observed(z) + error * self.noise.sqrt()
        return self.prior.mean + z + self.explained(self.data - said)

    def covariance_of(self, functionals: Tensor) -> Tensor:
        """The posterior covariance of inner products with fields (k, *shape), (k, k)."""
        images = self.prior.covariance(functionals).flatten(1)
        prior = functionals.flatten(1) @ images.T / nodes(functionals)
        seen = self.gains.flatten(1) @ functionals.flatten(1).T / nodes(functionals)
        white = torch.linalg.solve_triangular(self._factor, seen, upper=False)
        return prior - white.T @ white

    def observed(self, q: Tensor) -> Tensor:
        """⟨rows, q⟩ of deviations (..., *shape), (..., size)."""
        flat = q.flatten(q.ndim - len(self.prior.shape))
        return flat @ self.rows.flatten(1).T / nodes(self.rows)

    def explained(self, residuals: Tensor) -> Tensor:
        """C H* (H C H* + Γ)⁻¹ applied to residuals (..., size), (..., *shape)."""
        return (residuals @ self._gain).unflatten(-1, self.prior.shape)

    @cached_property
    def _gain(self) -> Tensor:
        """The operator that takes residuals to fields, a row for each datum."""
        return torch.cholesky_solve(self.gains.flatten(1), self._factor)

    @cached_property
    def _factor(self) -> Tensor:
        """Of H C H* + Γ."""
        covariance = self.rows.flatten(1) @ self.gains.flatten(1).T / nodes(self.rows)
        return torch.linalg.cholesky(0.5 * (covariance + covariance.T) + torch.diag(self.noise))


_ROUNDING = 1e-3
"""A step, in prior deviations, of which rounding may hide what it gains."""


def laplace(
    posterior: Posterior, *, iterations: int = 200, tolerance: float = 1e-5
) -> GaussianPosterior:
    """The Gaussian law about the most probable field, with the map linearised there.

    Gauss–Newton's method with steps halved until Φ + ½|q|²_C falls, and ended by one that is
    shorter than ``tolerance`` prior deviations. ValueError for maps without a derivative,
    ArithmeticError that tells the last step where it does not converge.
    """
    q = torch.zeros(posterior.prior.shape, dtype=torch.float64)
    value, change = _objective(posterior, q), float("inf")
    for _ in range(iterations):
        law = GaussianPosterior.of(posterior, q)
        direction = law.deviation - q
        change = float((direction.square().mean() / posterior.prior.variance.mean()).sqrt())
        if change < tolerance:
            return law
        step = 1.0
        while step > 1e-6:
            moved = q + step * direction
            attempt = _objective(posterior, moved)
            if attempt < value:
                break
            step /= 2
        else:
            if change < _ROUNDING:
                return law
            break
        q, value = moved, attempt
    raise ArithmeticError(
        f"Gauss–Newton has not converged in {iterations} iterations, its last step being "
        f"{change:.1e} prior deviations: there is no Laplace approximation, as where the posterior "
        "has several modes; leave this row out"
    )


def _objective(posterior: Posterior, q: Tensor) -> float:
    return float(posterior.potential(q[None]) + 0.5 * posterior.prior.energy(q[None]))
