"""Functions on arbitrary points: Karhunen–Loève functions of a kernel, and noise on them."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from fsdiff import parts
from fsdiff.measures.priors.convolution import Bessel, Standard
from fsdiff.measures.priors.kernel import RBF, Exponential, Matern
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.gram import GramBasis

KERNELS = [RBF(length=0.03), Matern(length=0.1, smoothness=1.5), Exponential(length=0.2)]


def kind(prior):
    return prior.kind


def scattered(n, seed=0):
    return tuple(np.sort(np.random.default_rng(seed).random(n)).tolist())


def covariance(prior, points):
    """variance·c(|x − y|) between the points."""
    x = torch.tensor(points, dtype=torch.float64)
    return prior.variance * prior.correlation((x[:, None] - x).abs())


def functions(basis):
    """φ_k(x_i), (k, i)."""
    n = len(basis.points)
    return basis.inverse(torch.eye(n, dtype=torch.float64), n)


@pytest.mark.parametrize("n", [24, 100, 288])
@pytest.mark.parametrize("prior", KERNELS, ids=kind)
def test_noise_has_exactly_the_covariance_of_the_kernel(prior, n):
    prior = dataclasses.replace(prior, normalize=False, variance=2.5)
    basis = GramBasis(points=scattered(n), covariance=prior)
    phi = functions(basis)
    found = phi.T @ torch.diag(prior.eigenvalues(basis, n)) @ phi
    torch.testing.assert_close(found, covariance(prior, basis.points), rtol=0, atol=1e-12)
    assert prior.trace(basis, n) == pytest.approx(2.5)


def test_covariance_of_drawn_curves():
    basis, prior = GramBasis(points=scattered(12), covariance=KERNELS[1]), KERNELS[1]
    curves = prior.sample(basis, 12, range(4000), seed=2)[:, 0]
    expected = covariance(prior, basis.points)
    # Var(u(x)u(y)) = C(x,x) C(y,y) + C(x,y)²; 78 pairs stay within 5 sigma.
    error = curves.T @ curves / 4000 - expected
    assert (error.abs() / ((1 + expected**2) / 4000).sqrt()).max() < 5


@pytest.mark.parametrize("prior", KERNELS, ids=kind)
def test_functions_are_orthonormal_eigenfunctions_that_oscillate(prior):
    basis = GramBasis(points=scattered(60, seed=3), covariance=prior)
    phi, weights = functions(basis), torch.from_numpy(basis.weights())
    identity = torch.eye(60, dtype=torch.float64)
    torch.testing.assert_close((phi * weights) @ phi.T, identity, rtol=0, atol=1e-11)
    values = prior.eigenvalues(basis, 60)
    applied = (phi * weights) @ covariance(prior, basis.points)
    torch.testing.assert_close(applied, values[:, None] * phi, rtol=0, atol=1e-12)
    assert (values.diff() <= 1e-15).all()
    for k in range(20):
        assert int((phi[k].sign().diff() != 0).sum()) == k
    np.testing.assert_allclose(basis.omega_squared(60)[:3], [0, np.pi**2, 4 * np.pi**2])


def test_eigenvalues_of_the_exponential_kernel_are_the_known_ones():
    """2ℓ/(1 + ℓ²ω²) with (ω² − c²) tan ω = 2cω, c = 1/ℓ: the roots lie one in each (kπ, kπ + π)."""
    n, length = 1000, 0.3
    prior = Exponential(length=length, normalize=False)
    basis = GramBasis(points=tuple((np.arange(n) + 0.5) / n), covariance=prior)
    c = 1 / length
    roots = [
        brentq(
            lambda w: (w**2 - c**2) * np.sin(w) - 2 * c * w * np.cos(w),
            k * np.pi + (1e-9 if k == 0 else 0),
            (k + 1) * np.pi,
        )
        for k in range(10)
    ]
    expected = 2 * length / (1 + length**2 * np.array(roots) ** 2)
    np.testing.assert_allclose(prior.eigenvalues(basis, n)[:10], expected, rtol=1e-3)


@pytest.mark.parametrize("prior", KERNELS, ids=kind)
def test_spectral_density_and_gram_matrix_agree(prior):
    """λ_k lies between the spectral density at ω = πk, where walls reflect, and at π(k + 1)."""
    n, prior = 400, dataclasses.replace(prior, normalize=False)
    points = (np.arange(n) + 0.5) / n
    gram = prior.eigenvalues(GramBasis(points=tuple(points), covariance=prior), n)
    spectral = prior.eigenvalues(CosineBasis(1), n)
    assert (gram[:10] < spectral[:10] * 1.001).all()
    assert (gram[:10] > spectral[1:11] * 0.999).all()


@pytest.mark.parametrize("prior", [RBF(length=0.03), Matern(length=0.03, smoothness=2.5)], ids=kind)
def test_covariances_on_grids_and_points_agree_away_from_the_walls(prior):
    n, prior = 200, dataclasses.replace(prior, normalize=False)
    points = tuple((np.arange(n) + 0.5) / n)
    node = torch.zeros(n, dtype=torch.float64)
    node[n // 2] = n
    near = slice(n // 4, 3 * n // 4)
    one = prior.apply(node, GramBasis(points=points, covariance=prior))[near]
    other = prior.apply(node, CosineBasis(1))[near]
    torch.testing.assert_close(one, other, rtol=0, atol=2e-3 if prior.kind == "matern" else 1e-9)


def test_quadrature_is_the_midpoint_and_the_trapezoidal_rule():
    centres = GramBasis(points=tuple((np.arange(8) + 0.5) / 8), covariance=RBF())
    np.testing.assert_allclose(centres.weights(), np.full(8, 1 / 8))
    ends = GramBasis(points=tuple(np.linspace(0, 1, 9)), covariance=RBF())
    np.testing.assert_allclose(ends.weights(), np.array([0.5, *[1] * 7, 0.5]) / 8)
    x = np.array(scattered(500))
    weights = GramBasis(points=tuple(x), covariance=RBF()).weights()
    assert weights.sum() == pytest.approx(1)
    assert weights @ np.exp(x) == pytest.approx(np.e - 1, abs=1e-4)


def test_parseval_and_inverse():
    basis = GramBasis(points=scattered(30), covariance=Exponential())
    u = torch.from_numpy(np.random.default_rng(1).standard_normal((3, 2, 30)))
    coefficients = basis.forward(u)
    torch.testing.assert_close(basis.inverse(coefficients, 30), u)
    norm = (torch.from_numpy(basis.weights()) * u**2).sum(-1)
    torch.testing.assert_close(basis.energy(u).sum(-1), norm)
    single = basis.inverse(basis.forward(u.float()), 30)
    torch.testing.assert_close(single, u.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prior", [*KERNELS, Bessel(), Standard()], ids=kind)
def test_a_curve_does_not_depend_on_its_batch(prior):
    kernel = prior if prior in KERNELS else Exponential()
    basis = GramBasis(points=scattered(100), covariance=kernel)
    together = prior.sample(basis, 100, range(5), seed=3, channels=2)
    assert together.shape == (5, 2, 100)
    for i in range(5):
        assert prior.sample(basis, 100, [i], seed=3, channels=2)[0].equal(together[i])
    assert prior.trace(basis, 100) == pytest.approx(1)


@pytest.mark.parametrize("process", ["vp_cosine", "stochastic_heat"])
def test_samplers_give_gaussian_curves_their_spectrum(process, tools):
    """With the exact conditional expectation, which is linear, as many evaluations as converge."""
    n, count = 24, 40
    basis = GramBasis(points=scattered(n), covariance=Matern(length=0.2))
    spectrum = Matern(length=0.2, smoothness=1.5).eigenvalues(basis, n)[None] * 0.5
    spectrum = spectrum + 0.5 * Standard().eigenvalues(basis, n)
    denoiser = tools.make_denoiser(
        basis,
        n,
        prior=Matern(length=0.2),
        process=parts.build("process", {"kind": process}),
        spectrum=spectrum,
    )
    sampler = parts.build("sampler", {"kind": "dpm_solver", "steps": 20})
    curves = sampler(denoiser, n, range(count), 0, dtype=torch.float64).fields
    assert curves.shape == (count, 1, n)
    total = float(basis.energy(curves).sum(-1).mean())
    # Var ‖X‖² = 2 Σ c_k²; the solver's own error is a few per cent.
    deviation = float((2 * spectrum.square().sum() / count).sqrt())
    assert abs(total - float(spectrum.sum())) < 4 * deviation + 0.05


def test_the_kernel_of_the_prior_must_be_that_of_the_basis():
    basis = GramBasis(points=scattered(20), covariance=RBF(length=0.1))
    RBF(length=0.1, variance=3.0, normalize=False).eigenvalues(basis, 20)
    with pytest.raises(ValueError, match=r"not diagonal in a basis.*the same kernel"):
        RBF(length=0.2).eigenvalues(basis, 20)
    with pytest.raises(ValueError, match=r"bessel prior is not given by a kernel.*use rbf"):
        GramBasis(points=scattered(20), covariance=Bessel())


def test_there_is_one_grid():
    basis = GramBasis(points=scattered(20), covariance=RBF())
    u = torch.zeros(1, 20)
    assert basis.restrict(u, 20) is u
    for refused in (basis.nodes, basis.axis_modes, lambda n: basis.restrict(u, n)):
        with pytest.raises(ValueError, match="live on 20 points, not on 10"):
            refused(10)
    with pytest.raises(ValueError, match="five_point belongs to regular grids"):
        Bessel(symbol="five_point").eigenvalues(basis, 20)


@pytest.mark.parametrize("points", [(0.5,), (0.2, 0.1), (0.1, 0.1), (-0.1, 0.5), (0.0, 10.0)])
def test_points_are_increasing_in_the_unit_interval(points):
    with pytest.raises(ValueError, match=r"strictly increasing in \[0, 1\]; scale physical"):
        GramBasis(points=points, covariance=RBF())


def test_it_can_be_configured():
    basis = GramBasis(points=(0.0, 0.25, 1.0), covariance=Matern(length=0.2))
    block = json.loads(json.dumps(dataclasses.asdict(basis)))
    assert parts.build("basis", block) == basis


def mid(n):
    return tuple(((np.arange(n) + 0.5) / n).tolist())


@pytest.mark.parametrize("prior", KERNELS[1:], ids=kind)
def test_evaluation_at_other_points_is_the_conditional_mean(prior):
    """K(x, X) K(X, X)⁻¹, the best prediction of a Gaussian with this kernel."""
    basis, x = GramBasis(points=scattered(20), covariance=prior), np.linspace(0, 1, 33)
    found = basis.evaluate(torch.eye(20, dtype=torch.float64), x.tolist())
    own, other = torch.tensor(basis.points, dtype=torch.float64), torch.from_numpy(x)
    matrix = prior.correlation((own[:, None] - own).abs())
    across = prior.correlation((own[:, None] - other).abs())
    torch.testing.assert_close(found, torch.linalg.solve(matrix, across), rtol=0, atol=1e-7)
    back = basis.evaluate(torch.eye(20, dtype=torch.float64), basis.points)
    torch.testing.assert_close(back, torch.eye(20, dtype=torch.float64), rtol=0, atol=1e-7)


def test_smooth_functions_are_evaluated_between_their_points():
    """Of polynomials little is left to the kernel: errors fall fast as points come closer."""
    x = np.linspace(0.05, 0.95, 50)
    errors = []
    for n in (10, 20, 40):
        basis = GramBasis(points=mid(n), covariance=Matern(length=0.5, smoothness=2.5))
        u = torch.from_numpy(np.sin(5 * np.array(basis.points)))[None]
        found = basis.evaluate(u, x.tolist())[0]
        errors.append(float((found - torch.from_numpy(np.sin(5 * x))).abs().max()))
    assert errors[1] < errors[0] / 4
    assert errors[2] < errors[1] / 4


def test_noise_at_some_of_the_points_is_that_of_a_basis_on_these():
    prior = dataclasses.replace(KERNELS[1], normalize=False)
    basis = GramBasis(points=scattered(30), covariance=prior)
    few = basis.points[::4]
    root = functions(basis) * prior.eigenvalues(basis, 30).sqrt()[:, None]
    at_few = basis.restrict_to(root, few)
    coarse = basis.on(few)
    phi = functions(coarse)
    expected = phi.T @ torch.diag(prior.eigenvalues(coarse, len(few))) @ phi
    torch.testing.assert_close(at_few.T @ at_few, expected, rtol=0, atol=1e-12)


def test_points_elsewhere_are_refused():
    basis = GramBasis(points=(0.1, 0.4, 0.9), covariance=RBF())
    with pytest.raises(ValueError, match=r"0\.5 is none of the points; use evaluate"):
        basis.restrict_to(torch.zeros(2, 3), (0.1, 0.5))
    with pytest.raises(ValueError, match=r"give points in \[0, 1\]"):
        basis.evaluate(torch.zeros(2, 3), (0.1, 1.5))
