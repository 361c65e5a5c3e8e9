"""A posterior seen from its Gaussian approximation: for data that tell much more than the prior.

The density with respect to Laplace's law N(m, C_L) is ∝ exp(−(Φ − Φ_L)), where Φ_L is the misfit
with the map linearised. Kernels that leave N(m, C_L) invariant instead of the prior then take steps
as long as the posterior is wide in every direction, and do not depend on the resolution, because
C_L differs from C by as many directions as there are data (Pinski, Simpson, Stuart and Weber, SIAM
J. Sci. Comput., 2015; Rudolf and Sprungk, Found. Comput. Math., 2018).
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import Prior


@dataclass(frozen=True, eq=False)
class GaussianLaw(Prior):
    """A Gaussian posterior in the part of a prior; deviations are those from its mean."""

    law: GaussianPosterior

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """That of the prior."""
        return self.law.prior.shape

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """The posterior mean."""
        return self.law.mean

    @property
    def normals(self) -> int:
        """Those of the prior and one for each datum."""
        return self.law.prior.normals + len(self.law.data)

    def draw(self, normals: Tensor) -> Tensor:
        """Draws z of the prior without what they and an error say of the data."""
        rest, error = normals.split([self.law.prior.normals, len(self.law.data)], -1)
        z = self.law.prior.draw(rest)
        said = self.law.observed(z) + error * self.law.noise.sqrt()
        return z - self.law.explained(said)

    def covariance(self, gradient: Tensor) -> Tensor:
        """C g − C H* (H C H* + Γ)⁻¹ H C g."""
        image = self.law.prior.covariance(gradient)
        return image - self.law.explained(self.law.observed(image))

    def energy(self, deviation: Tensor) -> Tensor:
        """|q|²_C + |⟨rows, q⟩/σ|²: precisions of prior and data add."""
        seen = self.law.observed(deviation).square() / self.law.noise
        return self.law.prior.energy(deviation) + seen.sum(-1)

    def leading(self, fields: Tensor) -> Tensor:
        """Those of the prior."""
        return self.law.prior.leading(fields)

    @property
    def variance(self) -> Tensor:
        """The posterior variance."""
        return self.law.variance


@dataclass(frozen=True, eq=False)
class Recentred(Posterior):
    """The same posterior with respect to a Gaussian law, with Φ − Φ_L for Φ.

    Φ − Φ_L is zero where the map is linear, so that every proposal is accepted.
    """

    law: GaussianPosterior

    @classmethod
    def about(cls, posterior: Posterior, law: GaussianPosterior) -> Self:
        """From the posterior, and what ``laplace`` makes of it."""
        rest = (posterior.map, posterior.likelihood, posterior.data)
        return cls(GaussianLaw(law), *rest, law)

    def potential(self, deviation: Tensor) -> Tensor:
        """Φ − Φ_L of deviations from the mean of the law, (batch,)."""
        return super().potential(deviation) - self._linear(deviation)[0]

    def misfit(self, deviation: Tensor, potential: Tensor) -> Tensor:
        """Φ from Φ − Φ_L, (batch,)."""
        return potential + self._linear(deviation)[0]

    def gradient(self, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """Φ − Φ_L, and its gradient; zero where Φ = ∞."""
        potential, gradient = super().gradient(deviation)
        misfit, its_gradient = self._linear(deviation)
        possible = potential.isfinite().view(-1, *[1] * (deviation.ndim - 1))
        return potential - misfit, torch.where(possible, gradient - its_gradient, 0.0)

    def _linear(self, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """Φ_L, and its gradient."""
        q = self.law.deviation + deviation
        residual = self.law.observed(q) + self.law.offset - self.law.data
        weighted = residual / self.law.noise
        gradient = torch.tensordot(weighted, self.law.rows, 1)
        return 0.5 * (residual * weighted).sum(-1), gradient
