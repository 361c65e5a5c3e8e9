"""Published inverse problems, each as a posterior: what methods are compared on."""

import torch
from torch import Tensor

from fsdiff.inverse.forward import membrane
from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.forward.links import LevelSet
from fsdiff.inverse.observations.points import RandomPoints, Sensors
from fsdiff.inverse.references.likelihoods import GaussianNoise, Likelihood
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import GaussianField, IndependentNormals
from fsdiff.measures.initial import GaussianRandomField, PowerLawField
from fsdiff.spaces.bases import CosineBasis


def membrane_64() -> Posterior:
    """ln θ of the membrane of 64 blocks given the published measurements.

    Aristoff and Bangerth (arXiv 2102.07263). The prior is theirs, a density in θ.
    """
    prior = IndependentNormals((1, 8, 8), membrane.PRIOR_MEAN, membrane.PRIOR_DEVIATION)
    likelihood = GaussianNoise(noise=membrane.NOISE)
    return Posterior(prior, membrane.Membrane(), likelihood, membrane.measurements())


def darcy_log_normal(n: int, data: Tensor, noise: float = 0.025) -> Posterior:
    """ln a given pressure at 8 × 8 sensors: a Matérn field of smoothness 3/2 and length ½.

    Hosseini, Hsu and Taghvaei (arXiv 2310.16975), noise 0.025; 0.005 is a sharper posterior.
    """
    law = GaussianRandomField(variance=1.0, correlation_length=0.5, smoothness=1.5)
    prior = GaussianField(CosineBasis(2), law, n)
    return Posterior(prior, DarcySensors(), GaussianNoise(noise=noise), data)


def darcy_level_set(
    n: int, data: Tensor, likelihood: Likelihood | None = None, sensors: Sensors | None = None
) -> Posterior:
    """The field whose sign says where a = 12 and where 3, given pressure at 64 random points.

    The prior is that of the published data sets of Darcy flow; noise 5e-4 unless ``likelihood``
    says otherwise, such as ``MeanAbsoluteError(tolerance=3e-4, scale=1e-4)``.
    """
    prior = GaussianField(CosineBasis(2), PowerLawField(1.0, 9.0, 2.0), n)
    sensors = sensors or RandomPoints(number=64)
    map = DarcySensors(link=LevelSet(high=12.0, low=3.0), sensors=sensors)
    return Posterior(prior, map, likelihood or GaussianNoise(noise=5e-4), data)


def simulated(posterior: Posterior, normals: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """A field of the prior and its data, from N(0, 1) numbers (normals,) and (size,)."""
    if not isinstance(posterior.likelihood, GaussianNoise):
        raise ValueError(f"likelihood '{posterior.likelihood.kind}' draws no data")
    truth = posterior.prior.mean + posterior.prior.draw(normals[None])
    with torch.no_grad():
        data = posterior.likelihood.corrupt(posterior.map.evaluate(truth), errors[None])
    return truth[0], data[0]
