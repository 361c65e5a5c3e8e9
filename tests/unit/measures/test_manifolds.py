"""Laws on points, lines, curves and surfaces: samples, nearest points, positions, expectations."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from fsdiff.diffusion.exact import STANDARD_NORMAL, ExactDenoiser, point_set
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.measures.manifolds import Functions, Line, Parabola, Points, Sphere, Spiral, blurred

CURVES = [Line(), Parabola(), Spiral()]


@pytest.mark.parametrize("law", CURVES, ids=lambda law: law.kind)
def test_positions_of_samples_are_uniform(law):
    x = law.sample(np.random.default_rng(0), 2000)
    assert kstest(law.position(x).numpy(), "uniform").pvalue > 1e-3
    torch.testing.assert_close(law.nearest(x), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("law", CURVES, ids=lambda law: law.kind)
def test_moments_of_the_nodes_are_those_of_samples(law):
    x = law.sample(np.random.default_rng(1), 40000)
    mixture = law.mixture()
    second = mixture.spectrum(1)[:, 0]
    error = 5 * x.square().std(0) / 200  # five standard errors
    assert ((x.square().mean(0) - second).abs() < error + 1e-9).all()


@pytest.mark.parametrize("away", [0.3, -0.2])
def test_beside_the_spiral_the_nearest_point_is_the_foot(away):
    """The normal at (u cos u, u sin u) is (−sin u − u cos u, cos u − u sin u), up to its length."""
    law, u = Spiral(), torch.linspace(3, 12, 50, dtype=torch.float64)
    normal = torch.stack([-u.sin() - u * u.cos(), u.cos() - u * u.sin()], dim=1)
    x = law.at(u) + away * normal / normal.norm(dim=1, keepdim=True)
    torch.testing.assert_close(law.parameter(x), u, atol=1e-4, rtol=0)
    torch.testing.assert_close((x - law.nearest(x)).norm(dim=1), torch.full_like(u, abs(away)))


def test_beyond_its_ends_the_nearest_point_of_a_curve_is_an_end():
    law = Spiral()
    end = law.at(torch.tensor([13.0], dtype=torch.float64))
    outward = torch.stack([end[0], end[0]]) * torch.tensor([[1.2], [1.3]])
    tangent = torch.tensor([np.cos(13.0) - 13 * np.sin(13.0), np.sin(13.0) + 13 * np.cos(13.0)])
    torch.testing.assert_close(law.nearest(outward + 0.3 * tangent), end.expand(2, 2))


def test_expectations_on_a_sphere_are_those_of_many_points_of_it():
    """A lattice of 20000 points, at noise that is wider than their distance."""
    law, process, count = Sphere(radius=1.5), OrnsteinUhlenbeck(), 20000
    z = 1 - (2 * torch.arange(count, dtype=torch.float64) + 1) / count
    angle = torch.arange(count, dtype=torch.float64) * np.pi * (3 - 5**0.5)
    ring = (1 - z.square()).sqrt()
    lattice = 1.5 * torch.stack([ring * angle.cos(), ring * angle.sin(), z], dim=1)
    points = ExactDenoiser(point_set(lattice), noise=STANDARD_NORMAL, process=process)
    random = torch.Generator().manual_seed(0)
    x = 1.5 * torch.randn((6, 3, 1), generator=random, dtype=torch.float64)
    for t in (0.05, 1.0, 10.0):
        time = torch.tensor([t], dtype=torch.float64)
        found, expected = law.exact(process)(x, time), points(x, time)
        torch.testing.assert_close(found.data, expected.data, rtol=1e-3, atol=1e-5)


def test_on_a_sphere_the_centre_tells_nothing():
    x, t = torch.zeros((1, 3, 1), dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64)
    assert float(Sphere().exact(OrnsteinUhlenbeck())(x, t).data.abs().max()) == 0


def test_a_blurred_law_is_sampled_with_its_blur():
    wide = blurred(Line().mixture(), 0.3)
    x = wide.sample(np.random.default_rng(0), 4000, 1)[..., 0]
    assert kstest((x[:, 1] / 0.3).numpy(), norm.cdf).pvalue > 1e-3
    assert kstest((x[:, 0] / 1.09**0.5).numpy(), norm.cdf).pvalue > 1e-3


@pytest.mark.parametrize(("kind", "name"), [(Points, "points"), (Functions, "functions")])
def test_sets_are_of_one_space(kind, name):
    with pytest.raises(ValueError, match=f"^{name}: give all of them the same number"):
        kind(**{name: ((1.0, 2.0), (1.0,))})


def test_functions_are_sampled_where_they_are_given():
    law = Functions(functions=((0.0, 1.0, 2.0), (3.0, 4.0, 5.0)))
    x = law.sample(np.random.default_rng(0), 50)
    torch.testing.assert_close(law.nearest(x), x)
    assert {tuple(row) for row in x.round(decimals=6).tolist()} == {(0, 1, 2), (3, 4, 5)}
