"""Slopes, components and holes of fields whose shapes are known."""

import pytest
import torch

from fsdiff.metrics.evaluate import evaluate
from fsdiff.metrics.shapes import EikonalResidual, Topology, counts
from fsdiff.spaces.bases import CosineBasis, FourierBasis

BASIS = CosineBasis()


def places(n):
    nodes = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return torch.meshgrid(nodes, nodes, indexing="ij")


def ring(n, inner=0.15, outer=0.3, y0=0.5, x0=0.5):
    """The signed distance of a ring."""
    y, x = places(n)
    radius = torch.hypot(y - y0, x - x0)
    return (radius - (inner + outer) / 2).abs() - (outer - inner) / 2


def disc(n, radius=0.2, y0=0.5, x0=0.5):
    y, x = places(n)
    return torch.hypot(y - y0, x - x0) - radius


def fields(*shapes):
    return torch.stack(shapes)[:, None]


@pytest.mark.parametrize("n", [32, 128])
def test_the_residual_of_distances_is_of_second_order_and_of_others_their_slope(n):
    row = EikonalResidual()(fields(1.4 * ring(n)), fields(ring(n)), BASIS)
    assert row["eikonal_reference"] < 3 / n**2 * 10
    assert row["eikonal"] == pytest.approx(0.4, abs=0.02)


def test_components_and_holes_of_discs_and_rings():
    two = torch.minimum(disc(48, 0.1, 0.2, 0.2), disc(48, 0.1, 0.8, 0.7))
    eight = torch.minimum(ring(48, 0.08, 0.16, 0.3), ring(48, 0.08, 0.16, 0.62))
    nothing = torch.ones(48, 48)
    shapes = torch.stack([disc(48), ring(48), two, eight, nothing, -nothing])
    components, holes = counts(shapes)
    assert components.tolist() == [1, 1, 2, 1, 0, 1]
    assert holes.tolist() == [0, 1, 0, 2, 0, 0]


def test_diagonal_neighbours_are_joined_inside_and_not_outside():
    pattern = torch.ones(3, 3)
    pattern[0, 1] = pattern[1, 0] = pattern[1, 2] = pattern[2, 1] = -1
    assert [counts(pattern[None])[i].tolist() for i in (0, 1)] == [[1], [1]]


def test_laws_of_counts_are_compared():
    some, others = fields(ring(32), ring(32)), fields(ring(32), disc(32))
    row = evaluate({"topology": Topology()}, some, others, BASIS)
    assert row == {
        "components_w1": 0.0,
        "holes_w1": 0.5,
        "few_components": 1.0,
        "few_components_reference": 1.0,
    }
    assert Topology()(fields(torch.ones(32, 32)), some, BASIS)["few_components"] == 0


def test_holes_are_counted_in_the_plane():
    with pytest.raises(ValueError, match="counts holes in the plane, and fields are in 1-D"):
        Topology().check_grid(FourierBasis(1), 8)
