"""Posteriors of latent fields from a data set's source and what is observed of its fields."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from fsdiff.data.sources.source import Source
from fsdiff.inverse.latent.base import LatentLaw, ObservedFields
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.references.likelihoods import GaussianNoise, Likelihood
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.parts import find, kinds


def law_of(source: Source) -> LatentLaw[Any]:
    """The law of a source's fields; ValueError, naming the source, where none is known."""
    kind = str(getattr(source, "kind", ""))
    if kind not in kinds("latent"):
        raise ValueError(
            f"source '{kind}' has no law that is known in closed form, and so no reference; those "
            f"that have one: {', '.join(kinds('latent'))}"
        )
    return find("latent", kind)()


def posterior_of(
    source: Source,
    operator: Observation,
    n: int,
    data: Tensor,
    likelihood: Likelihood | None = None,
) -> Posterior:
    """The law of a source's latent field at level n given ``data`` (size,) of its fields.

    As ``posteriors_of`` makes it.
    """
    return posteriors_of(source, operator, n, likelihood)(data)


def posteriors_of(
    source: Source, operator: Observation, n: int, likelihood: Likelihood | None = None
) -> Callable[[Tensor], Posterior]:
    """What makes laws of a source's latent field at level n given data (size,) of its fields.

    Data of many cases share the prior and the map. Errors have the operator's deviations unless
    another ``likelihood`` is given. ValueError, naming the operator, for data without noise or of
    another size.
    """
    law, basis = law_of(source), source.basis
    channels = source.values
    prior = law.prior(source, n)
    observed = operator.on(basis, channels, n)
    errors = likelihood or _noise_of(operator, operator.deviations(basis, channels))
    map = ObservedFields(law.fields(source, n), observed, rank=len(prior.shape))

    def given(data: Tensor) -> Posterior:
        if data.shape[-1] != observed.size:
            raise ValueError(f"'{operator.kind}' observes {observed.size} numbers, not {len(data)}")
        return Posterior(prior, map, errors, data.double())

    return given


def _noise_of(operator: Observation, deviations: Tensor) -> GaussianNoise:
    if not (deviations > 0).all():
        raise ValueError(
            f"'{operator.kind}' has noise 0: a posterior needs some; give it a noise that is small "
            "against the data"
        )
    return GaussianNoise(noise=tuple(deviations.tolist()))
