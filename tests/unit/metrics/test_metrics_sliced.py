"""Sliced Wasserstein distances against closed forms and against POT."""

import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fsdiff.metrics.patches import PatchSlicedWasserstein
from fsdiff.metrics.sliced import (
    SlicedWasserstein,
    SlicedWassersteinGaussianApproximation,
    white_noise_directions,
)
from fsdiff.spaces.bases import CosineBasis, FourierBasis

BASES = [CosineBasis(), FourierBasis()]


def random_fields(count: int, n: int, seed: int, channels: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn((count, channels, n, n), generator=random, dtype=torch.float64)


def distance(x, y, basis=CosineBasis(), **options) -> float:  # noqa: B008
    return SlicedWasserstein(**options)(x, y, basis)["sliced_wasserstein"]


def patch_distance(x, y, basis=CosineBasis(), **options) -> float:  # noqa: B008
    return PatchSlicedWasserstein(**options)(x, y, basis)["patch_sliced_wasserstein"]


@pytest.mark.parametrize("basis", BASES, ids=str)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("counts", [(20, 20), (20, 13)])
def test_equals_pot_on_the_same_projections(basis, channels, counts):
    n, projections = 9, 40
    x, y = random_fields(counts[0], n, 0, channels), random_fields(counts[1], n, 1, channels) + 0.3
    directions = white_noise_directions(x, basis, range(projections), seed=5).flatten(1).T
    expected = ot.sliced_wasserstein_distance(
        x.flatten(1).numpy() / n**2, y.flatten(1).numpy() / n**2, projections=directions.numpy()
    )
    assert distance(x, y, basis, projections=projections, seed=5) == pytest.approx(expected)


def test_agrees_with_pot_on_unit_directions_of_node_values():
    x, y = random_fields(50, 16, 0), 1.5 * random_fields(60, 16, 1) + 0.2
    expected = ot.sliced_wasserstein_distance(
        x.flatten(1).numpy(), y.flatten(1).numpy(), n_projections=2000, seed=0
    )
    assert distance(x, y, projections=2000) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("basis", BASES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_point_masses_are_at_their_distance(basis, channels):
    # Odd n: every function on the nodes is resolved by either basis.
    u, w = random_fields(1, 15, 0, channels), random_fields(1, 15, 1, channels)
    norm = float((u - w).square().sum(1).mean().sqrt())
    assert distance(u, w, basis, projections=4000) == pytest.approx(norm, rel=0.04)


def test_shift_of_a_set_by_a_field():
    x, shift = random_fields(30, 15, 0), random_fields(1, 15, 1)
    norm = float(shift.square().mean().sqrt())
    assert distance(x, x + shift, projections=4000) == pytest.approx(norm, rel=0.04)


def test_constant_shift_of_patches():
    x = random_fields(10, 16, 0)
    found = patch_distance(x, x + 0.7, divisions=2, points=8, projections=4000)
    assert found == pytest.approx(0.7, rel=0.04)


@pytest.mark.parametrize("measure", [distance, patch_distance])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10), count=st.integers(1, 6))
def test_is_a_distance_that_scales_with_the_fields(measure, seed, scale, count):
    x, y = random_fields(count, 8, seed), random_fields(5, 8, seed + 1)
    options = {"projections": 8}
    value = measure(x, y, **options)
    assert measure(x, x[torch.randperm(count)], **options) == pytest.approx(0, abs=1e-12)
    assert measure(y, x, **options) == pytest.approx(value)
    assert measure(scale * x, scale * y, **options) == pytest.approx(scale * value)


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_directions_are_white_and_nested(basis):
    fine = white_noise_directions(random_fields(1, 16, 0, 2), basis, range(3000), seed=1)
    coarse = white_noise_directions(random_fields(1, 8, 0, 2), basis, range(10), seed=1)
    torch.testing.assert_close(basis.restrict(fine[:10], 8), coarse)
    between_channels = (fine[:, 0] * fine[:, 1]).mean((1, 2))
    # Node values have variance n² = 256: a sum of 256 independent products over 256 is about 16.
    assert between_channels.abs().max() < 6 * 16
    smooth = basis.prolong(random_fields(2, 7, 3), 16)[:, 0]
    projections = torch.einsum("pyx,fyx->pf", fine[:, 1], smooth) / 16**2
    covariance = torch.einsum("fyx,gyx->fg", smooth, smooth) / 16**2
    torch.testing.assert_close(projections.T @ projections / 3000, covariance, rtol=0.1, atol=0.05)


def test_seed_and_number_of_projections_matter():
    x, y = random_fields(6, 8, 0), random_fields(6, 8, 1)
    values = {distance(x, y, projections=p, seed=s) for p in (5, 6) for s in (0, 1)}
    assert len(values) == 4


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_patches_are_pieces_of_the_field(basis):
    u = random_fields(3, 15, 0, channels=2)
    metric = PatchSlicedWasserstein(divisions=3, points=5)
    (patches,) = metric.patches(u, basis)
    expected = [
        u[f, :, 5 * i : 5 * i + 5, 5 * j : 5 * j + 5].flatten()
        for f in range(3)
        for i in range(3)
        for j in range(3)
    ]
    torch.testing.assert_close(patches, torch.stack(expected))


def test_patches_see_the_order_of_values_within_them():
    # Stripes along y and their transpose: the same one-point law, differently arranged.
    stripes = torch.sin(torch.arange(16) * torch.pi / 4).repeat(16, 1).double()
    x = torch.stack([torch.roll(stripes, i, 1) for i in range(8)])[:, None]
    same = torch.stack([torch.roll(stripes, i, 1) for i in range(7, -1, -1)])[:, None]
    options = {"divisions": 2, "points": 8, "basis": FourierBasis()}
    assert patch_distance(x, same, **options) == pytest.approx(0, abs=1e-12)
    assert patch_distance(x, x.transpose(2, 3), **options) > 0.1


def test_gaussian_approximation_by_hand():
    # Means 1 and 0; deviations ±1 and ±3 at each of 4 nodes: √(1 + (1 − 3)²).
    x = torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)
    y = torch.tensor([-3.0, 3.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)
    row = SlicedWassersteinGaussianApproximation()(x, y, CosineBasis())
    assert row == {"sw_gaussian_approx": pytest.approx(5**0.5)}


def test_gaussian_approximation_sees_mean_and_total_variance_only():
    basis = CosineBasis()
    rough = random_fields(400, 16, 0)
    smooth = basis.prolong(random_fields(400, 2, 1), 16)
    smooth = smooth - smooth.mean(0) + rough.mean(0)
    smooth = rough.mean(0) + (smooth - rough.mean(0)) * (
        (rough - rough.mean(0)).norm() / (smooth - rough.mean(0)).norm()
    )
    row = SlicedWassersteinGaussianApproximation()(rough, smooth, basis)
    assert row["sw_gaussian_approx"] == pytest.approx(0, abs=1e-7)


def test_gaussian_approximation_is_the_limit_for_white_noise():
    x, y = random_fields(2000, 16, 0), 2 * random_fields(2000, 16, 1) + 0.5
    row = SlicedWassersteinGaussianApproximation()(x, y, CosineBasis())
    # The mean shift 0.5 is one direction of many: the approximation holds on average over them.
    assert distance(x, y) == pytest.approx(row["sw_gaussian_approx"], rel=0.03)


def test_patches_are_projected_part_by_part_where_memory_asks_for_it(monkeypatch):
    x, y = random_fields(5, 16, 0, 2), random_fields(7, 16, 1, 2)
    options = {"divisions": 2, "points": 4, "projections": 10}
    whole = patch_distance(x, y, **options)
    monkeypatch.setattr("fsdiff.metrics.patches.PROJECTED", 100)
    assert patch_distance(x, y, **options) == pytest.approx(whole, rel=1e-12)


def test_patches_of_volumes_have_a_limit_of_their_own():
    metric = PatchSlicedWasserstein(divisions=64, points=8)
    metric.check_grid(CosineBasis(), 16)
    with pytest.raises(ValueError, match=r"512 nodes .* in 3-D; use divisions \* points <= 256"):
        metric.check_grid(CosineBasis(3), 16)
