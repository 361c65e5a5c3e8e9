"""Ensemble smoother with multiple data assimilation: draws given data, without derivatives.

Emerick and Reynolds, "Ensemble smoother with multiple data assimilation" (Computers & Geosciences,
2013). One step of factor one is the ensemble smoother of van Leeuwen and Evensen (Mon. Weather
Rev., 1996); many small ones are ensemble Kalman inversion (Iglesias, Law and Stuart, Inverse
Problems, 2013) that ends where data have been told once.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from fsdiff.inverse.references.kriging import JointGaussian
from fsdiff.inverse.references.likelihoods import GaussianNoise
from fsdiff.inverse.references.localisation import Localisation, Located
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.randomness import normals
from fsdiff.streams import Stream
from fsdiff.threads import single_thread

_FIELDS, _ERRORS = 0, 1
"""What random numbers of members are for."""


@dataclass(frozen=True, kw_only=True)
class EnsembleSmoother:
    """An ensemble of the prior that takes in the same data several times, with wider errors.

    In step k every member moves by u ← u + C_uy (C_yy + α_k Γ)⁻¹ (y + √α_k ε − G(u)): C are sample
    covariances of the ensemble and of what is observed of it, ε ~ N(0, Γ) errors of the member's
    own, and α_k the factors in ``inflation``, with Σ 1/α_k = 1.

    Where G is linear and the prior Gaussian, members tend to draws of the posterior as they become
    many, with errors ∝ ``members``^−½. Where G is not linear they tend to another law, the nearer
    the less this differs from a Gaussian one. They move in the directions only in which members
    differ, and without ``localisation`` no correlation is taken for chance, so that few members for
    the data become too narrow. It is a baseline, and no reference.

    Good values: factors that fall, as in the paper, so that the first step, which is made where G
    may be least like a linear map, does not go too far; several times as many members as data.
    """

    members: Annotated[int, Field(ge=2, le=100_000)] = 512
    inflation: tuple[PositiveFloat, ...] = (28 / 3, 7.0, 4.0, 2.0)
    localisation: Localisation | None = None

    def __post_init__(self) -> None:
        """Refuse factors with which data count more, or less, than once."""
        total = sum(1 / factor for factor in self.inflation)
        if not math.isclose(total, 1.0, rel_tol=1e-6):
            raise ValueError(
                f"inflation = {list(self.inflation)}: the reciprocals have the sum {total:.6g}, "
                f"and data would count as often; multiply all by {total:.6g}"
            )

    def draw(
        self, posterior: Posterior, count: int, seed: int, located: Located | None = None
    ) -> Tensor:
        """``count`` fields (count, *shape) of a posterior's own field; all have the same ensemble.

        It has as many members as are asked for at least, of which member i starts from numbers that
        depend on (seed, i) only. ``located`` says where nodes and data lie, for a localisation by
        distance. ValueError for other noise than Gaussian and where there are no such places,
        ArithmeticError where the map has no value.
        """
        prior, likelihood = posterior.prior, posterior.likelihood
        if not isinstance(likelihood, GaussianNoise):
            raise ValueError(f"likelihood '{likelihood.kind}' has no errors that could be drawn")
        indices = range(max(self.members, count))
        numbers = normals(seed, indices, (prior.normals,), Stream.ASSIMILATION, _FIELDS)
        ensemble = prior.draw(torch.from_numpy(numbers))
        noise = likelihood.deviations(ensemble).square()
        told = posterior.observed, posterior.data, noise
        moved = self.assimilated(ensemble, *told, seed, located)
        return prior.mean + moved[:count]

    @single_thread()
    @torch.no_grad()
    def assimilated(
        self,
        ensemble: Tensor,
        observe: Callable[[Tensor], Tensor],
        data: Tensor,
        noise: Tensor,
        seed: int,
        located: Located | None = None,
    ) -> Tensor:
        """The members that an ensemble (members, *shape) becomes by data (size,).

        ``observe`` gives what is observed of fields, (members, size), and ``noise`` is the variance
        of errors, (size,) or one.
        """
        if not (noise > 0).all():
            raise ValueError("errors have deviation 0: give the observation some noise")
        if self.localisation is not None:
            self.localisation.check(located)
        ensemble, deviations = ensemble.double(), noise.double().sqrt().expand_as(data)
        shape = (len(self.inflation), len(data))
        drawn = normals(seed, range(len(ensemble)), shape, Stream.ASSIMILATION, _ERRORS)
        errors = torch.from_numpy(drawn).unbind(1)
        for factor, error in zip(self.inflation, errors, strict=True):
            seen = observe(ensemble).double()
            if not seen.isfinite().all():
                raise ArithmeticError(
                    "members of the ensemble have come to where nothing can be observed of them"
                )
            said = data.double() + factor**0.5 * deviations * error
            pairs = JointGaussian(ensemble, seen, factor * deviations.square())
            if self.localisation is None:
                ensemble = ensemble + pairs.explained(said - seen)
            else:
                ensemble = ensemble + self.localisation.explained(pairs, said - seen, located)
        return ensemble
