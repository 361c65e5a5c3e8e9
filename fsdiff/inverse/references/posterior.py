"""A posterior: a Gaussian prior, a forward map, a likelihood and data."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fsdiff.inverse.forward.base import ForwardMap
from fsdiff.inverse.references.likelihoods import GaussianNoise, Likelihood
from fsdiff.inverse.references.priors import Prior


@dataclass(frozen=True, eq=False)
class Posterior:
    """The law with density ∝ exp(−Φ(u)) with respect to the prior, Φ from the data.

    ``data`` is (size,), or (chains, size) where each chain has its own. Fields are given as
    deviations from the prior's mean, (batch, *shape). Fields that the map has no value for have
    Φ = ∞.
    """

    prior: Prior
    map: ForwardMap
    likelihood: Likelihood
    data: Tensor

    @property
    def differentiable(self) -> bool:
        """Whether there is a gradient to follow."""
        return self.map.differentiable and self.likelihood.differentiable

    def observed(self, deviation: Tensor) -> Tensor:
        """G(mean + q), (batch, size); not a number where the map has no value."""
        try:
            return self.map.evaluate(self.prior.mean + deviation)
        except ArithmeticError:
            if len(deviation) == 1:
                return torch.full((1, self.map.size), torch.nan, dtype=deviation.dtype)
            return torch.cat([self.observed(q) for q in deviation.split(1)])

    def potential(self, deviation: Tensor) -> Tensor:
        """Φ(mean + q), (batch,)."""
        return _number(self.likelihood.potential(self.observed(deviation), self.data))

    def misfit(self, deviation: Tensor, potential: Tensor) -> Tensor:
        """Φ with respect to the prior of the problem, from what ``potential`` gives, (batch,)."""
        return potential

    def widened(self, information: float) -> "Posterior":
        """With errors so wide that data have this share of their information."""
        return replace(self, likelihood=self.likelihood.widened(information**-0.5))

    def gradient(self, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """Φ, and its gradient in the inner product, the mean over nodes; zero where Φ = ∞."""
        if not isinstance(self.likelihood, GaussianNoise):
            raise ValueError(
                f"likelihood '{self.likelihood.kind}' has no gradient: use the reference 'pcn'"
            )
        try:
            linear = self.map.linearise(self.prior.mean + deviation)
        except ArithmeticError:
            if len(deviation) == 1:
                infinite = torch.full((1,), torch.inf, dtype=deviation.dtype)
                return infinite, torch.zeros_like(deviation)
            parts = [self._part(i).gradient(q) for i, q in enumerate(deviation.split(1))]
            return torch.cat([phi for phi, _ in parts]), torch.cat([g for _, g in parts])
        potential = _number(self.likelihood.potential(linear.value, self.data))
        gradient = linear.vjp(self.likelihood.slope(linear.value, self.data))
        return potential, torch.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)

    def _part(self, number: int) -> "Posterior":
        """What one of the chains sees of prior, map and data, whatever densities refer to."""
        data = self.data if self.data.ndim == 1 else self.data[number : number + 1]
        return Posterior(self.prior, self.map, self.likelihood, data)


def _number(potential: Tensor) -> Tensor:
    return torch.nan_to_num(potential, nan=torch.inf, posinf=torch.inf)
