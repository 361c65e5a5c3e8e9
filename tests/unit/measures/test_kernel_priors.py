"""Priors given by a kernel: spectral density, covariance between nodes, smoothness, conversions."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, special

from fsdiff.measures.priors.convolution import Bessel
from fsdiff.measures.priors.kernel import RBF, Exponential, Matern
from fsdiff.spaces.bases import CosineBasis, FourierBasis

KERNELS = [
    RBF(length=0.07, normalize=False, variance=2.0),
    Matern(length=0.07, smoothness=0.8, normalize=False, variance=2.0),
    Matern(length=0.07, smoothness=2.5, normalize=False, variance=2.0),
    Exponential(length=0.07, normalize=False, variance=2.0),
]
ROUGHNESS = {"rbf": np.inf, "exponential": 0.5}


def name(prior):
    return f"{prior.kind}-{smoothness(prior):g}"


def smoothness(prior):
    return prior.smoothness if prior.kind == "matern" else ROUGHNESS[prior.kind]


def correlation(prior, distance):
    return prior.correlation(torch.as_tensor(distance, dtype=torch.float64)).numpy()


# The kernel


def test_correlations_in_closed_form():
    h = np.concatenate([[0.0, 1e-12], np.linspace(1e-4, 1, 50)])
    close = np.testing.assert_allclose
    close(correlation(RBF(length=0.3), h), np.exp(-(h**2) / (2 * 0.3**2)), rtol=1e-12)
    close(correlation(Exponential(length=0.3), h), np.exp(-h / 0.3), rtol=1e-8)
    close(correlation(Matern(length=0.3, smoothness=0.5), h), np.exp(-h / 0.3), rtol=1e-8)
    z = np.sqrt(3) * h / 0.3
    close(correlation(Matern(length=0.3, smoothness=1.5), h), (1 + z) * np.exp(-z), rtol=1e-10)
    z = np.sqrt(5) * h / 0.3
    expected = (1 + z + z**2 / 3) * np.exp(-z)
    close(correlation(Matern(length=0.3, smoothness=2.5), h), expected, rtol=1e-10)


def test_smooth_matern_kernels_approach_the_rbf():
    h = np.linspace(0, 1, 50)
    limit = correlation(RBF(length=0.3), h)
    errors = [
        np.abs(correlation(Matern(length=0.3, smoothness=nu), h) - limit).max()
        for nu in (3.75, 7.5, 15.0, 30.0)
    ]
    ratios = np.array(errors[:-1]) / errors[1:]
    assert ((ratios > 1.8) & (ratios < 2.3)).all()  # first order in 1/ν


@pytest.mark.parametrize("prior", KERNELS, ids=name)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_spectral_density_is_the_fourier_transform_of_the_kernel(prior, dimension):
    radial = {
        1: lambda w, h: 2 * np.cos(w * h),
        2: lambda w, h: 2 * np.pi * h * special.j0(w * h),
        3: lambda w, h: 4 * np.pi * h**2 * np.sinc(w * h / np.pi),
    }[dimension]
    for w in (0.0, 3.0, 30.0):
        expected, _ = integrate.quad(
            lambda h, w=w: float(correlation(prior, h)) * radial(w, h), 0, 2.5, limit=400
        )
        found = prior.spectral_density(torch.tensor(w**2, dtype=torch.float64), dimension)
        assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_matern_is_bessel_with_its_constants(dimension):
    basis, prior = CosineBasis(dimension), Matern(length=0.2, smoothness=1.2)
    power = 1.2 / 2 + dimension / 4
    same = Bessel(shift=2 * 1.2 / 0.2**2, power=power)
    torch.testing.assert_close(prior.eigenvalues(basis, 9), same.eigenvalues(basis, 9))


# The covariance between nodes


def centre_row(prior, basis, n):
    """Covariance of every node with one in the middle of the box, and their distances."""
    node = torch.zeros((n,) * basis.dimension, dtype=torch.float64)
    node[(n // 2,) * basis.dimension] = float(n**basis.dimension)
    axis = (np.arange(n) - n // 2) / n
    distance = np.sqrt(sum(a**2 for a in np.meshgrid(*[axis] * basis.dimension, indexing="ij")))
    return prior.apply(node, basis).numpy(), distance


@pytest.mark.parametrize("kind", [CosineBasis, FourierBasis])
@pytest.mark.parametrize(("dimension", "n"), [(1, 2000), (2, 160)])
@pytest.mark.parametrize("prior", KERNELS, ids=name)
def test_covariance_between_nodes_is_the_kernel(prior, dimension, n, kind):
    """Away from the walls, up to images at a distance of 0.4 and the variance of finer modes."""
    basis = kind(dimension)
    row, distance = centre_row(prior, basis, n)
    near = distance < 0.3
    unresolved = prior.variance - prior.trace(FourierBasis(dimension), n)
    images = 2 * dimension * prior.variance * float(correlation(prior, 0.4))
    error = np.abs(row - prior.variance * correlation(prior, distance))[near].max()
    assert error < unresolved + images + 1e-12
    assert unresolved < (0.1 if smoothness(prior) < 1 else 1e-3) * prior.variance


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_variance_is_that_at_a_point(dimension):
    """With periodic ends the variance is the same everywhere, and the trace; walls raise it."""
    n = {1: 4096, 2: 256, 3: 32}[dimension]
    prior = Matern(length=0.08, smoothness=2.5, normalize=False, variance=3.0)
    assert prior.trace(FourierBasis(dimension), n) == pytest.approx(3.0, rel=2e-3)
    assert prior.trace(CosineBasis(dimension), n) > 3.0


def test_drawing_needs_no_covariance_matrix():
    """2^18 nodes: a dense covariance would take half a terabyte."""
    prior = Exponential(length=0.05)
    fine = prior.sample(FourierBasis(2), 512, [0], seed=1)
    coarse = prior.sample(FourierBasis(2), 32, [0], seed=1)
    torch.testing.assert_close(FourierBasis(2).restrict(fine, 32), coarse)


# Smoothness


@pytest.mark.parametrize(
    ("prior", "order"),
    [
        (Exponential(length=0.1), 1.0),
        (Matern(length=0.1, smoothness=0.3), 0.6),
        (Matern(length=0.1, smoothness=0.75), 1.5),
        (Matern(length=0.1, smoothness=2.5), 2.0),
        (RBF(length=0.1), 2.0),
    ],
)
def test_increments_have_the_order_of_the_smoothness(prior, order):
    """E|X(x + h) − X(x)|² ~ h^(2ν), or h² for samples with a derivative."""
    n, basis = 2**17, FourierBasis(1)
    energy = prior.eigenvalues(basis, n) * basis.multiplicity(n)
    phase = 2 * torch.pi * basis.wavenumber(n)
    one, two = (float((energy * (1 - (phase * h).cos())).sum()) for h in (2e-4, 4e-4))
    assert np.log2(two / one) == pytest.approx(order, abs=0.03)


def test_kernels_in_order_of_smoothness():
    """The ratio of the rougher kernel's eigenvalues to the smoother one's grows with frequency."""
    basis, n = CosineBasis(1), 200
    one, two = Matern(length=0.02), Matern(length=0.02, smoothness=4.0)
    for rough, smooth in pairwise([Exponential(length=0.02), one, two, RBF(length=0.02)]):
        ratio = (rough.eigenvalues(basis, n).log() - smooth.eigenvalues(basis, n).log())[20:]
        assert (ratio.diff() > 0).all()


@pytest.mark.parametrize("kind", [CosineBasis, FourierBasis])
@pytest.mark.parametrize(("dimension", "first"), [(1, 1024), (2, 128), (3, 32)])
@pytest.mark.parametrize("nu", [0.5, 1.2])
def test_the_trace_converges_in_every_dimension(kind, dimension, first, nu):
    """Octaves of Σ |ω|^(−2ν − d) scale as 2^(−2ν)."""
    prior = Matern(length=0.5, smoothness=nu)
    prior.check(dimension)
    traces = [prior.trace(kind(dimension), first * 2**octave) for octave in range(3)]
    ratio = (traces[2] - traces[1]) / (traces[1] - traces[0])
    assert ratio == pytest.approx(2 ** (-2 * nu), rel=0.1)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_analytic_noise_has_no_fine_modes(dimension):
    prior, basis = RBF(length=0.2), FourierBasis(dimension)
    prior.check(dimension)
    assert prior.trace(basis, 32) - prior.trace(basis, 16) < 1e-9
    values = prior.eigenvalues(basis, 64 if dimension < 3 else 16)
    assert torch.isfinite(values).all()
    assert (values >= 0).all()


# Conversions of published kernels


def test_published_rbf_of_scale_is_an_exponential():
    """exp(−h/(2γ²)) with γ = 0.05: correlations 0.044 and 0.21 between neighbours on 64, 128."""
    prior, h = Exponential(length=2 * 0.05**2), np.array([1 / 64, 1 / 128])
    found = correlation(prior, h)
    np.testing.assert_allclose(found, np.exp(-h / (2 * 0.05**2)), rtol=1e-12)
    assert found == pytest.approx([0.044, 0.21], abs=5e-4)


def test_rbf_without_the_factor_two():
    h = np.linspace(0, 1, 20)
    found = correlation(RBF(length=0.04 / 2**0.5), h)
    np.testing.assert_allclose(found, np.exp(-(h**2) / 0.04**2), rtol=1e-10)
