"""Bases against explicit trigonometric series, scipy, numpy and finite differences."""

import itertools

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fsdiff.measures.priors.kernel import RBF
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.gram import GramBasis

CURVES = GramBasis(points=tuple(np.linspace(0, 1, 8).tolist()), covariance=RBF(length=0.3))

BASES = {"cosine": CosineBasis, "fourier": FourierBasis, "sine": SineBasis}
# Rounding: transforms of at most 10^3 nodes of size one lose a few hundred units in the last place.
CLOSE = {"rtol": 1e-11, "atol": 1e-11}

quick = settings(max_examples=40, deadline=None)
bases = st.builds(lambda kind, d: BASES[kind](d), st.sampled_from(sorted(BASES)), st.integers(1, 3))
seeds = st.integers(0, 10**6)


def sizes(most=10):
    return st.integers(2, most)


def limit(basis, n):
    """The largest wavenumber that n nodes resolve on an axis, from the definition of V_n."""
    return (n - 1) // 2 if isinstance(basis, FourierBasis) else n - 1


def lowest(basis, bandwidth):
    """The lowest wavenumber on an axis of functions with wavenumbers up to ``bandwidth``."""
    return {"cosine": 0, "fourier": -bandwidth, "sine": 1}[basis.kind]


def node_grid(basis, n):
    shift = 0.0 if isinstance(basis, FourierBasis) else 0.5
    axis = (np.arange(n) + shift) / n
    return np.meshgrid(*[axis] * basis.dimension, indexing="ij")


def mode(basis, k, n, phase=0.0):
    """A real function of unit mean square with wavenumber k, on n nodes."""
    x = node_grid(basis, n)
    if isinstance(basis, CosineBasis):
        factors = [
            np.sqrt(2) * np.cos(np.pi * ki * xi) if ki else xi * 0 + 1
            for ki, xi in zip(k, x, strict=True)
        ]
        return torch.from_numpy(np.prod(factors, axis=0))
    if isinstance(basis, SineBasis):
        factors = [np.sqrt(2) * np.sin(np.pi * ki * xi) for ki, xi in zip(k, x, strict=True)]
        return torch.from_numpy(np.prod(factors, axis=0))
    if not any(k):
        return torch.ones((n,) * basis.dimension, dtype=torch.float64)
    angle = 2 * np.pi * sum(ki * xi for ki, xi in zip(k, x, strict=True)) + phase
    return torch.from_numpy(np.sqrt(2) * np.cos(angle))


class Series:
    """A random sum of modes with wavenumbers up to ``bandwidth``, evaluated on any grid."""

    def __init__(self, basis, bandwidth, seed, terms=6):
        rng = np.random.default_rng(seed)
        low = lowest(basis, bandwidth)
        self.basis = basis
        self.terms = [
            (
                tuple(rng.integers(low, bandwidth + 1, basis.dimension)),
                rng.standard_normal(),
                rng.uniform(0, 6),
            )
            for _ in range(terms)
        ]

    def __call__(self, n):
        return sum(a * mode(self.basis, k, n, phase) for k, a, phase in self.terms)


def rough(basis, n, seed):
    """A field that no grid function space needs to contain."""
    shape = (2, *(n,) * basis.dimension)
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def inner(u, v, basis):
    return (u * v).mean(basis.grid_axes())


def assert_close(a, b, **tolerance):
    torch.testing.assert_close(a, b, **(CLOSE | tolerance))


# Transforms


@pytest.mark.parametrize("n", [5, 8])
def test_nodes(n):
    np.testing.assert_allclose(CosineBasis(2).nodes(n), (np.arange(n) + 0.5) / n)
    np.testing.assert_allclose(SineBasis(2).nodes(n), (np.arange(n) + 0.5) / n)
    np.testing.assert_allclose(FourierBasis(2).nodes(n), np.arange(n) / n)


@quick
@given(bases, sizes(), seeds)
def test_round_trip(basis, n, seed):
    u = Series(basis, limit(basis, n), seed)(n)
    coefficients = basis.forward(u)
    assert tuple(coefficients.shape) == basis.coefficient_shape(n)
    assert_close(basis.inverse(coefficients, n), u)


@quick
@given(bases, sizes(), seeds)
def test_parseval(basis, n, seed):
    u = Series(basis, limit(basis, n), seed)(n)
    assert_close((basis.multiplicity(n) * basis.forward(u).abs().square()).sum(), u.square().mean())
    assert_close(basis.energy(u).sum(), u.square().mean())


@quick
@given(bases, sizes(), seeds)
def test_transform_is_the_orthogonal_projection(basis, n, seed):
    u = rough(basis, n, seed)
    projected = basis.inverse(basis.forward(u), n)
    assert_close(basis.inverse(basis.forward(projected), n), projected)
    assert_close(
        inner(u - projected, projected, basis), torch.zeros(2, dtype=torch.float64), atol=1e-10
    )


@quick
@given(st.integers(1, 3), sizes(), seeds)
def test_cosine_coefficients_are_scipys(dimension, n, seed):
    basis = CosineBasis(dimension)
    u = rough(basis, n, seed)
    expected = scipy.fft.dctn(u.numpy(), 2, axes=basis.grid_axes(), norm="ortho")
    assert_close(basis.forward(u), torch.from_numpy(expected / n ** (dimension / 2)))


@quick
@given(st.integers(1, 3), sizes(), seeds)
def test_fourier_coefficients_are_numpys(dimension, n, seed):
    basis = FourierBasis(dimension)
    u = rough(basis, n, seed)
    expected = np.fft.rfftn(u.numpy(), axes=basis.grid_axes()) / n**dimension
    if n % 2 == 0:
        for axis in basis.grid_axes():
            nyquist = [slice(None)] * expected.ndim
            nyquist[axis] = n // 2
            expected[tuple(nyquist)] = 0
    assert_close(basis.forward(u), torch.from_numpy(expected))


@quick
@given(st.integers(1, 3), sizes(), seeds)
def test_sine_coefficients_are_scipys_but_the_highest(dimension, n, seed):
    basis = SineBasis(dimension)
    u = rough(basis, n, seed)
    expected = scipy.fft.dstn(u.numpy(), 2, axes=basis.grid_axes(), norm="ortho")
    for axis in basis.grid_axes():
        np.moveaxis(expected, axis, 0)[-1] = 0
    assert_close(basis.forward(u), torch.from_numpy(expected / n ** (dimension / 2)))


@pytest.mark.parametrize("n", [2, 5, 8])
def test_sines_vanish_at_the_walls_and_hold_no_alternating_function(n):
    """The alternating function on n nodes is that of finer grids' modes, too: it is dropped."""
    basis = SineBasis(1)
    alternating = torch.from_numpy((-1.0) ** np.arange(n))
    assert_close(basis.forward(alternating), torch.zeros(n, dtype=torch.float64))
    assert_close(mode(basis, [n], n), np.sqrt(2) * alternating)
    fine = basis.inverse(basis.forward(Series(basis, n - 1, 0)(n)), 50 * n)
    assert float(fine[[0, -1]].abs().max()) < 0.1 * float(fine.abs().max())


@pytest.mark.parametrize("kind", sorted(BASES))
def test_bases_say_whether_they_hold_constants(kind):
    coarse, fine = (torch.ones(n, n, dtype=torch.float64) for n in (8, 32))
    basis = BASES[kind](2)
    assert torch.allclose(basis.prolong(coarse, 32), fine) == basis.constants


@quick
@given(bases, sizes())
def test_number_of_resolved_functions(basis, n):
    per_axis = limit(basis, n) - lowest(basis, limit(basis, n)) + 1
    assert float(basis.multiplicity(n).sum()) == per_axis**basis.dimension
    assert basis.resolved(n).equal(basis.multiplicity(n) > 0)
    assert tuple(basis.multiplicity(n).shape) == basis.coefficient_shape(n)


def test_single_precision_and_input_are_kept(basis):
    u = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    before = u.clone()
    assert basis.inverse(basis.forward(u), 8).dtype == torch.float32
    assert basis.prolong(u, 16).shape == (3, 2, 16, 16)
    assert u.equal(before)


@pytest.mark.parametrize("n", [5, 6])
def test_operations_are_differentiable(basis, n):
    u = rough(basis, n, 0)[:1].requires_grad_()
    symbol = 1 / (1 + basis.omega_squared(n))
    assert torch.autograd.gradcheck(lambda v: basis.multiply(v, symbol), u)
    assert torch.autograd.gradcheck(lambda v: basis.restrict(v, 4), u)
    assert torch.autograd.gradcheck(lambda v: basis.prolong(v, 9), u)


# Between grids


@quick
@given(bases, sizes(7), sizes(), seeds)
def test_resampling_a_band_limited_function_evaluates_it(basis, m, extra, seed):
    n = m + extra - 2
    f = Series(basis, limit(basis, m), seed)
    assert_close(basis.prolong(f(m), n), f(n))
    assert_close(basis.restrict(f(n), m), f(m))


@quick
@given(bases, sizes(7), sizes(), st.data())
def test_restriction_removes_what_the_coarse_grid_does_not_resolve(basis, m, extra, data):
    n = m + extra
    if limit(basis, n) <= limit(basis, m):
        return
    low = max(0, lowest(basis, 0))
    k = [data.draw(st.integers(low, limit(basis, n))) for _ in range(basis.dimension)]
    axis = data.draw(st.integers(0, basis.dimension - 1))
    k[axis] = data.draw(st.integers(limit(basis, m) + 1, limit(basis, n)))
    u = mode(basis, k, n, phase=0.3)
    coarse = basis.restrict(u, m)
    assert_close(coarse, torch.zeros_like(coarse))


@quick
@given(bases, sizes(7), sizes(), seeds)
def test_restriction_is_adjoint_to_prolongation(basis, m, extra, seed):
    n = m + extra - 2
    u, v = rough(basis, n, seed), rough(basis, m, seed + 1)
    assert_close(inner(basis.restrict(u, m), v, basis), inner(u, basis.prolong(v, n), basis))


@quick
@given(bases, sizes(6), sizes(6), sizes(6), seeds)
def test_restrictions_compose_and_prolongation_is_their_right_inverse(basis, a, b, c, seed):
    coarse, middle, fine = sorted((a, b, c))
    u = rough(basis, fine, seed)
    once = basis.restrict(u, coarse)
    assert_close(basis.restrict(basis.restrict(u, middle), coarse), once)
    if coarse < middle or isinstance(basis, CosineBasis) or fine > coarse:
        assert_close(basis.restrict(basis.prolong(once, middle), coarse), once)


@quick
@given(bases, sizes(7), sizes(), seeds)
def test_restriction_does_not_raise_the_norm(basis, m, extra, seed):
    n = m + extra - 1
    u = rough(basis, n, seed)
    coarse = basis.restrict(u, m)
    assert (inner(coarse, coarse, basis) <= inner(u, u, basis) * (1 + 1e-12)).all()
    f = Series(basis, limit(basis, m), seed)
    assert_close(basis.restrict(f(n), m).square().mean(), f(n).square().mean())


def test_resampling_to_the_same_grid_changes_nothing_that_is_resolved(basis):
    f = Series(basis, 3, 0)
    assert_close(basis.restrict(f(8), 8), f(8))
    assert_close(basis.prolong(f(8), 8), f(8))


# Symbols


@quick
@given(bases, sizes(), st.data())
def test_modes_are_eigenfunctions_of_the_laplacian(basis, n, data):
    low = lowest(basis, limit(basis, n))
    k = [data.draw(st.integers(low, limit(basis, n))) for _ in range(basis.dimension)]
    unit = 2 * np.pi if isinstance(basis, FourierBasis) else np.pi
    eigenvalue = unit**2 * sum(ki**2 for ki in k)
    u = mode(basis, k, n, phase=0.7)
    assert_close(basis.multiply(u, basis.omega_squared(n)), eigenvalue * u, atol=1e-8)
    length = np.sqrt(sum(ki**2 for ki in k))
    assert_close(basis.multiply(u, basis.wavenumber(n)), length * u)


@pytest.mark.parametrize(
    ("kind", "k"), [("cosine", (2, 1)), ("fourier", (1, -2)), ("sine", (2, 1))]
)
def test_eigenfunctions_by_differentiation(kind, k):
    """-Δ of a mode on a fine grid, by central differences of its formula, second order."""
    basis = BASES[kind](2)
    n = 256
    u = mode(basis, k, n, phase=0.2).numpy()
    interior = slice(1, -1)
    laplacian = (u[2:, interior] + u[:-2, interior] + u[interior, 2:] + u[interior, :-2]) - 4 * u[
        interior, interior
    ]
    computed = basis.multiply(torch.from_numpy(u), basis.omega_squared(n)).numpy()
    # Error of the stencil: |ω|⁴ h²/12 of the field's size √2·√2.
    bound = 2 * (2 * np.pi) ** 4 * 25 / 12 / n**2
    np.testing.assert_allclose(computed[interior, interior], -laplacian * n**2, rtol=0, atol=bound)


@quick
@given(bases, sizes(), seeds)
def test_stencil_symbol_is_the_stencil(basis, n, seed):
    """Against -Δ by differences with mirrored neighbours, negated for sines, or periodic ones."""
    u = Series(basis, limit(basis, n), seed)(n).numpy()
    ghost = np.pad(u, 1, mode="wrap" if isinstance(basis, FourierBasis) else "symmetric")
    if isinstance(basis, SineBasis):
        for axis in range(basis.dimension):
            np.moveaxis(ghost, axis, 0)[[0, -1]] *= -1
    inside = [slice(1, -1)] * basis.dimension
    result = 2 * basis.dimension * u
    for axis, step in itertools.product(range(basis.dimension), (0, 2)):
        shifted = list(inside)
        shifted[axis] = slice(step, step + n)
        result = result - ghost[tuple(shifted)]
    applied = basis.multiply(torch.from_numpy(u), basis.stencil_symbol(n))
    assert_close(applied, torch.from_numpy(n**2 * result), atol=1e-9)


@pytest.mark.parametrize("n", [5, 8])
def test_stencil_symbol_holds_all_eigenvalues_of_the_stencil(n):
    neumann = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    neumann[0, 0] = neumann[-1, -1] = 1
    expected = np.linalg.eigvalsh(n**2 * neumann)
    computed = np.sort(CosineBasis(1).stencil_symbol(n).numpy())
    np.testing.assert_allclose(computed, expected, atol=1e-10)
    periodic = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    periodic[0, -1] -= 1
    periodic[-1, 0] -= 1
    expected = np.unique(np.linalg.eigvalsh(n**2 * periodic).round(8))
    computed = np.sort(FourierBasis(1).stencil_symbol(n).numpy())
    np.testing.assert_allclose(computed, expected, atol=1e-7)


def test_stencil_symbol_tends_to_the_laplacians(basis):
    errors = []
    for n in (32, 64):
        relative = basis.stencil_symbol(n)[1, 2] / basis.omega_squared(n)[1, 2] - 1
        errors.append(abs(float(relative)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


# White noise


@quick
@given(bases, sizes(5), sizes(5), seeds)
def test_white_noise_is_nested(basis, a, b, seed):
    m, n = sorted((a, b))
    normals = np.random.default_rng(seed).standard_normal((2, n**basis.dimension))
    fine = basis.inverse(basis.white_noise(normals, n), n)
    coarse = basis.inverse(basis.white_noise(normals[:, : m**basis.dimension], m), m)
    assert_close(basis.restrict(fine, m), coarse)


@pytest.mark.parametrize("kind", sorted(BASES))
@pytest.mark.parametrize(("dimension", "n"), [(1, 5), (1, 6), (2, 4), (2, 5), (3, 3), (3, 4)])
def test_white_noise_has_unit_variance_in_every_resolved_function(kind, dimension, n):
    """Covariance, exactly, from unit vectors in place of normals: that of the projector onto V_n.

    White noise has E⟨ξ, u⟩⟨ξ, v⟩ = ⟨u, v⟩ for u, v in V_n, so its nodes have covariance n^d P with
    P the matrix of the orthogonal projection.
    """
    basis = BASES[kind](dimension)
    count = n**dimension
    unit = basis.inverse(basis.white_noise(np.eye(count), n), n).reshape(count, count)
    covariance = unit.T @ unit
    nodes = torch.eye(count, dtype=torch.float64).reshape(count, *(n,) * dimension)
    projection = basis.inverse(basis.forward(nodes), n).reshape(count, count)
    assert_close(covariance, count * projection, atol=1e-9)
    if kind == "cosine" or (kind == "fourier" and n % 2):
        assert_close(covariance, count * torch.eye(count, dtype=torch.float64), atol=1e-9)


@quick
@given(bases, sizes(5), seeds)
def test_white_noise_coefficients_are_those_of_a_real_field(basis, n, seed):
    normals = np.random.default_rng(seed).standard_normal((1, n**basis.dimension))
    coefficients = basis.white_noise(normals, n)
    assert_close(basis.forward(basis.inverse(coefficients, n)), coefficients)


def test_white_noise_spends_normals_in_place(basis):
    normals = np.random.default_rng(0).standard_normal((3, 2, 64))
    before = normals.copy()
    together = basis.white_noise(normals, 8)
    assert together.shape == (3, 2, *basis.coefficient_shape(8))
    assert together[1, 1].equal(basis.white_noise(normals[1, 1], 8))
    assert np.array_equal(normals, before)


@pytest.mark.parametrize("basis", [CosineBasis(1), FourierBasis(1), SineBasis(1), CURVES], ids=repr)
def test_integers_are_transformed_as_numbers(basis):
    u = torch.arange(8)
    torch.testing.assert_close(basis.forward(u), basis.forward(u.float()))
    c = torch.arange(*basis.coefficient_shape(8))
    torch.testing.assert_close(basis.inverse(c, 8), basis.inverse(c.float(), 8))
    torch.testing.assert_close(basis.restrict(2 * u, 8), basis.restrict(2 * u.float(), 8))


# Bad arguments


def test_directions_are_checked(basis):
    u = torch.zeros(1, 1, 8, 8)
    with pytest.raises(ValueError, match="8 -> 16"):
        basis.restrict(u, 16)
    with pytest.raises(ValueError, match="8 -> 4"):
        basis.prolong(u, 4)


def test_coefficients_of_another_grid_are_refused(basis):
    coefficients = basis.forward(torch.ones(1, 1, 16, 16))
    with pytest.raises(ValueError, match="8"):
        basis.inverse(coefficients, 8)
