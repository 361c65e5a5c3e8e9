"""Models on many sets of points: noise is one function, and so is what they draw, if told where."""

import numpy as np
import pytest
import torch

from fsdiff.analyses.point_sets import PointSets, point_sets

SMALL = {"width": 8, "modes": 4, "layers": 2, "fewest": 12, "most": 20, "steps": 1, "samples": 6}


def test_noise_is_the_same_function_on_every_set():
    analysis, sets = PointSets(**SMALL), point_sets(0)
    few, many = sets["24 regular"], sets["400 regular"]
    both = torch.cat([few, many]).sort()

    def noise(points):
        return analysis._noise(points, np.random.default_rng(0), 3)

    there = (both.indices < len(few)).nonzero().flatten()
    torch.testing.assert_close(noise(both.values)[..., there], noise(few))
    variance = analysis._noise(many, np.random.default_rng(0), 4000).square().mean()
    assert float(variance) == pytest.approx(1, abs=0.05)


def difference(blind: bool) -> float:
    """What 200 points more change in functions on a set of random ones, relatively."""
    analysis = PointSets(**SMALL, blind=blind)
    network = analysis.trained(0)
    random = torch.Generator().manual_seed(0)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.3, generator=random)
    points = point_sets(0)["100 random"]
    more = torch.cat([points, torch.linspace(0.001, 0.999, 200).double()]).sort()
    there = (more.indices < len(points)).nonzero().flatten()
    alone, together = (analysis.drawn(network, places, 0) for places in (points, more.values))
    changed = (together[:, there] - alone).square().mean() / alone.square().mean()
    return float(changed.sqrt())


def test_functions_drawn_are_one_function_where_the_network_is_told_the_points():
    told = difference(blind=False)
    assert told < 0.005
    assert difference(blind=True) > 10 * told


def test_each_seed_has_a_network_and_random_sets_of_its_own():
    result = PointSets(**SMALL, seeds=(0, 1)).run()
    assert result.difference.dims == ("seed", "set")
    assert (result.difference[0] != result.difference[1]).all()
    again = PointSets(**SMALL, seeds=(1,)).run()
    np.testing.assert_allclose(again.residual[0], result.residual[1], rtol=1e-12)
    assert not np.array_equal(again.place.sel(set="100 random"), result.place.sel(set="100 random"))


def test_sets_too_small_for_the_modes_are_refused():
    with pytest.raises(ValueError, match="fewest = 12: use twice the modes, 24, to most"):
        PointSets(modes=12, fewest=12)
