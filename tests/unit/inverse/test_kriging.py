"""Kriging from few pairs and many data: near the exact posterior where the law is Gaussian."""

import numpy as np
import pytest
import torch

from fsdiff.data.sources.darcy import DarcyData
from fsdiff.data.sources.poisson import PoissonData
from fsdiff.data.sources.random_fields import RandomFieldData
from fsdiff.inverse.latent.posterior import law_of, posterior_of
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.kriging import SHARES, JointGaussian, Spectral, Unrelated
from fsdiff.measures.initial import GaussianRandomField
from fsdiff.measures.permeability import LogNormal
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.channels import ChannelBasis

SMOOTH = GaussianRandomField(correlation_length=0.3, smoothness=2.0)


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def drawn(source, count, seed):
    """Fields in double precision."""
    prior, n = law_of(source).prior(source, source.resolution), source.resolution
    return (
        law_of(source)
        .fields(source, n)
        .evaluate(prior.draw(normal(count, prior.normals, seed=seed)))
    )


def anomalies(fields):
    return (fields - fields.mean(0)) / (len(fields) - 1) ** 0.5


def fitted(source, operator, count, seed=0):
    channels, n = source.values, source.resolution
    train, held = drawn(source, count, seed), drawn(source, 20, seed + 100)
    observed = operator.on(source.basis, channels, n)
    target = Spectral(anomalies(train), source.basis, observed)
    noise = operator.variances(source.basis, channels)
    return JointGaussian.fitted(
        train, observed.forward(train), noise, target, (held, observed.forward(held))
    )


@pytest.mark.parametrize("basis", [CosineBasis(), FourierBasis()], ids=lambda basis: basis.kind)
def test_of_gaussian_fields_it_tends_to_the_exact_posterior(basis):
    """48 data, 100 and 1600 pairs: errors of the mean fall by 4, and are small from the first."""
    source = RandomFieldData(12, basis, SMOOTH)
    operator = RandomPoints(number=48, noise=0.1)
    data = operator.draw(drawn(source, 1, 9), basis, 1, [0])[0]
    exact = GaussianPosterior.of(posterior_of(source, operator, 12, data))
    errors = []
    for count in (100, 1600):
        law = fitted(source, operator, count)
        assert law.share >= 0.6
        errors.append(float((law.mean(data[None])[0] - exact.mean).norm()))
    deviation = float(exact.variance.sum().sqrt())
    assert errors[0] < 0.25 * deviation
    assert errors[1] < errors[0] / 2
    alone = JointGaussian(law.fields[:100], law.observations[:100], law.noise)
    assert float((alone.mean(data[None])[0] - exact.mean).norm()) > 2 * errors[0]


def test_draws_have_the_moments_of_the_exact_posterior():
    source, operator = RandomFieldData(8, measure=SMOOTH), RandomPoints(number=10, noise=0.1)
    data = operator.draw(drawn(source, 1, 9), source.basis, 1, [0])[0]
    exact = GaussianPosterior.of(posterior_of(source, operator, 8, data))
    law = fitted(source, operator, 2000)
    draws = law.sample(data, range(1000), seed=3)
    assert torch.allclose(draws.mean(0), law.mean(data[None])[0], atol=4.5 * 0.03)
    assert torch.allclose(draws.var(0), exact.variance, rtol=0.25)
    assert torch.equal(law.sample(data, [7], seed=3)[0], draws[7])


def test_what_a_solution_says_of_its_source_is_in_the_covariance_between_channels():
    """Poisson from sensors of u: the estimate of f is nearly the exact one, from 300 pairs."""
    source = PoissonData(12)
    operator = Channel(channel=1, observation=RandomPoints(number=60, noise=1e-4))
    truth = drawn(source, 1, 5)
    data = operator.draw(truth, source.basis, 1, [0])[0]
    exact = GaussianPosterior.of(posterior_of(source, operator, 12, data))
    law = fitted(source, operator, 300)
    found = law.mean(data[None])[0, 0]
    assert law.share == 1.0
    assert float((found - exact.mean[0]).norm()) < 0.2 * float(exact.variance.sum().sqrt())


def test_where_the_spectrum_says_nothing_the_pairs_do():
    """Pressure from permeability, in bases of their own: no target has what couples them."""
    source = DarcyData(12, LogNormal(0.05, correlation_length=0.5), basis_by_channel=True)
    operator = Channel(channel=0, observation=RandomPoints(number=20, noise=0.01))
    law = fitted(source, operator, 400)
    assert isinstance(source.basis, ChannelBasis)
    assert law.share < 0.5
    truth = drawn(source, 40, 9)
    found = law.mean(operator.on(source.basis, 2, 12).forward(truth))
    error = (found - truth)[:, 1].square().mean() / truth[:, 1].var(0).mean()
    assert float(error) < 0.1


def test_a_spectral_target_is_the_covariance_of_its_own_draws():
    source = PoissonData(6)
    observed = RandomPoints(number=3).on(source.basis, 2, 6)
    target = Spectral(anomalies(drawn(source, 50, 0)), source.basis, observed)
    units = torch.eye(target.normals, dtype=torch.float64)
    fields, data = (torch.stack(each) for each in zip(*map(target.draw, units), strict=True))
    assert torch.allclose(data, observed.forward(fields))
    assert torch.allclose(data.T @ data, target.of_data)
    weights = normal(2, 6)
    crossed = torch.tensordot(weights @ data.T, fields, 1)
    assert torch.allclose(crossed, target.with_fields(weights))


def test_data_of_maps_that_are_not_linear_may_be_taken_for_unrelated():
    source = RandomFieldData(8, measure=SMOOTH)
    train, held = drawn(source, 60, 0), drawn(source, 20, 1)
    observed = RandomPoints(number=30).on(source.basis, 1, 8)
    said, its = (observed.forward(fields).exp() for fields in (train, held))
    target = Unrelated(anomalies(train), source.basis, said.var(0))
    noise = torch.tensor(0.01).double()
    law = JointGaussian.fitted(train, said, noise, target, (held, its))
    assert 0 < law.share < 1
    alone = JointGaussian(train, said, noise)
    errors = [float((each.mean(its) - held).square().mean()) for each in (law, alone)]
    assert errors[0] < errors[1]
    fields, data = (
        torch.stack(each)
        for each in zip(
            *map(target.draw, torch.eye(target.normals, dtype=torch.float64)), strict=True
        )
    )
    assert torch.allclose(data.T @ data, target.of_data)
    assert float(torch.tensordot(data.T, fields, 1).abs().max()) == 0.0
    assert law.share in SHARES
