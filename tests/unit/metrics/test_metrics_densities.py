"""Densities of values and gradients: shifts, kurtoses of known laws, order of differences."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fsdiff.metrics import densities
from fsdiff.metrics.densities import (
    GradientDensity,
    OnePointDensity,
    kurtosis,
    partial_derivatives,
    sorted_values,
    wasserstein_1,
)
from fsdiff.spaces.bases import CosineBasis, FourierBasis

BASES = [CosineBasis(), FourierBasis()]


def random_fields(count: int, n: int, seed: int, channels: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn((count, channels, n, n), generator=random, dtype=torch.float64)


@settings(max_examples=50, deadline=None)
@given(one=st.integers(1, 12), other=st.integers(1, 60), seed=st.integers(0, 1000))
def test_wasserstein_is_exact_for_all_lengths(one, other, seed):
    random = np.random.default_rng(seed)
    x, y = np.sort(random.normal(size=one)), np.sort(random.normal(1, 2, size=other))
    expected = scipy.stats.wasserstein_distance(x, y)
    assert wasserstein_1(x, y) == pytest.approx(expected)
    assert wasserstein_1(y, x) == pytest.approx(expected)


@pytest.mark.parametrize("block", [5, 1000, 2**22])
def test_wasserstein_of_long_arrays_is_added_up_from_blocks(block, monkeypatch):
    monkeypatch.setattr(densities, "BLOCK", block)
    random = np.random.default_rng(0)
    x, y = np.sort(random.normal(size=300)), np.sort(random.normal(0.3, 2, size=401))
    for others in (y, y[:300]):
        expected = scipy.stats.wasserstein_distance(x, others)
        assert wasserstein_1(x, others) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("length", [1000, 2**22 + 1])
def test_kurtosis_of_known_laws(length):
    assert kurtosis(np.linspace(-1, 1, length)) == pytest.approx(9 / 5, rel=1e-2)
    signs = np.sort(np.where(np.arange(length) % 2, 1.0, -1.0)).astype(np.float32) + 1000
    assert kurtosis(signs) == pytest.approx(1, rel=1e-5)


def test_kurtosis_of_a_constant_is_undefined():
    assert math.isnan(kurtosis(np.full(7, 0.1, dtype=np.float32)))


@settings(max_examples=20, deadline=None)
@given(shift=st.floats(-3, 3), channels=st.integers(1, 3))
def test_one_point_distance_of_shifted_fields_is_the_shift(shift, channels):
    x = random_fields(4, 8, 0, channels)
    row = OnePointDensity()(x + shift, x, CosineBasis())
    assert row["one_point_w1"] == pytest.approx(abs(shift), abs=1e-12)
    assert row["one_point_kurtosis"] == pytest.approx(row["one_point_kurtosis_reference"])


def test_one_point_kurtosis_of_gaussian_and_of_two_valued_fields():
    gaussian = random_fields(50, 64, 0)
    row = OnePointDensity()(gaussian.sign(), gaussian, CosineBasis())
    assert row["one_point_kurtosis"] == pytest.approx(1, abs=1e-4)
    assert row["one_point_kurtosis_reference"] == pytest.approx(3, abs=0.05)
    # W1 between |Z| and 1, as both laws are symmetric: E| |Z| − 1 |.
    tail = math.erfc(1 / 2**0.5)
    density = math.exp(-0.5) * (2 / math.pi) ** 0.5
    expected = 1 - 2 * tail - (2 / math.pi) ** 0.5 + 2 * density
    assert row["one_point_w1"] == pytest.approx(expected, abs=0.01)


def test_numbers_are_averaged_over_channels():
    x, y = random_fields(4, 8, 0, 2), random_fields(4, 8, 1, 2)
    basis = FourierBasis()
    for metric in (OnePointDensity(), GradientDensity()):
        parts = [metric(x[:, c : c + 1], y[:, c : c + 1], basis) for c in range(2)]
        mean = {key: (parts[0][key] + parts[1][key]) / 2 for key in parts[0]}
        assert metric(x, y, basis) == pytest.approx(mean)


def test_rearranging_nodes_does_not_change_the_one_point_law():
    x, y = random_fields(4, 8, 0), random_fields(4, 8, 1)
    shuffled = x.flatten()[torch.randperm(x.numel())].reshape(x.shape)
    row = OnePointDensity()(x, y, CosineBasis())
    assert OnePointDensity()(shuffled, y, CosineBasis()) == pytest.approx(row)


def test_gradient_of_a_linear_field_is_exact():
    nodes = torch.from_numpy(CosineBasis().nodes(10))
    u = 3 * nodes[:, None] - 5 * nodes[None, :]
    along_y, along_x = partial_derivatives(u, CosineBasis())
    torch.testing.assert_close(along_y, torch.full((9, 10), 3.0, dtype=torch.float64))
    torch.testing.assert_close(along_x, torch.full((10, 9), -5.0, dtype=torch.float64))


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_differences_are_second_order_at_midpoints(basis):
    omega, errors = 2 * basis.angular_frequency(), []
    for n in (32, 64):
        nodes = torch.from_numpy(basis.nodes(n))
        found = partial_derivatives(torch.cos(omega * nodes).repeat(n, 1), basis)[1][0]
        midpoints = nodes[: len(found)] + 0.5 / n
        errors.append(float((found + omega * torch.sin(omega * midpoints)).abs().max()))
    assert len(found) == (64 if basis.periodic else 63)
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_gradient_density_converges_under_refinement(basis):
    x, y = random_fields(6, 7, 0), 2 * random_fields(6, 7, 1)
    rows = [GradientDensity()(basis.prolong(x, n), basis.prolong(y, n), basis) for n in (56, 112)]
    assert rows[0] == pytest.approx(rows[1], rel=0.03)


def test_gradient_distance_between_two_slopes():
    nodes = torch.from_numpy(CosineBasis().nodes(8))
    ramp = nodes.repeat(8, 1)[None, None]
    # Half of the derivatives, those along y, vanish for both: the law is two-valued.
    row = GradientDensity()(4 * ramp, ramp, CosineBasis())
    assert row["gradient_w1"] == pytest.approx(3 / 2)
    assert row["gradient_kurtosis"] == pytest.approx(1)


def test_sorting_leaves_the_field_alone():
    x = random_fields(3, 4, 0).float()
    before = x.clone()
    values = sorted_values([x[:, 0]])
    assert torch.equal(x, before)
    assert (np.diff(values) >= 0).all()
