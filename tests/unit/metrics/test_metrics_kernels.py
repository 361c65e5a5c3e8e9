"""Vendi score, kernel discrepancy and energy distance against closed forms and double loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fsdiff.metrics.diversity import VendiScore
from fsdiff.metrics.fields import gram, squared_distances
from fsdiff.metrics.kernels import EnergyDistance, GaussianKernelDiscrepancy
from fsdiff.spaces.bases import CosineBasis, FourierBasis

BASIS = CosineBasis()


def random_fields(count: int, n: int, seed: int, channels: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn((count, channels, n, n), generator=random, dtype=torch.float64)


def norm(u: torch.Tensor) -> float:
    return math.sqrt(float(u.square().sum(0).mean()))


def brute_force(kernel, x, y) -> float:
    """Unbiased squared MMD, pair by pair."""
    xx = [kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    yy = [kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    xy = [kernel(a, b) for a in x for b in y]
    return sum(xx) / len(xx) + sum(yy) / len(yy) - 2 * sum(xy) / len(xy)


def test_inner_products_and_distances_pair_by_pair():
    u = random_fields(5, 6, 0, channels=2) + 100
    products, squared = gram(u), squared_distances(u)
    for i in range(5):
        for j in range(5):
            assert products[i, j] == pytest.approx(float((u[i] * u[j]).sum(0).mean()))
            assert squared[i, j] == pytest.approx(norm(u[i] - u[j]) ** 2, rel=1e-12)


@pytest.mark.parametrize("order", [0.5, 1.0, 1 + 1e-15, 2.0, 5.0, 1000.0])
def test_vendi_of_orthogonal_and_of_parallel_fields(order):
    basis = FourierBasis()
    x = torch.linspace(0, 1, 17, dtype=torch.float64)[:-1]
    waves = torch.stack([(k + 1) * torch.cos(2 * torch.pi * k * x).repeat(16, 1) for k in range(6)])
    waves = waves[:, None]
    parallel = torch.arange(1.0, 7.0).reshape(6, 1, 1, 1) * random_fields(1, 16, 0)
    row = VendiScore(order)(waves, parallel, basis)
    assert row == {"vendi": pytest.approx(6), "vendi_reference": pytest.approx(1)}
    # Diversity grows with number: as many fields of both are looked at.
    row = VendiScore(order)(waves[:2], waves, basis)
    assert row == {"vendi": pytest.approx(2), "vendi_reference": pytest.approx(2)}
    row = VendiScore(order)(waves, waves[:2], basis)
    assert row == {"vendi": pytest.approx(2), "vendi_reference": pytest.approx(2)}
    # Repeating every field changes nothing.
    assert VendiScore(order).score(waves.repeat(3, 1, 1, 1)) == pytest.approx(6)


def test_vendi_of_two_fields_at_an_angle():
    cosine = 0.6
    e = torch.zeros(2, 1, 2, 2, dtype=torch.float64)
    e[0, 0, 0, 0] = 1
    e[1, 0, 0, 0], e[1, 0, 0, 1] = cosine, 0.8
    weights = [(1 + cosine) / 2, (1 - cosine) / 2]
    expected = math.exp(-sum(w * math.log(w) for w in weights))
    assert VendiScore().score(e) == pytest.approx(expected)
    assert VendiScore(order=2).score(e) == pytest.approx(1 / sum(w**2 for w in weights))
    assert VendiScore(order=1 + 1e-6).score(e) == pytest.approx(expected, rel=1e-5)


def test_vendi_is_not_defined_where_a_field_has_no_direction():
    u = random_fields(3, 4, 0)
    u[1] = 0
    assert math.isnan(VendiScore().score(u))


@pytest.mark.parametrize("size", [1e6, 1e12, 1e30])
def test_a_field_far_away_hides_no_distance_between_the_others(size):
    u = random_fields(9, 4, 0).float()
    expected = squared_distances(u)[:8, :8]
    u[8] = size
    found = squared_distances(u)
    assert torch.allclose(found[:8, :8], expected, rtol=1e-6)
    assert torch.allclose(found[8, :8].sqrt() / size, torch.ones(8).double(), rtol=1e-5)


@pytest.mark.parametrize("counts", [(6, 6), (5, 8)])
def test_discrepancy_pair_by_pair(counts):
    x, y = random_fields(counts[0], 4, 0, 2), random_fields(counts[1], 4, 1, 2) + 0.4
    pooled = torch.cat([x, y])
    lengths = sorted(norm(a - b) for i, a in enumerate(pooled) for b in pooled[:i])
    width = lengths[(len(lengths) - 1) // 2]
    expected = brute_force(lambda a, b: math.exp(-(norm(a - b) ** 2) / (2 * width**2)), x, y)
    row = GaussianKernelDiscrepancy()(x, y, BASIS)
    assert row == {"rbf_mmd": pytest.approx(expected, abs=1e-13)}


@pytest.mark.parametrize("counts", [(6, 6), (5, 8)])
def test_energy_distance_pair_by_pair(counts):
    x, y = random_fields(counts[0], 4, 0, 2), random_fields(counts[1], 4, 1, 2) + 0.4
    expected = brute_force(lambda a, b: -norm(a - b), x, y)
    row = EnergyDistance()(x, y, BASIS)
    assert row == {"energy_distance": pytest.approx(expected, abs=1e-13)}


def test_energy_distance_of_two_point_masses():
    u, w = random_fields(1, 4, 0), random_fields(1, 4, 1)
    row = EnergyDistance()(u.expand(3, 1, 4, 4), w.expand(4, 1, 4, 4), BASIS)
    assert row["energy_distance"] == pytest.approx(2 * norm((u - w)[0]))


@pytest.mark.parametrize("metric", [GaussianKernelDiscrepancy(), EnergyDistance()], ids=str)
def test_unbiased_where_the_laws_agree_and_positive_where_not(metric):
    null, shifted = [], []
    for i in range(400):
        x, y = random_fields(6, 3, 2 * i), random_fields(9, 3, 2 * i + 1)
        null += metric(x, y, BASIS).values()
        shifted += metric(x, y + 0.5, BASIS).values()
    null, shifted = torch.tensor(null), torch.tensor(shifted)
    error = null.std() / 400**0.5
    assert abs(null.mean()) < 4 * error
    assert shifted.mean() > 20 * error


def test_p_value_is_uniform_under_the_null_and_small_otherwise():
    test = GaussianKernelDiscrepancy(permutations=19)
    p = [
        test(random_fields(8, 3, 2 * i), random_fields(6, 3, 2 * i + 1), BASIS)["rbf_mmd_p_value"]
        for i in range(400)
    ]
    p = torch.tensor(p)
    for level in (0.05, 0.25, 0.5, 0.75):
        share = float((p <= level + 1e-9).double().mean())
        assert share == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / 400))
    far = GaussianKernelDiscrepancy(permutations=99)(
        random_fields(20, 3, 0), random_fields(20, 3, 1) + 2, BASIS
    )
    assert far["rbf_mmd_p_value"] == pytest.approx(1 / 100)


def test_p_value_of_equal_sets_is_large():
    x = random_fields(10, 4, 0)
    row = GaussianKernelDiscrepancy(permutations=50)(x, x.flip(0), BASIS)
    assert row["rbf_mmd_p_value"] > 0.9


def test_repeated_fields_leave_no_kernel_width():
    x = random_fields(1, 4, 0).expand(5, 1, 4, 4)
    with pytest.raises(ValueError, match="width of the kernel, is zero"):
        GaussianKernelDiscrepancy()(x, x, BASIS)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_invariances(seed, scale, shift):
    x, y = random_fields(5, 4, seed), random_fields(4, 4, seed + 1)
    moved = scale * x + shift, scale * y + shift
    discrepancy, energy = GaussianKernelDiscrepancy(), EnergyDistance()
    value = discrepancy(x, y, BASIS)["rbf_mmd"]
    assert discrepancy(y, x, BASIS)["rbf_mmd"] == pytest.approx(value, abs=1e-12)
    assert discrepancy(*moved, BASIS)["rbf_mmd"] == pytest.approx(value, abs=1e-10)
    value = energy(x, y, BASIS)["energy_distance"]
    assert energy(y, x, BASIS)["energy_distance"] == pytest.approx(value, abs=1e-12)
    assert energy(*moved, BASIS)["energy_distance"] == pytest.approx(scale * value, abs=1e-9)
