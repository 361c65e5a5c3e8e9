"""Gaussian measures: covariance, trace and scaling in closed form; what a sample depends on."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from fsdiff.measures.priors.convolution import FNO, Bessel, Combined, Laplacian, Standard
from fsdiff.measures.priors.kernel import RBF, Exponential, Matern
from fsdiff.measures.priors.spectral import white_noise
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.gram import GramBasis
from fsdiff.streams import Stream

BASES = {"cosine": CosineBasis, "fourier": FourierBasis}
PRIORS = [
    Standard(),
    Laplacian(power=0.8),
    Bessel(),
    Bessel(shift=3.0, power=1.2, reference_resolution=16),
    FNO(modes=(3, 2)),
    Combined(modes=(4, 3)),
    RBF(length=0.1),
    Matern(length=0.2, smoothness=2.0),
    Exponential(length=0.05, variance=2.0),
]


def name(prior):
    return prior.kind


def omega_squared(kind, k):
    return (np.pi if kind == "cosine" else 2 * np.pi) ** 2 * sum(ki**2 for ki in k)


def published(prior, kind, k, dimension):
    """λ_k of the published scaling μ_k²/n_ref^d."""
    w = omega_squared(kind, k)
    if isinstance(prior, Standard):
        symbol = 1.0
    elif isinstance(prior, Laplacian):
        symbol = prior.scale * w ** (-prior.power) if w > 0 else 0.0
    else:
        symbol = (prior.shift + w) ** (-prior.power)
    return symbol**2 / prior.reference_resolution**dimension


def modes(kind, n, dimension):
    """All wavenumbers that n nodes resolve, k and -k both."""
    axis = range(n) if kind == "cosine" else range(-((n - 1) // 2), (n - 1) // 2 + 1)
    return itertools.product(axis, repeat=dimension)


def covariance(prior, kind, n, dimension):
    """Σ λ_k e_k(x) e_k(y) over nodes x, y by summing explicit functions, published scaling."""
    shift = 0.5 if kind == "cosine" else 0.0
    axis = (np.arange(n) + shift) / n
    x = np.stack(np.meshgrid(*[axis] * dimension, indexing="ij")).reshape(dimension, -1)
    total = np.zeros((x.shape[1], x.shape[1]))
    for k in modes(kind, n, dimension):
        value = published(prior, kind, k, dimension)
        if kind == "cosine":
            e = np.prod(
                [
                    np.sqrt(2) * np.cos(np.pi * ki * xi) if ki else xi**0
                    for ki, xi in zip(k, x, strict=True)
                ],
                0,
            )
            total += value * np.outer(e, e)
        else:
            angle = 2 * np.pi * (np.array(k) @ x)
            total += value * np.cos(angle[:, None] - angle[None, :])
    return total


def sample_with_unit_normals(prior, basis, n, monkeypatch):
    """The linear map from white noise to samples: row i is the sample whose i-th normal is 1."""
    unit = np.eye(n**basis.dimension)
    monkeypatch.setattr(
        "fsdiff.measures.priors.spectral.normals", lambda seed, indices, *_: unit[list(indices)]
    )
    samples = prior.sample(basis, n, range(len(unit)), seed=0)
    return samples.reshape(len(unit), -1).numpy()


def scattered(basis, n, seed=0, channels=2):
    shape = (3, channels, *(n,) * basis.dimension)
    u = torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))
    return basis.inverse(basis.forward(u), n)


def by_wavenumber(basis, values, n):
    """Values over coefficients as a dictionary from the wavenumber, resolved modes only."""
    grids = np.meshgrid(*basis.axis_modes(n), indexing="ij")
    resolved = basis.resolved(n).numpy().ravel()
    keys = zip(*(g.ravel() for g in grids), strict=True)
    return {
        tuple(map(int, k)): v
        for k, v, here in zip(keys, values.numpy().ravel(), resolved, strict=True)
        if here
    }


# Covariance


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize(("dimension", "n"), [(1, 7), (1, 8), (2, 5), (2, 6), (3, 3)])
@pytest.mark.parametrize(
    "prior",
    [
        Standard(normalize=False),
        Laplacian(normalize=False, scale=20.0, power=0.55),
        Bessel(normalize=False),
        Bessel(normalize=False, shift=2.0, power=1.0, reference_resolution=32),
    ],
)
def test_samples_have_the_closed_form_covariance_exactly(kind, dimension, n, prior, monkeypatch):
    basis = BASES[kind](dimension)
    linear = sample_with_unit_normals(prior, basis, n, monkeypatch)
    expected = covariance(prior, kind, n, dimension)
    np.testing.assert_allclose(linear.T @ linear, expected, rtol=0, atol=1e-12 * expected.max())


@pytest.mark.parametrize("kind", BASES)
def test_covariance_of_drawn_samples(kind):
    basis, n, count = BASES[kind](2), 5, 3000
    prior = Bessel(normalize=False)
    u = prior.sample(basis, n, range(count), seed=4).reshape(count, -1).numpy()
    expected = covariance(prior, kind, n, 2)
    # For Gaussian fields Var(u(x)u(y)) = C(x,x) C(y,y) + C(x,y)²; 325 pairs stay within 5 sigma.
    diagonal = np.diag(expected)
    deviation = np.sqrt((np.outer(diagonal, diagonal) + expected**2) / count)
    assert (np.abs(u.T @ u / count - expected) / deviation).max() < 5
    assert (np.abs(u.mean(0)) / np.sqrt(diagonal / count)).max() < 5


@pytest.mark.parametrize("kind", BASES)
def test_random_weights_give_real_fields_with_the_stated_covariance(kind, monkeypatch):
    """A finite-rank measure: its node covariance is n² Q with Q applied as an operator."""
    basis, n = BASES[kind](2), 6
    for prior in (FNO(modes=(3, 2)), Combined(modes=(3, 2), laplacian_scale=1.0)):
        linear = sample_with_unit_normals(prior, basis, n, monkeypatch)
        nodes = torch.eye(n * n, dtype=torch.float64).reshape(n * n, n, n)
        operator = prior.apply(nodes, basis).reshape(n * n, n * n).numpy()
        np.testing.assert_allclose(linear.T @ linear, n**2 * operator, atol=1e-12)
        np.testing.assert_allclose(operator, operator.T, atol=1e-14)


# Scaling and trace


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize(
    "prior",
    [Standard(normalize=False), Laplacian(normalize=False, scale=3.0), Bessel(normalize=False)],
    ids=name,
)
def test_published_scaling(kind, dimension, prior):
    basis, n = BASES[kind](dimension), 6
    found = by_wavenumber(basis, prior.eigenvalues(basis, n), n)
    for k, value in found.items():
        assert value == pytest.approx(published(prior, kind, k, dimension), rel=1e-12)


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("prior", PRIORS, ids=name)
@pytest.mark.parametrize("dimension", [1, 2])
def test_unit_trace_at_the_reference_resolution(kind, prior, dimension):
    basis = BASES[kind](dimension)
    n = prior.reference_resolution
    values = prior.eigenvalues(basis, n)
    weight = basis.multiplicity(n)
    assert float((weight * values).sum()) == pytest.approx(1, rel=1e-12)
    assert prior.trace(basis, n) == pytest.approx(1, rel=1e-12)
    assert (values >= 0).all()
    assert not values[weight == 0].any()


@pytest.mark.parametrize("kind", BASES)
def test_trace_is_the_mean_square_of_samples(kind):
    basis, n = BASES[kind](2), 16
    prior = Bessel(reference_resolution=16)
    square = prior.sample(basis, n, range(600), seed=1).square().mean((1, 2, 3))
    # Var ‖X‖² = 2 Σ λ_k², with the sum over real functions.
    deviation = (2 * (basis.multiplicity(n) * prior.eigenvalues(basis, n) ** 2).sum() / 600) ** 0.5
    assert abs(float(square.mean()) - 1) < 5 * float(deviation)


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize(
    ("prior", "dimension"),
    [
        (Bessel(power=0.55), 2),
        (Bessel(power=1.0), 2),
        (Laplacian(power=0.75), 2),
        (Bessel(power=0.4, allow_non_trace_class=True), 2),
        (Bessel(power=0.5), 1),
        (Bessel(power=0.9), 3),
    ],
)
def test_trace_converges_exactly_where_four_powers_exceed_the_dimension(kind, prior, dimension):
    """Octaves of Σ |ω|^(−4p) scale as 2^(d − 4p): a ratio below one is convergence."""
    basis = BASES[kind](dimension)
    first = 1024 if dimension == 1 else 128 if dimension == 2 else 32
    traces = [prior.trace(basis, first * 2**octave) for octave in range(3)]
    ratio = (traces[2] - traces[1]) / (traces[1] - traces[0])
    assert ratio == pytest.approx(2 ** (dimension - 4 * prior.power), rel=0.05)


@pytest.mark.parametrize("kind", BASES)
def test_trace_of_white_noise_is_the_number_of_nodes(kind):
    basis = BASES[kind](2)
    traces = [Standard(normalize=False).trace(basis, n) * 64**2 for n in (17, 33)]
    assert traces == pytest.approx([17**2, 33**2])


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("prior", PRIORS, ids=name)
def test_eigenvalues_do_not_depend_on_the_grid(kind, prior):
    basis = BASES[kind](2)
    coarse = by_wavenumber(basis, prior.eigenvalues(basis, 9), 9)
    fine = by_wavenumber(basis, prior.eigenvalues(basis, 16), 16)
    for k, value in coarse.items():
        assert value == pytest.approx(fine[k], rel=1e-12), k


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("prior", PRIORS, ids=name)
def test_without_constants_every_sample_has_mean_zero_and_the_trace_is_one(kind, prior):
    basis, n = BASES[kind](2), 16
    without = replace(prior, zero_mean=True, reference_resolution=n)
    assert without.trace(basis, n) == pytest.approx(1, rel=1e-12)
    samples = without.sample(basis, n, range(3), seed=0)
    assert float(samples.mean((-2, -1)).abs().max()) < 1e-12
    with_mean, found = prior.eigenvalues(basis, n), without.eigenvalues(basis, n)
    assert float(found.flatten()[0]) == 0
    there = found > 0
    assert there.sum() >= (with_mean > 0).sum() - 1
    ratio = with_mean[there] / found[there]
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))


@pytest.mark.parametrize("basis", [SineBasis(2), GramBasis(points=(0.1, 0.5), covariance=RBF())])
def test_there_are_no_constants_to_leave_out_of_other_bases(basis):
    with pytest.raises(ValueError, match=f"zero_mean: no mode of a {basis.kind} basis is"):
        RBF(zero_mean=True).eigenvalues(basis, 2)


@pytest.mark.parametrize("kind", BASES)
def test_five_point_option_takes_the_stencils_symbol(kind):
    basis, n = BASES[kind](2), 8
    prior = Bessel(symbol="five_point", normalize=False)
    half = (np.pi if kind == "cosine" else 2 * np.pi) / (2 * n)
    for k, value in by_wavenumber(basis, prior.eigenvalues(basis, n), n).items():
        symbol = 4 * n**2 * sum(np.sin(half * ki) ** 2 for ki in k)
        assert value == pytest.approx((8 + symbol) ** -1.1 / 64**2, rel=1e-12)


# Random weights


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("n", [12, 13])
def test_random_weights_have_finite_rank_and_the_published_law(kind, n):
    basis, first, second = BASES[kind](2), 4, 3
    prior = FNO(modes=(first, second))
    weights = by_wavenumber(basis, prior.multiplier(basis, n), n)
    for k, weight in weights.items():
        if abs(k[0]) < first and abs(k[1]) < second:
            assert 0.2 <= weight.real <= 1
            assert 0.2 <= weight.imag <= 1
        else:
            assert weight == 0
    rank = float((basis.multiplicity(n) * (prior.eigenvalues(basis, n) > 0)).sum())
    assert rank == (first * second if kind == "cosine" else (2 * first - 1) * (2 * second - 1))
    inside = [w for w in weights.values() if w]
    assert len(set(inside)) > len(inside) / 2


def test_random_weights_are_uniform():
    table = FNO(modes=(32, 32)).multiplier(CosineBasis(2), 32).numpy().ravel()
    for part in (table.real, table.imag):
        # U on [0, 1] has standard deviation 1/√12; 1024 of them.
        assert abs(part.mean() - 0.6) < 5 * 0.8 / np.sqrt(12 * 1024)
        assert abs(part.std() - 0.8 / np.sqrt(12)) < 0.02
    # |correlation| of 1024 independent pairs has standard deviation 1/32.
    assert abs(np.corrcoef(table.real, table.imag)[0, 1]) < 5 / 32


@pytest.mark.parametrize("dimension", [2, 3])
def test_random_weights_are_those_of_a_real_operator(dimension):
    basis, n = FourierBasis(dimension), 8
    prior = FNO(modes=(4, 3))
    values = by_wavenumber(basis, prior.eigenvalues(basis, n), n)
    for k, value in values.items():
        opposite = tuple(-ki for ki in k)
        if opposite in values:
            assert value == values[opposite]


def test_random_weights_depend_on_their_seed():
    basis = FourierBasis(2)
    one, other = (FNO(seed=seed, modes=(4, 4)).eigenvalues(basis, 16) for seed in (0, 1))
    assert not torch.allclose(one, other)
    assert one.equal(FNO(seed=0, modes=(4, 4)).eigenvalues(basis, 16))


@pytest.mark.parametrize("kind", BASES)
def test_combined_adds_symbols(kind):
    basis, n = BASES[kind](2), 12
    prior = Combined(fno_scale=0.5, laplacian_scale=10.0, modes=(4, 3), seed=2, normalize=False)
    low = by_wavenumber(basis, FNO(modes=(4, 3), seed=2).multiplier(basis, n), n)
    for k, value in by_wavenumber(basis, prior.eigenvalues(basis, n), n).items():
        w = omega_squared(kind, k)
        symbol = 0.5 * low[k] + (10 * w**-prior.power if w else 0)
        assert value == pytest.approx(abs(symbol) ** 2 / 64**2, rel=1e-12)


# What a sample depends on


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("prior", PRIORS, ids=name)
def test_samples_are_nested_between_grids(kind, prior):
    basis = BASES[kind](2)
    fine = prior.sample(basis, 12, [0, 5], seed=3, channels=2)
    for m in (11, 8, 5):
        coarse = prior.sample(basis, m, [0, 5], seed=3, channels=2)
        torch.testing.assert_close(basis.restrict(fine, m), coarse, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("n", [16, 33])
def test_a_sample_does_not_depend_on_its_batch(kind, n):
    basis, prior = BASES[kind](2), Bessel()
    together = prior.sample(basis, n, range(7), seed=3, channels=2)
    assert together.shape == (7, 2, n, n)
    assert together.dtype == torch.float64
    for i in range(7):
        assert prior.sample(basis, n, [i], seed=3, channels=2)[0].equal(together[i])
    assert not prior.sample(basis, n, [0], seed=4)[0].equal(together[0])


def test_channels_are_independent(basis):
    prior = Bessel(power=0.6, reference_resolution=8)
    u = prior.sample(basis, 8, range(800), seed=0, channels=2)
    one, other = u[:, 0], u[:, 1]
    product = (one * other).mean((1, 2))
    # Var ⟨X, Y⟩ = Σ λ_k² for independent X and Y.
    spread = float((basis.multiplicity(8) * prior.eigenvalues(basis, 8) ** 2).sum()) ** 0.5
    assert abs(float(product.mean())) < 5 * spread / 800**0.5
    assert prior.sample(basis, 8, range(3), seed=0, channels=1)[:, 0].equal(one[:3])


def test_samples_are_independent_of_the_noise_that_models_start_from(basis):
    """With the same seed and indices, and with white noise drawn for a purpose of its own."""
    count, n = 400, 8
    own = basis.forward(Standard(allow_non_trace_class=True).sample(basis, n, range(count), 0))
    start = white_noise(basis, n, range(count), 0, Stream.NOISE)
    product = (own * start.conj()).real.mean(0) / own.abs().square().mean(0).clamp_min(1e-12).sqrt()
    assert product.abs().max() < 5 / count**0.5


# Operators


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("prior", PRIORS, ids=name)
@pytest.mark.parametrize("n", [7, 8])
def test_square_root_and_inverse(kind, prior, n):
    basis = BASES[kind](2)
    u = scattered(basis, n)
    covered = prior.apply(u, basis)
    twice = prior.apply_sqrt(prior.apply_sqrt(u, basis), basis)
    torch.testing.assert_close(twice, covered, rtol=1e-10, atol=1e-14)
    # Solving undoes applying on the range of Q, and is zero on its kernel.
    recovered = prior.solve(covered, basis)
    range_of_q = basis.multiply(u, (prior.eigenvalues(basis, n) > 0).double())
    torch.testing.assert_close(recovered, range_of_q, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(prior.apply(recovered, basis), covered, rtol=1e-10, atol=1e-14)


def test_operators_keep_single_precision(basis):
    u = scattered(basis, 8).float()
    for operator in (Bessel().apply, Bessel().apply_sqrt, Bessel().solve):
        assert operator(u, basis).dtype == torch.float32


# Which measures live on functions


@pytest.mark.parametrize("kind", [Bessel, Laplacian, Combined])
def test_measures_that_are_not_trace_class_are_refused(kind):
    for dimension, power in ((1, 0.25), (2, 0.5), (2, 0.2), (3, 0.75)):
        with pytest.raises(ValueError, match=f"power = {power}.*{dimension}-D.*{dimension / 4:g}"):
            kind(power=power).check(dimension)
        kind(power=power, allow_non_trace_class=True).check(dimension)
        kind(power=dimension / 4 + 0.01).check(dimension)


def test_the_benchmark_is_allowed():
    Standard().check(2)
    FNO().check(2)
