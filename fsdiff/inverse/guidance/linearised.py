"""Particles led by observations that are not linear, each linearised where the data draw it."""

import torch
from torch import Tensor

from fsdiff.diffusion.marginal import Marginal
from fsdiff.inverse.guidance.particles import System
from fsdiff.inverse.guidance.problem import wiener_covariance
from fsdiff.inverse.guidance.question import Question
from fsdiff.inverse.guidance.systems import factored
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.maps import functionals
from fsdiff.randomness import normals
from fsdiff.spaces import symbols
from fsdiff.streams import Stream

FIRST = 8
"""Gauss–Newton steps before the first step, where estimates know nothing of the data."""


class LinearisedSystem(System):
    """A system whose observation is, for each particle, y = G(û) + H(X_0 − û) + ε.

    Any û gives right weights. H = G′(û) is kept as fields ``rows`` (particles, size, channel,
    *grid), and S = Γ + H V H* by its factors.
    """

    rows: Tensor
    factors: Tensor
    places: Tensor | None = None

    def _look(self, marginal: Marginal) -> Tensor:
        """Estimate the data, and linearise; ln N(y; G(û) + H(x̂_0 − û), S), (particles,)."""
        parts = self.state.fields.split(self.smc.batch)
        self.estimate = torch.cat([self._question(part, marginal).estimate() for part in parts])
        question = self._question(self.estimate, marginal)
        self.symbol = question.symbol(wiener_covariance)
        places = self._begun(question) if self.places is None else self.places
        self.places = self._followed(question, places)
        self.rows = torch.stack([functionals(question.map, u) for u in self.places.split(1)])
        self.values = question.residual(self.places)
        self.residual = self._residual(self.estimate)
        self.factors = factored(self._covariance(self._applied(self.rows, self.symbol)))
        return self._log_density(self.residual)

    def _begun(self, question: Question) -> Tensor:
        """Where Gauss–Newton steps lead from the mean of all estimates, for each particle."""
        count, centre = len(self.estimate), self.estimate.mean(0, keepdim=True)
        place = WienerGuidance(iterations=FIRST).linearised(question, centre)
        self.rows = functionals(question.map, place).expand(count, -1, *place.shape[1:])
        self.values = question.residual(place).expand(count, -1)
        return place.expand_as(self.estimate)

    def _followed(self, question: Question, places: Tensor) -> Tensor:
        """Where a Gauss–Newton step leads with the last derivatives, if that is no less likely."""
        gains = self._applied(self.rows, self.symbol)
        self.factors = factored(self._covariance(gains))
        centre = self.estimate.double()
        residual = self.values - self._observed(centre - places)
        proposed = centre + self._combined(gains, self._solve(residual))
        residual, noise = question.residual_if_any(proposed), self.problem.noise(proposed)

        def objective(u: Tensor, residual: Tensor) -> Tensor:
            moved = u - centre
            return self._inner(moved, moved, self.symbol) + (residual.square() / noise).sum(-1)

        better = objective(proposed, residual) <= objective(places, self.values)
        return torch.where(better.view(-1, *[1] * (places.ndim - 1)), proposed, places)

    def _move(self, now: Marginal, then: Marginal, number: int) -> Tensor:
        """Take a step of N(μ + δ, K_y); ln dN(μ, K)/dN(μ + δ, K_y) at where it leads.

        K_y = K − B S⁻¹ B* with B = g V H* is what the linearised data leave of K.
        """
        mean, moved, own = self._unguided(now, then, number)
        basis = self.run.law.basis
        covariance = self._kernel(self.symbol, moved, own)
        gains = self._applied(self.rows, symbols.scaled(self.symbol, moved.double()[0], basis))
        shift = self._combined(gains, self._solve(self.residual))
        # Draws of X_0 given the data, but for the mean, by Matheron's rule.
        z = self._spread(self.symbol, number, 0).double()
        said = self._observed(z) + self._errors(number)
        spread = then.apply(moved.double(), z) - self._combined(gains, self._solve(said))
        spread += self._spread(own.double()[0], number, 1)
        self.state.fields = mean + (shift + spread).to(mean)

        weighted = self._applied(gains, symbols.inverse(covariance, basis))
        factors = factored(self.factors @ self.factors.mT - self._gram(gains, weighted))
        along = self._against(weighted, spread)
        white = torch.linalg.solve_triangular(factors, along[..., None], upper=False)[..., 0]
        determinants = _log_determinant(factors) - _log_determinant(self.factors)
        moved_on = self._inner(shift, spread + 0.5 * shift, covariance)
        return 0.5 * (white.square().sum(-1) + determinants) - moved_on

    def _drawn(self, log_weights: Tensor, last: Marginal, number: int) -> Tensor:
        """X_0 given the linearised data, weighed by the data."""
        z = self.estimate.double() + self._spread(self.symbol, number)
        residual = self._residual(z) - self._errors(number)
        fresh = self._applied(self.rows, self.symbol)
        drawn = z + self._combined(fresh, self._solve(residual))
        question = self._question(drawn, last)
        wrong = self._residual(drawn).square() - question.residual_if_any(drawn).square()
        correction = 0.5 * (wrong / self.problem.noise(drawn)).sum(-1)
        self.state.fields = drawn.to(self.state.fields)
        self._resample(log_weights + correction, number, 1.0)
        return self.state.fields

    def _keep(self, chosen: Tensor) -> None:
        super()._keep(chosen)
        assert self.places is not None
        self.places, self.values = self.places[chosen], self.values[chosen]
        self.rows, self.factors = self.rows[chosen], self.factors[chosen]

    def _residual(self, fields: Tensor) -> Tensor:
        """y − G(û) − H(u − û), (particles, size)."""
        assert self.places is not None
        return self.values - self._observed(fields.double() - self.places)

    def _observed(self, fields: Tensor) -> Tensor:
        """H u, (particles, size)."""
        return self._against(self.rows, fields)

    def _errors(self, number: int) -> Tensor:
        """N(0, Γ) data."""
        shape = (self.problem.size,)
        drawn = normals(self.run.seed, self.state.indices, shape, Stream.POSTERIOR, number)
        return torch.from_numpy(drawn) * self.problem.noise(self.estimate).sqrt().cpu()

    def _log_density(self, residual: Tensor) -> Tensor:
        white = torch.linalg.solve_triangular(self.factors, residual[..., None], upper=False)
        size = residual.shape[-1]
        constant = size * torch.log(torch.tensor(2 * torch.pi, dtype=torch.float64))
        return -0.5 * (white.square().sum((1, 2)) + _log_determinant(self.factors) + constant)

    def _solve(self, residual: Tensor) -> Tensor:
        """S⁻¹ d, (particles, size)."""
        return torch.cholesky_solve(residual[..., None], self.factors)[..., 0]

    def _applied(self, rows: Tensor, symbol: Tensor) -> Tensor:
        """An operator on the channels of each mode, applied to fields (..., channel, *grid)."""
        return symbols.multiply(self.run.law.basis, rows, symbol)

    def _gram(self, u: Tensor, v: Tensor) -> Tensor:
        """Inner products (particles, size, size) of fields."""
        return (self._weights * u).flatten(2) @ v.flatten(2).mT

    def _against(self, rows: Tensor, fields: Tensor) -> Tensor:
        """Inner products (particles, size) of each particle's rows with its field."""
        weighted = (self._weights * fields).flatten(1)
        return (rows.flatten(2) @ weighted[..., None])[..., 0]

    def _covariance(self, gains: Tensor) -> Tensor:
        """Γ + H V H* for V H*, (particles, size, size)."""
        return self._gram(self.rows, gains) + torch.diag(self.problem.noise(gains))

    def _combined(self, rows: Tensor, data: Tensor) -> Tensor:
        """Σ_i d_i rows_i of each particle, fields."""
        return (data[:, None] @ rows.flatten(2))[:, 0].unflatten(-1, rows.shape[2:])

    @property
    def _weights(self) -> Tensor:
        return self.problem.weights(self.run.n, self.rows)


def _log_determinant(factors: Tensor) -> Tensor:
    """ln det L Lᵀ, (particles,)."""
    return 2 * factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
