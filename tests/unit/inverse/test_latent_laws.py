"""Laws of data sets as maps of Gaussian fields: the same fields, derivatives, exact posteriors."""

import numpy as np
import pytest
import torch

from fsdiff.data.sources.darcy import DarcyData
from fsdiff.data.sources.digits import DigitData
from fsdiff.data.sources.membrane import MembraneData
from fsdiff.data.sources.poisson import PoissonData
from fsdiff.data.sources.random_fields import RandomFieldData
from fsdiff.inverse.forward.base import nodes
from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.forward.membrane import PRIOR_DEVIATION, PRIOR_MEAN
from fsdiff.inverse.latent.posterior import law_of, posterior_of
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.points import GridOfPoints, RandomPoints
from fsdiff.inverse.observations.several import Several
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.likelihoods import MeanAbsoluteError
from fsdiff.measures.initial import GaussianRandomField, PowerLawField, WhiteNoise
from fsdiff.measures.permeability import LogNormal, Threshold
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.channels import ChannelBasis

CHANNEL_FLOW = Box(
    axes=(
        Axis(kind="dirichlet", name="y", nodes=8, side=0.5),
        Axis(kind="periodic", name="x", nodes=16),
    )
)
SOURCES = {
    "periodic": RandomFieldData(16, FourierBasis(1), channels=("u", "v")),
    "two_bases": RandomFieldData(
        8, ChannelBasis(bases=(SineBasis(), CosineBasis())), channels=("p", "a")
    ),
    "threshold": DarcyData(12),
    "log_normal": DarcyData(12, LogNormal(), channels=("pressure", "permeability"), length=2.0),
    "sines": PoissonData(16),
    "box": PoissonData(16, CHANNEL_FLOW, GaussianRandomField(), ("solution", "source"), 3.0),
}


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


@pytest.fixture(params=SOURCES.values(), ids=SOURCES)
def source(request):
    return request.param


def latent_of(source, indices, seed):
    """The latent fields of samples, from the source's own measure."""
    if isinstance(source, DarcyData):
        own = source.permeability
        law = (
            PowerLawField(1.0, own.shift, own.power)
            if isinstance(own, Threshold)
            else GaussianRandomField(own.variance, own.correlation_length, own.smoothness)
        )
        return law.sample(CosineBasis(), source.resolution, indices, seed, channels=1)
    channels = len(source.channels) if isinstance(source, RandomFieldData) else 1
    return source.measure.sample(source.basis, source.resolution, indices, seed, channels=channels)


def test_fields_are_those_of_the_source_for_the_same_latent_field(source):
    fields = law_of(source).fields(source, source.resolution)
    found = fields.evaluate(latent_of(source, [3, 5], 7)).float()
    stored = torch.from_numpy(source.generate([3, 5], 7)["field"].values)
    assert torch.allclose(found, stored, rtol=1e-6, atol=1e-12)


def test_the_prior_is_the_law_of_the_latent_fields(source):
    """Its draws have the second moments of the source's measure, mode by mode and at nodes."""
    prior = law_of(source).prior(source, source.resolution)
    drawn = latent_of(source, range(2000), 1)
    ratio = (drawn.square().mean(0) - prior.variance) / prior.variance.clamp_min(1e-30)
    assert drawn.shape[1:] == prior.shape
    assert float(ratio.abs().max()) < 5 * (2 / 2000) ** 0.5
    scores = prior.leading(drawn).square().mean(0)
    units = prior.leading(prior.draw(torch.eye(prior.normals, dtype=torch.float64)))
    assert torch.allclose(scores / units.square().sum(0), torch.ones(()).double(), atol=0.16)


def test_derivatives_are_those_of_the_fields_and_adjoint_to_each_other(source):
    n = source.resolution
    law = law_of(source)
    prior, fields = law.prior(source, n), law.fields(source, n)
    if not fields.differentiable:
        with pytest.raises(ValueError, match="permeability by 'level_set' has no derivative"):
            fields.linearise(prior.draw(normal(1, prior.normals)))
        return
    u, direction = (prior.draw(normal(2, prior.normals, seed=s)) for s in (1, 2))
    made = fields.linearise(u)
    assert torch.allclose(made.value, fields.evaluate(u), rtol=1e-10)
    ahead, behind = (fields.evaluate(u + s * direction) for s in (1e-4, -1e-4))
    assert torch.allclose((ahead - behind) / 2e-4, made.jvp(direction), rtol=1e-4, atol=1e-9)
    weights = normal(*made.value.shape, seed=3)
    one = (weights * made.jvp(direction)).sum() / nodes(weights)
    other = (made.vjp(weights) * direction).sum() / nodes(direction)
    assert float(one) == pytest.approx(float(other), rel=1e-9)


def test_poisson_has_the_solutions_of_the_closed_form():
    """f = sin(πx) sin(2πy): u = f/(5π²) on the unit square, L² as much on one of side L."""
    for length in (1.0, 3.0):
        data = PoissonData(32, length=length)
        x = torch.from_numpy(SineBasis().nodes(32))
        f = torch.sin(2 * np.pi * x)[:, None] * torch.sin(np.pi * x)
        expected = f * length**2 / (5 * np.pi**2)
        assert torch.allclose(data.solve(f), expected, rtol=1e-12, atol=1e-15)


def test_poisson_agrees_with_finite_differences_of_second_order():
    errors = []
    for n in (16, 32, 64):
        data = PoissonData(n, measure=PowerLawField(1.0, 9.0, 4.0))
        f, u = torch.from_numpy(data.generate([0], 2)["field"].values)[0].double()
        stencil = SineBasis().stencil_symbol(n)
        discrete = SineBasis().multiply(f, 1 / stencil)
        errors.append(float((discrete - u).norm() / u.norm()))
    orders = np.log2(errors[:-1]) - np.log2(errors[1:])
    assert orders == pytest.approx([2.0, 2.0], abs=0.1)


def test_poisson_is_the_same_function_on_every_grid():
    fine, coarse = (PoissonData(n).generate([4], 1)["field"].values for n in (32, 16))
    restricted = SineBasis().restrict(torch.from_numpy(fine).double(), 16)
    assert torch.allclose(restricted, torch.from_numpy(coarse).double(), rtol=1e-4, atol=1e-7)


def test_the_posterior_of_random_fields_is_that_of_matrices():
    source = RandomFieldData(8, CosineBasis(), GaussianRandomField(correlation_length=0.4))
    operator = RandomPoints(number=5, noise=0.1)
    data = normal(5)
    law = GaussianPosterior.of(posterior_of(source, operator, 8, data))
    c = _covariance(source.measure, source.basis, 8)
    h = operator.on(source.basis, 1, 8).forward(torch.eye(64).double().view(64, 1, 8, 8)).T
    _check(law, c, h, data, 0.01)


@pytest.mark.parametrize("channels", [("source", "solution"), ("solution",)])
def test_the_posterior_of_poisson_from_sensors_of_the_solution_is_that_of_matrices(channels):
    """u = G f with the inverse G of the Laplacian as a matrix, made apart from the source."""
    source = PoissonData(8, channels=channels)
    operator = Channel(
        channel=channels.index("solution"), observation=GridOfPoints(shape=(3, 2), noise=1e-3)
    )
    data = 0.01 * normal(6)
    law = GaussianPosterior.of(posterior_of(source, operator, 8, data))
    basis, units = SineBasis(), torch.eye(64).double().view(64, 8, 8)
    green = basis.multiply(units, 1 / basis.omega_squared(8)).flatten(1).T
    points = GridOfPoints(shape=(3, 2)).on(basis, 1, 8).forward(units[:, None]).T
    _check(law, _covariance(source.measure, basis, 8), points @ green, data, 1e-6)


def _covariance(measure, basis, n):
    """Between values at the nodes."""
    units = torch.eye(n * n).double().view(-1, n, n)
    return n * n * basis.multiply(units, measure.eigenvalues(basis, n)).flatten(1)


def _check(law, c, h, data, variance):
    gain = c @ h.T @ torch.linalg.inv(h @ c @ h.T + variance * torch.eye(len(h)).double())
    assert torch.allclose(law.mean.flatten(), gain @ data, rtol=1e-8, atol=1e-10)
    assert torch.allclose(law.variance.flatten(), (c - gain @ h @ c).diagonal(), rtol=1e-7)


def test_data_of_both_channels_are_observed_together():
    """Residuals of the truth's latent field are the errors that were added."""
    source = DarcyData(16, LogNormal())
    operator = Several(
        observation=(
            Channel(channel=0, observation=RandomPoints(number=4, noise=0.1)),
            Channel(channel=1, observation=GridOfPoints(shape=(2, 2), noise=1e-3)),
        )
    )
    latent = latent_of(source, [0], 0)
    truth = law_of(source).fields(source, 16).evaluate(latent)
    data = operator.draw(truth, source.basis, 3, [0])[0]
    posterior = posterior_of(source, operator, 16, data)
    errors = data - operator.on(source.basis, 2, 16).forward(truth)[0]
    expected = 0.5 * (errors / operator.deviations(source.basis, 2)).square().sum()
    assert float(posterior.potential(latent)) == pytest.approx(float(expected))


def test_the_membrane_has_the_published_prior():
    source = MembraneData()
    prior = law_of(source).prior(source, 8)
    assert (float(prior.mean), prior.deviation) == (PRIOR_MEAN, PRIOR_DEVIATION)
    drawn = torch.from_numpy(source.generate(range(300), 1)["field"].values).double()
    error = PRIOR_DEVIATION / drawn.numel() ** 0.5
    assert abs(float(drawn.mean()) - PRIOR_MEAN) < 4 * error
    assert float(drawn.std()) == pytest.approx(PRIOR_DEVIATION, rel=4 / (2 * drawn.numel()) ** 0.5)
    with pytest.raises(ValueError, match="8 × 8 blocks, not 16 × 16"):
        law_of(source).prior(source, 16)


@pytest.mark.parametrize("drawn", [*SOURCES.values(), MembraneData()], ids=[*SOURCES, "membrane"])
def test_a_sample_depends_on_seed_and_index_only(drawn):
    told = []
    both = drawn.generate([3, 5], 7, told.append)["field"]
    assert sum(told) == 2
    assert both.dims[:2] == ("sample", "channel")
    assert both["sample"].values.tolist() == [3, 5]
    assert np.array_equal(drawn.generate([5], 7)["field"].values[0], both.values[1])
    assert not np.array_equal(drawn.generate([5], 8)["field"].values[0], both.values[1])


def test_another_likelihood_takes_the_place_of_the_noise():
    source, operator = RandomFieldData(8), RandomPoints(number=3, noise=0.0)
    likelihood = MeanAbsoluteError(tolerance=0.3, scale=0.1)
    posterior = posterior_of(source, operator, 8, normal(3), likelihood)
    assert posterior.likelihood is likelihood
    with pytest.raises(ValueError, match="'random_points' has noise 0: a posterior needs some"):
        posterior_of(source, operator, 8, normal(3))


def test_what_has_no_known_law_is_refused_by_name():
    operator = RandomPoints(number=3, noise=0.1)
    with pytest.raises(ValueError, match=r"'digits' has no law .* darcy, membrane, poisson"):
        posterior_of(DigitData(), operator, 8, normal(3))
    with pytest.raises(ValueError, match="measure 'white_noise' is no Gaussian law of functions"):
        posterior_of(RandomFieldData(8, measure=WhiteNoise()), operator, 8, normal(3))
    with pytest.raises(ValueError, match="'random_points' observes 3 numbers, not 4"):
        posterior_of(RandomFieldData(8), operator, 8, normal(4))
    with pytest.raises(ValueError, match="basis 'cosine' does not vanish on any wall"):
        PoissonData(basis=CosineBasis())


@pytest.mark.parametrize("n", [12, 60])
def test_derivatives_of_all_data_at_once_are_those_of_each(n):
    """With equations that are factorised for the purpose, and with those that are not."""
    source = DarcyData(n, LogNormal())
    operator = Channel(channel=1, observation=RandomPoints(number=3, noise=0.1))
    map = posterior_of(source, operator, n, normal(3)).map
    latent = latent_of(source, [0], 1)
    units = torch.eye(3).double()
    each = torch.stack([map.vjp(latent, unit[None])[0] for unit in units])
    assert torch.allclose(map.jacobian(latent)[0], each, rtol=1e-7, atol=1e-12)
    sensors = DarcySensors(sensors=GridOfPoints(shape=(2, 2)))
    each = torch.stack([sensors.vjp(latent, unit[None])[0] for unit in torch.eye(4).double()])
    assert torch.allclose(sensors.jacobian(latent)[0], each, rtol=1e-7, atol=1e-12)
