"""Gaussian posteriors in closed form against dense matrices and against each other."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from fsdiff.inverse.forward.base import Adapted, Differentiable, Linear
from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.forward.interpolation import Interpolation
from fsdiff.inverse.observations.points import GridOfPoints
from fsdiff.inverse.references.gaussian import GaussianPosterior, laplace
from fsdiff.inverse.references.kriging import JointGaussian
from fsdiff.inverse.references.likelihoods import GaussianNoise, MeanAbsoluteError
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import (
    GaussianField,
    IndependentNormals,
    Surrogate,
    _variance_node_by_node,
    pointwise_variance,
)
from fsdiff.measures.initial import PowerLawField
from fsdiff.measures.priors import Bessel, Matern
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.leading import inner_products, leading_functions
from fsdiff.spaces.spectrum import MeasuredSpectrum

MIXED = Box(
    axes=(
        Axis(kind="periodic", name="y", nodes=6),
        Axis(kind="dirichlet", name="x", nodes=8, side=1.5),
    )
)
BASES = [CosineBasis(1), FourierBasis(2), SineBasis(2), MIXED]


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def dense_covariance(prior):
    """C between all values of a field, from draws of unit normals."""
    root = prior.draw(torch.eye(prior.normals, dtype=torch.float64)).flatten(1)
    return root.T @ root


def linear(prior, count=5, seed=1):
    return Linear(normal(count, *prior.shape, seed=seed))


@pytest.mark.parametrize("basis", BASES, ids=lambda basis: basis.kind)
def test_covariance_variance_and_energy_are_those_of_the_draws(basis):
    prior = GaussianField(basis, Matern(length=0.4), 8, channels=2)
    dense, gradient = dense_covariance(prior), normal(3, *prior.shape)
    image = gradient.flatten(1) @ dense / basis.size(8)
    assert torch.allclose(prior.covariance(gradient).flatten(1), image)
    assert torch.allclose(prior.variance.flatten(), dense.diagonal())
    slow = _variance_node_by_node(basis, 8, prior.spectrum)
    assert torch.allclose(pointwise_variance(basis, 8, prior.spectrum), slow)
    # |C g|²_C = ⟨g, C g⟩.
    energy = (gradient * prior.covariance(gradient)).flatten(1).sum(1) / basis.size(8)
    assert torch.allclose(prior.energy(prior.covariance(gradient)), energy)


@pytest.mark.parametrize("basis", BASES, ids=lambda basis: basis.kind)
def test_leading_functions_are_orthonormal_and_nested(basis):
    coarse, fine = leading_functions(basis, 8, 6), leading_functions(basis, 16, 6)
    assert torch.allclose(inner_products(coarse, coarse), torch.eye(6).double(), atol=1e-12)
    assert torch.allclose(basis.restrict(fine, 8), coarse, atol=1e-12)
    # Their Rayleigh quotients are the lowest wavenumbers, in order.
    lengths = (basis.energy(coarse) * basis.wavenumber(8)).flatten(1).sum(1)
    allowed = basis.wavenumber(8)[basis.multiplicity(8) > 0]
    assert (lengths.diff() > -1e-9).all()
    assert float(lengths[0]) == pytest.approx(float(allowed.min()))


def test_leading_coefficients_of_a_law_have_its_largest_variances():
    law = PowerLawField(1.0, 9.0, 2.0)
    prior = GaussianField(CosineBasis(2), law, 16)
    root = prior.leading(prior.draw(torch.eye(prior.normals, dtype=torch.float64)))
    found = root.square().sum(0)
    expected = law.eigenvalues(CosineBasis(2), 16).flatten().sort(descending=True).values[:20]
    assert torch.allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("basis", BASES, ids=lambda basis: basis.kind)
@pytest.mark.parametrize("mean", [0.0, 0.7])
def test_the_conditional_law_is_that_of_dense_matrices(basis, mean):
    prior = GaussianField(basis, Matern(length=0.4), 8, channels=2, mean=mean)
    map, noise = linear(prior), torch.tensor([0.1, 0.2, 0.05, 0.1, 0.3]).double()
    data = normal(5, seed=3)
    law = GaussianPosterior.of(
        Posterior(prior, map, GaussianNoise(noise=tuple(noise.tolist())), data)
    )
    size = basis.size(8)
    c, h = dense_covariance(prior), map.rows.flatten(1) / size
    seen = h @ c @ h.T + torch.diag(noise.square())
    gain = c @ h.T @ torch.linalg.inv(seen)
    prior_mean = torch.full((c.shape[0],), mean, dtype=torch.float64)
    expected = prior_mean + gain @ (data - h @ prior_mean)
    covariance = c - gain @ h @ c
    assert torch.allclose(law.mean.flatten(), expected)
    assert torch.allclose(law.variance.flatten(), covariance.diagonal(), atol=1e-12)
    functionals = normal(3, *prior.shape, seed=4)
    w = functionals.flatten(1) / size
    assert torch.allclose(law.covariance_of(functionals), w @ covariance @ w.T)
    evidence = torch.distributions.MultivariateNormal(h @ prior_mean, seen).log_prob(data)
    assert law.log_evidence == pytest.approx(float(evidence), rel=1e-10)


def test_draws_have_the_conditional_moments():
    """4000 draws: mean and variances within 4.5 standard errors at all of 64 nodes."""
    prior = GaussianField(CosineBasis(2), Bessel(), 8)
    data = torch.tensor([1.0, -0.5, 0.3, 0.0, 2.0]).double()
    law = GaussianPosterior.of(Posterior(prior, linear(prior), GaussianNoise(noise=0.05), data))
    draws = law.sample(range(4000), seed=5)
    z = (draws.mean(0) - law.mean) / (law.variance / 4000).sqrt()
    assert z.abs().max() < 4.5
    ratio = (draws - law.mean).square().mean(0) / law.variance
    assert ((ratio - 1) / (2 / 4000) ** 0.5).abs().max() < 4.5
    assert torch.equal(law.sample([7], seed=5)[0], draws[7])


def test_the_posterior_converges_under_refinement():
    """The same sensors and data at every n: the evidence and the mean have limits."""
    sensors, data = GridOfPoints(shape=(3, 3)), normal(9, seed=8)
    laws = []
    for n in (8, 16, 32, 64):
        prior = GaussianField(CosineBasis(2), Matern(length=0.5, normalize=False), n)
        field = torch.zeros(prior.shape, dtype=torch.float64)
        map = Linear.of(Differentiable(_values_at(sensors, n), 9), field)
        laws.append(GaussianPosterior.of(Posterior(prior, map, GaussianNoise(noise=0.1), data)))
    evidences = np.array([law.log_evidence for law in laws])
    changes = np.abs(np.diff(evidences))
    assert (changes[:-1] / changes[1:] > 2).all()
    coarse = CosineBasis(2).restrict(laws[3].mean, 32)
    assert float((coarse - laws[2].mean).norm() / coarse.norm()) < 0.02


def _values_at(sensors, n):
    interpolation = Interpolation(sensors.coordinates(CosineBasis(2)), n)
    return lambda u: interpolation.apply(u[:, 0])


def test_the_surrogate_of_data_is_a_prior():
    basis = CosineBasis(2)
    values = Bessel().eigenvalues(basis, 16)[None] * torch.tensor([1.0, 4.0])[:, None, None]
    prior = GaussianField(basis, Surrogate(MeasuredSpectrum(values, basis, 16)), 8, channels=2)
    single = GaussianField(basis, Bessel(), 8)
    assert torch.allclose(prior.variance[0], single.variance[0])
    assert torch.allclose(prior.variance[1], 4 * single.variance[0])


def test_laplace_of_a_linear_map_is_the_posterior_itself():
    prior = IndependentNormals((3, 2), mean=0.5, deviation=2.0)
    posterior = Posterior(prior, linear(prior), GaussianNoise(noise=0.1), normal(5, seed=3))
    exact, found = GaussianPosterior.of(posterior), laplace(posterior)
    assert torch.allclose(found.mean, exact.mean)
    assert torch.allclose(found.variance, exact.variance)


def test_laplace_stands_at_the_minimum_with_the_curvature_there():
    """G(x) = x³, one parameter: Φ' = 0 and, as Gauss and Newton take it, Φ'' = 1 + (3x²/γ)²."""
    prior = IndependentNormals((1,), mean=1.0)
    data, gamma = torch.tensor([3.0]).double(), 0.3
    posterior = Posterior(
        prior, Differentiable(lambda u: u**3, 1, rank=1), GaussianNoise(noise=gamma), data
    )
    law = laplace(posterior, tolerance=1e-9)
    x = float(law.mean[0])
    assert (x**3 - 3) * 3 * x**2 / gamma**2 + (x - 1) == pytest.approx(0, abs=1e-6)
    assert float(law.variance[0]) == pytest.approx(1 / (1 + (3 * x**2 / gamma) ** 2), rel=1e-6)


def test_the_most_probable_permeability_converges_under_refinement():
    sensors = GridOfPoints(shape=(4, 4))
    truth = DarcySensors(sensors=sensors)(0.8 * _wave(96))[0] + 0.01 * normal(16, seed=2)
    means = []
    for n in (12, 24, 48):
        prior = GaussianField(CosineBasis(2), Matern(length=0.5, normalize=False), n)
        posterior = Posterior(
            prior, DarcySensors(sensors=sensors), GaussianNoise(noise=0.01), truth
        )
        law = laplace(posterior)
        assert float(posterior.potential(law.deviation[None])) < 8 + 3 * 16**0.5
        means.append(law.mean)
    basis = CosineBasis(2)
    coarse = [basis.restrict(mean, 12) for mean in means]
    changes = [float((a - b).norm()) for a, b in pairwise(coarse)]
    assert changes[0] / changes[1] > 3
    assert changes[1] / float(coarse[2].norm()) < 0.01


def _wave(n):
    x = torch.from_numpy(CosineBasis(2).nodes(n))
    return (torch.cos(np.pi * x)[:, None] + torch.cos(2 * np.pi * x))[None, None]


def test_kriging_from_pairs_is_the_conditional_law_of_their_covariance():
    pairs, noise = normal(50, 8), torch.tensor(0.04).double()
    fields, observed = pairs[:, :5].view(50, 1, 5), pairs[:, 4:] @ normal(4, 3, seed=1)
    law, data = JointGaussian(fields, observed, noise), normal(2, 3, seed=2)
    joint = torch.cov(torch.cat([fields.flatten(1), observed], 1).T)
    gain = joint[:5, 5:] @ torch.linalg.inv(joint[5:, 5:] + 0.04 * torch.eye(3).double())
    expected = fields.mean(0).flatten() + (data - observed.mean(0)) @ gain.T
    assert torch.allclose(law.mean(data).flatten(1), expected)
    covariance = joint[:5, :5] - gain @ joint[5:, :5]
    draws = law.sample(data[0], range(4000), seed=1).flatten(1)
    z = (draws.mean(0) - expected[0]) / (covariance.diagonal() / 4000).sqrt()
    assert z.abs().max() < 4
    assert torch.allclose(torch.cov(draws.T), covariance, atol=0.1)


def test_maps_with_derivatives_of_their_own_are_taken_as_they_are():
    """Averages of u² over two halves of a line: the adjoint at u is 2 u on each half."""

    class Energies:
        size, affine = 2, False

        def forward(self, u):
            return u.square().unflatten(-1, (2, -1)).sum((-3, -1)) / u.shape[-1]

        def jvp(self, u, direction):
            return (2 * u * direction).unflatten(-1, (2, -1)).sum((-3, -1)) / u.shape[-1]

        def vjp(self, u, data):
            return 2 * u * data.repeat_interleave(u.shape[-1] // 2, -1)[..., None, :]

    adapted, u = Adapted(Energies(), rank=2), normal(3, 1, 8)
    by_torch = Differentiable(Energies().forward, 2, rank=2)
    weights = normal(3, 2, seed=1)
    assert torch.allclose(adapted(u), by_torch(u))
    assert torch.allclose(adapted.vjp(u, weights), by_torch.vjp(u, weights))
    assert torch.allclose(adapted.jvp(u, u), by_torch.jvp(u, u))
    assert torch.allclose(adapted.jacobian(u), by_torch.jacobian(u))
    (gradient,) = torch.autograd.grad(adapted(u.requires_grad_())[:, 0].sum(), u)
    assert torch.allclose(gradient[..., :4], u[..., :4] / 4)


def test_what_has_no_gaussian_posterior_is_refused():
    prior = IndependentNormals((3,))
    likelihood = MeanAbsoluteError(tolerance=0.3, scale=0.1)
    with pytest.raises(ValueError, match="'abc_mae' has no Gaussian posterior"):
        GaussianPosterior.of(Posterior(prior, linear(prior), likelihood, normal(5)))
    with pytest.raises(ValueError, match="2 fields and 3 observations"):
        JointGaussian(normal(2, 1, 4), normal(3, 2), torch.tensor(0.1))


def test_a_minimum_that_is_not_reached_is_no_laplace_approximation():
    prior = IndependentNormals((1,), mean=0.1)
    map = Differentiable(lambda u: u**3, 1, rank=1)
    posterior = Posterior(prior, map, GaussianNoise(noise=0.01), torch.full((1,), 9.0).double())
    with pytest.raises(ArithmeticError, match=r"not converged in 2 iterations, .* leave this row"):
        laplace(posterior, iterations=2)
