"""The FNO on points: the same operator on every set, that of the grid on a grid, no other masks."""

import math

import pytest
import torch

from fsdiff.networks.fno import FNO
from fsdiff.networks.points import PointFNO, PointSet
from fsdiff.spaces.bases import CosineBasis

MODES = 6
SETTINGS = {"width": 8, "modes": MODES, "layers": 3, "projection": 8}
T = torch.tensor([0.3, -1.0], dtype=torch.float64)


def network(**changes):
    torch.manual_seed(0)
    made = PointFNO(**{**SETTINGS, **changes}).double()
    for weights in made.parameters():
        torch.nn.init.normal_(weights, std=0.3)
    return made


def centres(n: int) -> torch.Tensor:
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def scattered(n: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(n, generator=random, dtype=torch.float64).sort().values


def function(points: torch.Tensor, batch: int = 2) -> torch.Tensor:
    """Band-limited functions (batch, 1, point), the same on every set."""
    coefficients = torch.randn(
        (batch, MODES), generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    return coefficients[:, None] @ PointSet(points).cosines(MODES).mT


GAP = torch.cat([0.35 * scattered(30, 4), 0.6 + 0.4 * scattered(30, 5)])
SETS = {
    "few": scattered(2 * MODES + 3, 1),
    "many": scattered(400, 2),
    "grid": centres(40),
    "gap": GAP,
}


@pytest.mark.parametrize("name", SETS)
def test_least_squares_are_exact_for_functions_of_the_modes(name):
    points = PointSet(SETS[name])
    values = function(SETS[name])[:, 0]
    found = values @ points.analysis(MODES).mT
    expected = torch.randn((2, MODES), generator=torch.Generator().manual_seed(2)).double()
    torch.testing.assert_close(found @ points.cosines(MODES).mT, values, rtol=0, atol=1e-6)
    assert found.shape == expected.shape


def test_on_cell_centres_coefficients_are_those_of_the_basis():
    values = torch.randn((2, 40), generator=torch.Generator().manual_seed(3)).double()
    expected = CosineBasis(1).forward(values)[:, :MODES]
    for how in ("least_squares", "quadrature"):
        found = values @ PointSet(centres(40)).analysis(MODES, how).mT
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)


def test_quadrature_is_of_second_order():
    """∫ e_k u over points that are twice as dense has a quarter of the error."""
    errors = []
    for n in (50, 100, 200):
        warped = centres(n) + 0.1 * torch.sin(2 * math.pi * centres(n)) / (2 * math.pi)
        found = warped.square() @ PointSet(warped).analysis(MODES, "quadrature").mT
        k = torch.arange(1, MODES).double()
        exact = torch.cat(
            [torch.tensor([1 / 3]).double(), 2 * math.sqrt(2) * (-1) ** k / (math.pi * k) ** 2]
        )
        errors.append(float((found - exact).abs().max()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)


def test_on_cell_centres_it_is_the_fno_of_the_same_weights():
    own = network()
    other = FNO(**SETTINGS, basis="cosine", dimension=1).double()
    other.load_state_dict(own.state_dict())
    x = torch.randn((2, 1, 40), generator=torch.Generator().manual_seed(3)).double()
    expected = other(x, T)
    torch.testing.assert_close(own.on(PointSet(centres(40)), x, T), expected, rtol=0, atol=1e-6)
    each = PointSet(centres(40).expand(2, 40))
    torch.testing.assert_close(own.on(each, x, T), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["few", "many", "gap"])
def test_a_layer_is_the_same_operator_on_two_sets(name):
    """One layer on a band-limited function, at points that both sets have, exactly."""
    own, points = network(layers=1, coordinates=False), SETS[name]
    others = scattered(50, 9)
    both = torch.cat([points, others]).sort()
    alone = own.on(PointSet(points), function(points), T)
    together = own.on(PointSet(both.values), function(both.values), T)
    there = (both.indices < len(points)).nonzero().flatten()
    torch.testing.assert_close(together[..., there], alone, rtol=1e-5, atol=1e-5)


def test_deep_networks_agree_on_sets_that_resolve_their_features():
    """Nonlinearities leave the modes, so that layers agree as well as sets resolve them."""
    own = network()
    own_points = centres(100)
    differences = []
    for n in (60, 240):
        points = torch.cat([own_points, scattered(n, 3)]).sort()
        there = (points.indices < 100).nonzero().flatten()
        found = own.on(PointSet(points.values), function(points.values), T)[..., there]
        reference = own.on(PointSet(centres(2000)), function(centres(2000)), T)
        expected = own.on(PointSet(own_points), function(own_points), T)
        scale = reference.square().mean().sqrt()
        differences.append(float((found - expected).square().mean().sqrt() / scale))
    assert differences[0] < 0.01


def test_a_network_without_coordinates_that_is_fed_sorted_values_is_no_operator():
    """The published way: a grid's network on values at random points, whatever these are."""
    own, points = network(coordinates=False), scattered(60, 7)
    blind = own.on(PointSet(centres(60)), function(points), T)
    seeing = own.on(PointSet(points), function(points), T)
    scale = seeing.square().mean().sqrt()
    assert float((blind - seeing).square().mean().sqrt() / scale) > 0.1


def test_sets_of_different_size_are_filled_up_with_points_of_no_account():
    own = network()
    first, second = scattered(30, 1), scattered(20, 2)
    points, absent = torch.ones(2, 30).double(), torch.zeros(2, 30, dtype=torch.bool)
    points[0], points[1, :20], absent[1, 20:] = first, second, True
    x = torch.full((2, 1, 30), 1e3, dtype=torch.float64)
    x[0], x[1, :, :20] = function(first)[0], function(second)[1]
    together = own.on(PointSet(points, absent), x, T)
    alone = own.on(PointSet(first), function(first)[:1], T[:1])
    torch.testing.assert_close(together[:1], alone, rtol=1e-9, atol=1e-9)
    alone = own.on(PointSet(second), function(second)[1:], T[1:])
    torch.testing.assert_close(together[1:, :, :20], alone, rtol=1e-9, atol=1e-9)
    assert PointSet(points, absent).fewest == 20
    assert float(PointSet(points, absent).mean(torch.ones(2, 1, 30).double())[1]) == pytest.approx(
        1
    )


@pytest.mark.parametrize("each", [False, True])
def test_nothing_that_stands_at_absent_points_is_of_account(each):
    """Neither a place nor a value that is no number, not in gradients either."""
    own, kept = network(layers=2), scattered(14, 3)
    points = torch.cat([kept, torch.full((3,), torch.nan).double()])
    absent = torch.isnan(points)
    points = (
        PointSet(points.expand(2, 17), absent.expand(2, 17)) if each else PointSet(points, absent)
    )
    x = torch.full((2, 1, 17), torch.nan, dtype=torch.float64)
    x[..., :14] = function(kept)
    x.requires_grad_()
    found = own.on(points, x, T)
    expected = own.on(PointSet(kept), function(kept), T)
    torch.testing.assert_close(found[..., :14], expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(points.mean(x), PointSet(kept).mean(function(kept)))
    (gradient,) = torch.autograd.grad(points.mean(found).sum(), x)
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("each", [False, True])
def test_gradients_are_those_of_differences(each):
    own = network(layers=2)
    points = scattered(14, 3)
    points = PointSet(points.expand(2, 14) if each else points)
    x = torch.randn((2, 1, 14), generator=torch.Generator().manual_seed(3)).double()
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda u: own.on(points, u, T), x, fast_mode=True)


def test_sets_that_do_not_resolve_the_modes_are_refused():
    with pytest.raises(ValueError, match="a set has 10 points, and a network of 6 modes needs 12"):
        network().on(PointSet(centres(10)), torch.zeros(2, 1, 10).double(), T)
